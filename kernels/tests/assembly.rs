//! The hot loops as the compiler wrote them: `cargo test -p roofprobe-kernels --test assembly -- --ignored`.
//!
//! Ignored because it needs `objdump` and an optimised build for x86-64 Linux. It disassembles itself and holds that every chain's
//! loop is its multiply-accumulates and the loop's own counter, with nothing on the stack and nothing else in it.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::process::Command;

/// Instructions, and how many there are of each.
type Work = &'static [(&'static str, usize)];

/// A chain, the work of one turn of its loop, and the instructions of the loop itself.
const LOOPS: &[(Op, Dtype, Isa, Work, usize)] = &[
    (Op::Chain, Dtype::F64, Isa::Portable, &[("mulpd", 28), ("addpd", 28)], 2),
    (Op::Chain, Dtype::F32, Isa::Portable, &[("mulps", 28), ("addps", 28)], 2),
    (Op::Chain, Dtype::F64, Isa::Sse2, &[("mulpd", 28), ("addpd", 28)], 2),
    (Op::Chain, Dtype::F32, Isa::Sse2, &[("mulps", 28), ("addps", 28)], 2),
    (Op::Chain, Dtype::F64, Isa::Avx2, &[("vfmadd", 24)], 2),
    (Op::Chain, Dtype::F32, Isa::Avx2, &[("vfmadd", 24)], 2),
    (Op::ChainAdd, Dtype::F64, Isa::Avx2, &[("vfmadd", 8), ("vaddpd", 6)], 2),
    (Op::ChainAdd, Dtype::F32, Isa::Avx2, &[("vfmadd", 8), ("vaddps", 6)], 2),
    (Op::Chain, Dtype::F16, Isa::Avx2, &[("vcvtph2ps", 10), ("vfmadd", 10)], 3),
    (Op::Chain, Dtype::Bf16, Isa::Avx2, &[("vmovdqu", 5), ("vpslld", 5), ("vpblendw", 5), ("vfmadd", 10)], 3),
    (Op::Chain, Dtype::I8, Isa::Avx2, &[("vpmaddubsw", 20), ("vpmaddwd", 20), ("vpaddd", 20)], 2),
    (Op::Chain, Dtype::I8, Isa::AvxVnni, &[("{vex} vpdpbusd", 24)], 2),
    (Op::Chain, Dtype::F64, Isa::Avx512, &[("vfmadd", 32)], 2),
    (Op::Chain, Dtype::F32, Isa::Avx512, &[("vfmadd", 32)], 2),
    (Op::ChainAdd, Dtype::F64, Isa::Avx512, &[("vfmadd", 12), ("vaddpd", 12)], 2),
    (Op::ChainAdd, Dtype::F32, Isa::Avx512, &[("vfmadd", 12), ("vaddps", 12)], 2),
    (Op::Chain, Dtype::F16, Isa::Avx512, &[("vmov", 16), ("vcvtph2ps", 16), ("vfmadd", 16)], 3),
    (Op::Chain, Dtype::Bf16, Isa::Avx512, &[("vmovdqu", 8), ("vpslld", 8), ("vpand", 8), ("vfmadd", 16)], 3),
    (Op::Chain, Dtype::F16, Isa::Avx512Fp16, &[("vfmadd", 32)], 2),
    (Op::Chain, Dtype::I8, Isa::Avx512, &[("vpmaddubsw", 28), ("vpmaddwd", 28), ("vpaddd", 28)], 2),
    (Op::Chain, Dtype::I8, Isa::Avx512Vnni, &[("vpdpbusd", 32)], 2),
    (Op::Chain, Dtype::Bf16, Isa::Avx512Bf16, &[("vdpbf16ps", 32)], 2),
    (Op::Chain, Dtype::Bf16, Isa::AmxBf16, &[("tdpbf16ps", 2)], 2),
    (Op::Chain, Dtype::I8, Isa::AmxInt8, &[("tdpbusd", 2)], 2),
];

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn hot_loops_hold_nothing_but_their_work() {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("objdump")
        .args(["-d", "-C", "--no-show-raw-insn", "-M", "intel"])
        .arg(program)
        .output()
        .expect("objdump is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    // Code lies as in the file, but moved to where the program was loaded.
    let maps = std::fs::read_to_string("/proc/self/maps").expect("this program's memory");
    let base = maps.split('-').next().and_then(|start| usize::from_str_radix(start, 16).ok()).expect("an address");
    for (op, dtype, isa, work, overhead) in LOOPS {
        let chain = format!("{op} {dtype} {isa}");
        let address = ChainKernel::code(*op, *dtype, *isa).unwrap_or_else(|| panic!("no {chain}")) - base;
        let head = format!("{address:016x} <");
        let function = text.split("\n\n").find(|function| function.trim_start().starts_with(&head));
        let function = function.unwrap_or_else(|| panic!("{chain} is not in the program"));
        let body = innermost_loop(function, work[0].0).unwrap_or_else(|| panic!("{chain} has no loop"));
        let mut expected = *overhead;
        for (instruction, count) in *work {
            let found = body.iter().filter(|line| line.1.starts_with(instruction)).count();
            assert_eq!(found, *count, "{chain}: {instruction}\n{body:#?}");
            expected += count;
        }
        assert_eq!(body.len(), expected, "{chain} has other instructions\n{body:#?}");
        assert!(body.iter().all(|(_, text)| !text.contains("rsp")), "{chain} uses the stack\n{body:#?}");
    }
}

/// The longest of the innermost loops that have such an instruction: what stands between a backward jump and its target.
fn innermost_loop(function: &str, instruction: &str) -> Option<Vec<(u64, String)>> {
    let lines: Vec<(u64, String)> = function
        .lines()
        .filter_map(|line| {
            let (address, text) = line.split_once(":\t")?;
            Some((u64::from_str_radix(address.trim(), 16).ok()?, text.trim().to_owned()))
        })
        .collect();
    let target = |text: &str| {
        let mut words = text.split_whitespace();
        words.next().filter(|word| word.starts_with('j'))?;
        u64::from_str_radix(words.next()?, 16).ok()
    };
    let loops = lines.iter().enumerate().filter_map(|(end, (_, text))| {
        let start = lines[..end].iter().position(|(address, _)| Some(*address) == target(text))?;
        Some(&lines[start..=end])
    });
    let innermost = loops.filter(|body| body[..body.len() - 1].iter().all(|(_, text)| target(text).is_none()));
    let with_work = innermost.filter(|body| body.iter().any(|(_, text)| text.starts_with(instruction)));
    with_work.max_by_key(|body| body.len()).map(<[_]>::to_vec)
}
