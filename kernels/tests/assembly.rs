//! The hot loops as the compiler wrote them: `cargo test -p roofprobe-kernels --test assembly -- --ignored`.
//!
//! Ignored because it needs `objdump` and an optimised x86-64 build. It disassembles itself and holds that every chain's
//! loop is its multiply-accumulates and the loop's own counter, with nothing on the stack and nothing else in it.
#![cfg(target_arch = "x86_64")]

use roofprobe_kernels::ops::chain::ChainKernel;
use std::process::Command;

/// A chain's symbol, the instructions of one turn of its loop, and how many there are of each.
const LOOPS: &[(&str, &[(&str, usize)])] = &[
    ("avx2::CHAIN_F64::run", &[("vfmadd", 24)]),
    ("avx2::CHAIN_F32::run", &[("vfmadd", 24)]),
    ("avx2::CHAIN_I8::run", &[("vpmaddubsw", 20), ("vpmaddwd", 20), ("vpaddd", 20)]),
    ("avx512::CHAIN_F64::run", &[("vfmadd", 32)]),
    ("avx512::CHAIN_F32::run", &[("vfmadd", 32)]),
    ("avx512::CHAIN_I8::run", &[("vpdpbusd", 32)]),
    ("avx512::CHAIN_BF16::run", &[("vdpbf16ps", 32)]),
    ("portable::CHAIN_F64::run", &[("mulpd", 28), ("addpd", 28)]),
    ("portable::CHAIN_F32::run", &[("mulps", 28), ("addps", 28)]),
];

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn hot_loops_hold_nothing_but_their_work() {
    // The kernels are linked in because this test can name them all.
    assert!(ChainKernel::all().count() >= 3);
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("objdump")
        .args(["-d", "-C", "--no-show-raw-insn", "-M", "intel"])
        .arg(program)
        .output()
        .expect("objdump is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    for (symbol, work) in LOOPS {
        let function = text.split("\n\n").find(|f| f.lines().next().is_some_and(|head| head.contains(symbol)));
        let function = function.unwrap_or_else(|| panic!("{symbol} is not in the program"));
        let body = innermost_loop(function).unwrap_or_else(|| panic!("{symbol} has no loop"));
        let mut expected = 2;
        for (instruction, count) in *work {
            let found = body.iter().filter(|line| line.1.starts_with(instruction)).count();
            assert_eq!(found, *count, "{symbol}: {instruction}\n{body:#?}");
            expected += count;
        }
        // Two more: the counter and the jump.
        assert_eq!(body.len(), expected, "{symbol} has other instructions\n{body:#?}");
        assert!(body.iter().all(|(_, text)| !text.contains("rsp")), "{symbol} uses the stack\n{body:#?}");
    }
}

/// The longest of the innermost loops: the instructions between a backward jump and its target.
fn innermost_loop(function: &str) -> Option<Vec<(u64, String)>> {
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
    innermost.max_by_key(|body| body.len()).map(<[_]>::to_vec)
}
