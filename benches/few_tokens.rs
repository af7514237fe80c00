//! Products of one token beside the read of memory in the same second: `cargo bench --bench few_tokens -- FORMATS SECONDS [ROWS]`
//! prints, for each way of each format (separated by commas), its share of the read: `FORMAT WAY MEDIAN BEST of READ GB/s`.
//!
//! Memory that is shared has modes which differ by a factor. Each product is held against the reads right before and after it, so that
//! the mode divides out.

use roofprobe::device::cpu::{Cpu, PASSED};
use roofprobe::device::{Device, Purpose};
use roofprobe::job::Job;
use roofprobe::probe::matmul_variants;
use roofprobe::profile::{CeilingId, Effort, MemoryLevel, Stream, Variant};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::time::{Duration, Instant};

/// Inner extent, as the probe has it.
const K: u64 = 4096;
/// Rows of weights, as the probe has them.
const ROWS: u64 = 12288;
/// Bytes of all copies of the weights, and of what is read.
const FOOTPRINT: u64 = 512 << 20;
/// Bytes of weights of one sample: some five milliseconds.
const SAMPLE: u64 = 512 << 20;

fn main() {
    // Cargo passes `--bench`; tests run every bench without arguments.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["isa-self-test", isa] => {
            Cpu::try_instruction_set(isa.parse().expect("an instruction set")).expect("a verified round");
            say(PASSED);
        }
        [formats, seconds, rows @ ..] => {
            let time = Duration::from_secs_f64(seconds.parse().expect("a number of seconds"));
            let rows = rows.first().map_or(ROWS, |rows| rows.parse().expect("a number of rows"));
            let mut cpu = Cpu::new(None).expect("a CPU");
            for format in formats.split(',') {
                measure(&mut cpu, format.parse().expect("a data type"), rows, time);
            }
        }
        _ => {}
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a bench")]
fn say(answer: &str) {
    println!("{answer}");
}

fn measure(cpu: &mut Cpu, dtype: Dtype, rows: u64, time: Duration) {
    let machine = cpu.machine();
    let bytes = dtype.bytes(u128::from(rows * K)).expect("whole blocks") as u64;
    let copies = FOOTPRINT.div_ceil(bytes) as u32;
    let variants = matmul_variants(&machine, dtype, [1, rows, K], copies, Effort::Standard.into());
    let products: Vec<Job> = variants
        .into_iter()
        .map(|variant| Job { ceiling: CeilingId::matmul(dtype, 1), op: Op::Matmul, dtype, variant: variant.into() })
        .filter(|job| rate(cpu, job, 1).is_some())
        .collect();
    let isa = Isa::ALL.into_iter().rfind(|isa| isa.available() && [Isa::Avx2, Isa::Avx512].contains(isa));
    let threads = machine.environment.threads;
    let stream = Stream::plain(isa.unwrap_or(Isa::Portable), threads, Pages::Huge, FOOTPRINT);
    let reads = [Some(4), None].map(|streams| Job {
        ceiling: CeilingId::memory(MemoryLevel::Dram, Op::Read),
        op: Op::Read,
        dtype: Dtype::F64,
        variant: Variant::from(Stream { streams, ..stream.clone() }),
    });
    // The faster of two ways of reading. The first time makes the arrays.
    let read = |cpu: &mut Cpu| {
        let rates = reads.iter().filter_map(|read| rate(cpu, read, 1));
        rates.fold(0.0, f64::max)
    };
    let mut shares = vec![Vec::new(); products.len()];
    let mut all_reads = Vec::new();
    let begun = Instant::now();
    let mut before = read(cpu).max(read(cpu));
    while begun.elapsed() < time || shares[0].len() < 3 {
        for (product, shares) in products.iter().zip(&mut shares) {
            let seconds = rate(cpu, product, SAMPLE.div_ceil(bytes));
            let after = read(cpu);
            all_reads.push(after);
            shares.extend(seconds.map(|rate| rate / f64::midpoint(before, after)));
            before = after;
        }
    }
    let read = median(&mut all_reads);
    for (product, shares) in products.iter().zip(&mut shares) {
        let median = median(shares);
        say(&format!("{dtype} {} {median:.3} {:.3} of {read:.1} GB/s", product.variant, shares[shares.len() - 1]));
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// GB/s; nothing where the device refuses.
fn rate(cpu: &mut Cpu, job: &Job, repetitions: u64) -> Option<f64> {
    let pass = cpu.time(job, repetitions, Purpose::Sample).ok()?;
    let bytes = pass.work.bytes;
    Some((bytes / pass.seconds).0 / 1e9)
}
