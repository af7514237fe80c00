//! The hot loops as the compiler wrote them: `cargo test -p roofprobe-kernels --test assembly -- --ignored`.
//!
//! Ignored because it needs `objdump` and an optimised x86-64 build. It disassembles itself and holds that every chain's
//! loop is its multiply-accumulates and the loop's own counter, with nothing on the stack and nothing else in it.
#![cfg(target_arch = "x86_64")]

use roofprobe_kernels::ops::chain::ChainKernel;
use std::process::Command;

/// Instructions, and how many there are of each.
type Work = &'static [(&'static str, usize)];

/// A chain's symbol, the work of one turn of its loop, and the instructions of the loop itself.
const LOOPS: &[(&str, Work, usize)] = &[
    ("portable::CHAIN_F64::run", &[("mulpd", 28), ("addpd", 28)], 2),
    ("portable::CHAIN_F32::run", &[("mulps", 28), ("addps", 28)], 2),
    ("sse2::CHAIN_F64::run", &[("mulpd", 28), ("addpd", 28)], 2),
    ("sse2::CHAIN_F32::run", &[("mulps", 28), ("addps", 28)], 2),
    ("avx2::CHAIN_F64::run", &[("vfmadd", 24)], 2),
    ("avx2::CHAIN_F32::run", &[("vfmadd", 24)], 2),
    ("avx2::CHAIN_F64_ADD::run", &[("vfmadd", 8), ("vaddpd", 6)], 2),
    ("avx2::CHAIN_F32_ADD::run", &[("vfmadd", 8), ("vaddps", 6)], 2),
    ("avx2::CHAIN_F16::run", &[("vcvtph2ps", 10), ("vfmadd", 10)], 3),
    ("avx2::CHAIN_BF16::run", &[("vmovdqu", 5), ("vpslld", 5), ("vpblendw", 5), ("vfmadd", 10)], 3),
    ("avx2::CHAIN_I8::run", &[("vpmaddubsw", 20), ("vpmaddwd", 20), ("vpaddd", 20)], 2),
    ("avx2::CHAIN_I8_VNNI::run", &[("{vex} vpdpbusd", 24)], 2),
    ("avx512::CHAIN_F64::run", &[("vfmadd", 32)], 2),
    ("avx512::CHAIN_F32::run", &[("vfmadd", 32)], 2),
    ("avx512::CHAIN_F64_ADD::run", &[("vfmadd", 12), ("vaddpd", 12)], 2),
    ("avx512::CHAIN_F32_ADD::run", &[("vfmadd", 12), ("vaddps", 12)], 2),
    ("avx512::CHAIN_F16::run", &[("vmov", 16), ("vcvtph2ps", 16), ("vfmadd", 16)], 3),
    ("avx512::CHAIN_BF16::run", &[("vmovdqu", 8), ("vpslld", 8), ("vpand", 8), ("vfmadd", 16)], 3),
    ("avx512::CHAIN_F16_FP16::run", &[("vfmadd", 32)], 2),
    ("avx512::CHAIN_I8::run", &[("vpmaddubsw", 28), ("vpmaddwd", 28), ("vpaddd", 28)], 2),
    ("avx512::CHAIN_I8_VNNI::run", &[("vpdpbusd", 32)], 2),
    ("avx512::CHAIN_BF16_DOT::run", &[("vdpbf16ps", 32)], 2),
    ("amx::run_bf16", &[("tdpbf16ps", 10)], 2),
    ("amx::run_int8", &[("tdpbusd", 10)], 2),
];

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn hot_loops_hold_nothing_but_their_work() {
    // The kernels are linked in because this test could run any of them.
    for kernel in ChainKernel::all() {
        kernel.prepare(1).run(1);
    }
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("objdump")
        .args(["-d", "-C", "--no-show-raw-insn", "-M", "intel"])
        .arg(program)
        .output()
        .expect("objdump is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    for (symbol, work, overhead) in LOOPS {
        let function = text.split("\n\n").find(|f| f.lines().next().is_some_and(|head| head.contains(symbol)));
        let function = function.unwrap_or_else(|| panic!("{symbol} is not in the program"));
        let body = innermost_loop(function, work[0].0).unwrap_or_else(|| panic!("{symbol} has no loop"));
        let mut expected = *overhead;
        for (instruction, count) in *work {
            let found = body.iter().filter(|line| line.1.starts_with(instruction)).count();
            assert_eq!(found, *count, "{symbol}: {instruction}\n{body:#?}");
            expected += count;
        }
        assert_eq!(body.len(), expected, "{symbol} has other instructions\n{body:#?}");
        assert!(body.iter().all(|(_, text)| !text.contains("rsp")), "{symbol} uses the stack\n{body:#?}");
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
