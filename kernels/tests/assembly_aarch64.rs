//! The hot loops as the compiler wrote them: `cargo test -p roofprobe-kernels --test assembly_aarch64 -- --ignored --nocapture`, on
//! AArch64 Linux or under qemu.
//!
//! Ignored because it needs `objdump` and an optimised build for AArch64. It disassembles itself, prints for each chain and each
//! largest register tile how many of the inner loop's instructions are multiply-accumulates, and holds that share, and that the loop
//! keeps nothing on the stack.
#![cfg(all(target_arch = "aarch64", target_os = "linux"))]

use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::matmul::MatmulKernel;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::process::Command;

/// A chain, the instructions of its step, and the least share of them in its loop.
const CHAINS: &[(Op, Dtype, Isa, &[&str], f64)] = &[
    (Op::Chain, Dtype::F64, Isa::Neon, &["fmla"], 0.95),
    (Op::Chain, Dtype::F32, Isa::Neon, &["fmla"], 0.95),
    (Op::ChainAdd, Dtype::F64, Isa::Neon, &["fmla", "fadd"], 0.9),
    (Op::ChainAdd, Dtype::F32, Isa::Neon, &["fmla", "fadd"], 0.9),
    // What is converted is loaded too.
    (Op::Chain, Dtype::F16, Isa::Neon, &["fmla", "fcvtl"], 0.6),
    (Op::Chain, Dtype::Bf16, Isa::Neon, &["fmla", "shl", "and"], 0.75),
    (Op::Chain, Dtype::I8, Isa::Neon, &["smull", "addp", "sadalp"], 0.95),
    (Op::Chain, Dtype::F16, Isa::NeonFp16, &["fmla"], 0.95),
    (Op::Chain, Dtype::I8, Isa::NeonDotprod, &["sdot"], 0.95),
    (Op::Chain, Dtype::I8, Isa::NeonI8mm, &["smmla"], 0.95),
    (Op::Chain, Dtype::Bf16, Isa::NeonBf16, &["bfmmla"], 0.95),
    (Op::Chain, Dtype::F64, Isa::Sve, &["fmad"], 0.95),
    (Op::Chain, Dtype::F32, Isa::Sve, &["fmad"], 0.95),
    (Op::Chain, Dtype::F16, Isa::Sve, &["fmad"], 0.95),
    (Op::Chain, Dtype::Bf16, Isa::SveBf16, &["bfdot"], 0.95),
    (Op::Chain, Dtype::I8, Isa::SveI8mm, &["usdot"], 0.95),
    (Op::Chain, Dtype::F32, Isa::Sme, &["fmopa"], 0.85),
    (Op::Chain, Dtype::Bf16, Isa::Sme, &["bfmopa"], 0.85),
    (Op::Chain, Dtype::I8, Isa::Sme, &["usmopa"], 0.85),
    (Op::Chain, Dtype::F64, Isa::SmeF64, &["fmopa"], 0.9),
];

/// A matmul, its products, and the least share of them in the inner loop of its largest tile. Widening takes its own instructions, and
/// blocks of 2×2 do twice the work for what is loaded; block formats unpack their quants and apply scales.
const TILES: &[(Dtype, Isa, Dtype, &[&str], f64)] = &[
    (Dtype::F32, Isa::Neon, Dtype::F32, &["fmla"], 0.85),
    (Dtype::F16, Isa::Neon, Dtype::F32, &["fmla"], 0.75),
    (Dtype::Bf16, Isa::Neon, Dtype::Bf16, &["fmla"], 0.75),
    (Dtype::I8, Isa::Neon, Dtype::I8, &["umull", "uaddlp", "addp", "add"], 0.8),
    (Dtype::F16, Isa::NeonFp16, Dtype::F16, &["fmla"], 0.85),
    (Dtype::I8, Isa::NeonDotprod, Dtype::I8, &["udot"], 0.85),
    (Dtype::I8, Isa::NeonI8mm, Dtype::I8, &["ummla"], 0.75),
    (Dtype::Bf16, Isa::NeonBf16, Dtype::Bf16, &["bfmmla"], 0.75),
    // Seven tokens in place and three vectors: a quarter of the loop loads, for tokens are not packed. Of signed bytes six, and the
    // products that take the tokens' offset back.
    (Dtype::F32, Isa::Sve, Dtype::F32, &["fmla"], 0.78),
    (Dtype::F16, Isa::Sve, Dtype::F32, &["fmla"], 0.7),
    (Dtype::I8, Isa::Sve, Dtype::I8, &["sdot"], 0.74),
    (Dtype::Bf16, Isa::SveBf16, Dtype::Bf16, &["bfdot"], 0.78),
    (Dtype::I8, Isa::SveI8mm, Dtype::I8, &["sudot"], 0.78),
    (Dtype::Q8_0, Isa::Neon, Dtype::I8, &["smull", "addp", "sadalp"], 0.45),
    (Dtype::Q4_0, Isa::Neon, Dtype::I8, &["smull", "addp", "sadalp"], 0.45),
    (Dtype::Q4K, Isa::Neon, Dtype::I8, &["smull", "addp", "sadalp"], 0.45),
    (Dtype::Q6K, Isa::Neon, Dtype::I8, &["smull", "addp", "sadalp"], 0.45),
    (Dtype::Q8_0, Isa::NeonDotprod, Dtype::I8, &["sdot"], 0.55),
    (Dtype::Q4_0, Isa::NeonDotprod, Dtype::I8, &["sdot"], 0.6),
    (Dtype::Q4K, Isa::NeonDotprod, Dtype::I8, &["sdot"], 0.6),
    (Dtype::Q6K, Isa::NeonDotprod, Dtype::I8, &["sdot"], 0.25),
    (Dtype::Q8_0, Isa::NeonI8mm, Dtype::I8, &["smmla"], 0.25),
    (Dtype::Q4_0, Isa::NeonI8mm, Dtype::I8, &["smmla"], 0.25),
    (Dtype::Q4K, Isa::NeonI8mm, Dtype::I8, &["smmla"], 0.5),
    (Dtype::Q6K, Isa::NeonI8mm, Dtype::I8, &["smmla"], 0.1),
];

/// This program, disassembled.
fn disassembled() -> String {
    let program = std::env::current_exe().expect("this program");
    let disassemble = |tool: &str| {
        let output = Command::new(tool).args(["-d", "-C", "--no-show-raw-insn"]).arg(&program).output();
        output.ok().filter(|output| output.status.success()).map(|output| output.stdout)
    };
    let text = disassemble("aarch64-linux-gnu-objdump").or_else(|| disassemble("objdump"));
    String::from_utf8_lossy(&text.expect("an objdump for AArch64 is installed")).into_owned()
}

/// Where the program was loaded: code lies as in the file, but moved.
fn loaded_at() -> usize {
    let program = std::env::current_exe().expect("this program");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("this program's memory");
    let of_program = maps.lines().find(|line| line.ends_with(&*program.to_string_lossy())).expect("its code");
    of_program.split('-').next().and_then(|start| usize::from_str_radix(start, 16).ok()).expect("an address")
}

/// The longest of the innermost loops that have such an instruction: what stands between a backward jump and its target.
fn innermost_loop(text: &str, address: usize, instruction: &str) -> Option<Vec<String>> {
    let head = format!("{address:016x} <");
    let function = text.split("\n\n").find(|function| function.trim_start().starts_with(&head))?;
    let lines: Vec<(u64, &str)> = function
        .lines()
        .filter_map(|line| {
            let (address, text) = line.split_once(":\t")?;
            Some((u64::from_str_radix(address.trim(), 16).ok()?, text.trim()))
        })
        .collect();
    let target = |text: &str| {
        let jumps = ["b.", "b\t", "cbz", "cbnz", "tbz", "tbnz"].iter().any(|jump| text.starts_with(jump));
        let to = text.split(" <").next().filter(|_| jumps)?.split_whitespace().last()?;
        u64::from_str_radix(to, 16).ok()
    };
    let loops = lines.iter().enumerate().filter_map(|(end, (_, text))| {
        let to = target(text)?;
        let start = lines[..end].iter().position(|(address, _)| *address == to)?;
        Some(&lines[start..=end])
    });
    let within = |body: &[(u64, &str)], to: u64| body[0].0 <= to && to <= body[body.len() - 1].0;
    let innermost = loops.filter(|body| {
        body[..body.len() - 1].iter().all(|(at, text)| target(text).is_none_or(|to| !within(body, to) || to > *at))
    });
    let with_work = innermost.filter(|body| body.iter().any(|(_, text)| text.starts_with(instruction)));
    let longest = with_work.max_by_key(|body| body.len())?;
    Some(longest.iter().map(|(_, text)| (*text).to_owned()).collect())
}

/// Prints a loop's share of work, and says what is wrong with it.
fn judged(name: &str, body: &[String], work: &[&str], least: f64) -> Option<String> {
    let is_work = |line: &&String| {
        let instruction = line.split_whitespace().next().unwrap_or_default();
        let vectors = (line.contains('v') || line.contains('z')) && line.contains('.');
        vectors && work.iter().any(|work| instruction == *work || instruction == format!("{work}2"))
    };
    let (all, of_work) = (body.len(), body.iter().filter(is_work).count());
    let on_stack = body.iter().filter(|line| line.contains("[sp")).count();
    let share = of_work as f64 / all as f64;
    println!("{name:28} {:22} {of_work:5} {all:5} {:6.1} % {on_stack:5}", work.join(" "), 100.0 * share);
    let wrong = share < least || on_stack > 0;
    wrong
        .then(|| format!("{name}: {share:.3} where {least} is the least, {on_stack} on the stack\n{}", body.join("\n")))
}

#[test]
#[ignore = "needs objdump and an optimised build for AArch64"]
fn hot_loops_are_their_work() {
    let (text, base) = (disassembled(), loaded_at());
    println!("{:28} {:22} {:>5} {:>5} {:>8} {:>5}", "loop", "its work", "work", "all", "share", "stack");
    let mut wrong = Vec::new();
    for (op, dtype, isa, work, least) in CHAINS {
        let name = format!("{op} {dtype} {isa}");
        let address = ChainKernel::code(*op, *dtype, *isa).unwrap_or_else(|| panic!("no {name}")) - base;
        let body = innermost_loop(&text, address, work[0]).unwrap_or_else(|| panic!("{name} has no loop"));
        wrong.extend(judged(&name, &body, work, *least));
    }
    for (weights, isa, arithmetic, work, least) in TILES {
        let name = format!("matmul {weights} {isa}");
        let address =
            MatmulKernel::code(*weights, *isa, *arithmetic, None).unwrap_or_else(|| panic!("no {name}")) - base;
        let body = innermost_loop(&text, address, work[0]).unwrap_or_else(|| panic!("{name} has no loop"));
        wrong.extend(judged(&name, &body, work, *least));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
