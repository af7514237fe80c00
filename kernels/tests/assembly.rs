//! The hot loops as the compiler wrote them: `cargo test -p roofprobe-kernels --test assembly -- --ignored`.
//!
//! Ignored because it needs `objdump` and an optimised build for x86-64 Linux. It disassembles itself and holds that every chain's
//! loop is its multiply-accumulates and the loop's own counter, with nothing on the stack and nothing else in it.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use roofprobe_kernels::ops::attention::AttentionKernel;
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::matmul::MatmulKernel;
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

/// A loop of the unit that multiplies tiles: tiles of weights and of tokens loaded, products, tiles zeroed, and the instructions that
/// count and move on.
const UNIT_LOOPS: &[(&str, [usize; 4], usize)] =
    &[("two_by_two", [2, 2, 4, 4], 5), ("one_by_two", [2, 1, 2, 3], 4), ("one_by_four", [4, 1, 4, 4], 5)];

/// This program, disassembled.
fn disassembled() -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("objdump")
        .args(["-d", "-C", "--no-show-raw-insn", "-M", "intel"])
        .arg(program)
        .output()
        .expect("objdump is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where the program was loaded: code lies as in the file, but moved.
fn loaded_at() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("this program's memory");
    maps.split('-').next().and_then(|start| usize::from_str_radix(start, 16).ok()).expect("an address")
}

/// The function that begins there in the file.
fn function_at(text: &str, address: usize) -> Option<&str> {
    let head = format!("{address:016x} <");
    text.split("\n\n").find(|function| function.trim_start().starts_with(&head))
}

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn loops_of_tiles_hold_nothing_but_their_work() {
    // The tables stay in the program, and with them what they point to.
    assert!(Isa::AmxInt8.has_matmul(Dtype::I8));
    let text = disassembled();
    for product in ["tdpbf16ps", "tdpbusd"] {
        for (name, counts, overhead) in UNIT_LOOPS {
            let head = format!("::{name}>:");
            let mut functions = text.split("\n\n").filter(|function| function.contains(&head));
            let body = functions.find_map(|function| innermost_loop(function, product));
            let body = body.unwrap_or_else(|| panic!("{product} {name} is not in the program"));
            let mut expected = *overhead;
            for (instruction, count) in ["tileloadd", "tileloaddt1", product, "tilezero"].into_iter().zip(counts) {
                let found = body.iter().filter(|line| line.1.split_whitespace().next() == Some(instruction)).count();
                assert_eq!(found, *count, "{product} {name}: {instruction}\n{body:#?}");
                expected += count;
            }
            assert_eq!(body.len(), expected, "{product} {name} has other instructions\n{body:#?}");
        }
    }
}

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn the_tile_of_halves_keeps_its_sums_in_registers() {
    let address = MatmulKernel::code(Dtype::F16, Isa::Avx512Fp16, Dtype::F16, None).expect("a kernel") - loaded_at();
    let text = disassembled();
    let function = function_at(&text, address).expect("the tile is in the program");
    let largest = innermost_loop(function, "vfmadd").expect("a loop");
    let products = largest.iter().filter(|line| line.1.starts_with("vfmadd") && line.1.contains("ph ")).count();
    // Five rows of four vectors, whatever the turns that the compiler makes one.
    assert!(products > 0 && products.is_multiple_of(20), "{largest:#?}");
    assert!(largest.iter().all(|(_, text)| !(text.contains("zmm") && text.contains("rsp"))), "{largest:#?}");
}

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn attention_in_halves_keeps_its_sums_in_registers() {
    let (text, base) = (disassembled(), loaded_at());
    for rows in [1, 4, 8] {
        let address = AttentionKernel::code(Isa::Avx512Fp16, rows).expect("a kernel") - base;
        let function = function_at(&text, address).expect("the tile is in the program");
        let largest = innermost_loop(function, "vfmadd").expect("a loop");
        let products = largest.iter().filter(|line| line.1.starts_with("vfmadd") && line.1.contains("ph ")).count();
        assert!(products > 0 && products.is_multiple_of(2 * rows), "{rows} rows\n{largest:#?}");
        assert!(largest.iter().all(|(_, text)| !(text.contains("zmm") && text.contains("rsp"))), "{largest:#?}");
    }
}

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn register_tiles_of_plain_weights_keep_their_sums_in_registers() {
    let (text, base) = (disassembled(), loaded_at());
    for (dtype, isa, product) in [
        (Dtype::F32, Isa::Avx512, "vfmadd"),
        (Dtype::Bf16, Isa::Avx512Bf16, "vdpbf16ps"),
        (Dtype::I8, Isa::Avx512Vnni, "vpdpbusd"),
    ] {
        // Six rows of four vectors, and twelve of two.
        for tile in [None, Some([12, 32])] {
            let address = MatmulKernel::code(dtype, isa, dtype, tile).expect("a kernel") - base;
            let function = function_at(&text, address).expect("the tile is in the program");
            let body = innermost_loop(function, product).expect("a loop");
            let products = body.iter().filter(|line| line.1.starts_with(product)).count();
            assert!(products > 0 && products.is_multiple_of(24), "{dtype} {tile:?}\n{body:#?}");
            assert!(body.iter().all(|(_, text)| !text.contains("rsp")), "{dtype} {tile:?} uses the stack\n{body:#?}");
        }
    }
}

#[test]
#[ignore = "needs objdump and an optimised x86-64 build"]
fn hot_loops_hold_nothing_but_their_work() {
    let text = disassembled();
    let base = loaded_at();
    for (op, dtype, isa, work, overhead) in LOOPS {
        let chain = format!("{op} {dtype} {isa}");
        let address = ChainKernel::code(*op, *dtype, *isa).unwrap_or_else(|| panic!("no {chain}")) - base;
        let function = function_at(&text, address).unwrap_or_else(|| panic!("{chain} is not in the program"));
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
