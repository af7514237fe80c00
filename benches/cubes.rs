//! Square matrix products through the tool's own device, beside its own peak in the same minute:
//! `cargo bench --bench cubes -- DTYPE SIZE SECONDS` prints `peak BEST MEDIAN GFLOP/s BEST MEDIAN`.
//!
//! For `benches/peers.sh`, which asks other libraries for the same products. Weights are packed beforehand, as engines do at
//! load, and stay where the caches keep them: one copy is multiplied again and again.

use roofprobe::device::cpu::Cpu;
use roofprobe::device::{Device, Purpose};
use roofprobe::job::Job;
use roofprobe::profile::{CeilingId, Chain, Matmul, Means};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::time::{Duration, Instant};

/// One sample of a product lasts at least this long.
const SAMPLE_SECONDS: f64 = 0.05;
/// Rounds of the peak's chain in one sample.
const CHAIN_ROUNDS: u64 = 5000;

fn main() {
    // Cargo passes `--bench`; tests run every bench without arguments.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [dtype, size, seconds] = words.as_slice() else { return };
    let dtype: Dtype = dtype.parse().expect("a data type");
    let size: u64 = size.parse().expect("a number of rows");
    let seconds: f64 = seconds.parse().expect("a number of seconds");

    let mut cpu = Cpu::new(None).expect("a CPU");
    let threads = cpu.machine().environment.threads;
    let isa = |has: &dyn Fn(Isa) -> bool| {
        let isa = Isa::ALL.iter().rev().find(|isa| isa.available() && has(**isa));
        *isa.unwrap_or_else(|| panic!("no instruction set here has {dtype}"))
    };
    let chain_dtype = if dtype == Dtype::F16 { Dtype::F32 } else { dtype };
    let product = Job {
        ceiling: CeilingId::matmul(dtype, size),
        op: Op::Matmul,
        dtype,
        variant: Matmul {
            isa: isa(&|isa| isa.has_matmul(dtype)),
            threads,
            pages: Pages::Huge,
            m: size,
            n: size,
            k: size,
            copies: 1,
            arithmetic: None,
            streams: None,
            prefetch_bytes: None,
            page_ahead_lines: None,
            tile: None,
            row_block: None,
            block_bytes: None,
            packed: None,
        }
        .into(),
    };
    let chain = Job {
        ceiling: CeilingId::compute(chain_dtype, Means::Best),
        op: Op::Chain,
        dtype: chain_dtype,
        variant: Chain { isa: isa(&|isa| isa.has_chain(chain_dtype)), threads, chains: None }.into(),
    };
    let mut rate = |job: &Job, repetitions: u64| {
        let pass = cpu.time(job, repetitions, Purpose::Sample).unwrap_or_else(|refusal| panic!("{job}: {refusal:?}"));
        ((pass.work.flops / pass.seconds).0 / 1e9, pass.seconds.0)
    };
    let repetitions =
        (SAMPLE_SECONDS / (0..3).map(|_| rate(&product, 1).1).fold(f64::INFINITY, f64::min)).ceil() as u64;
    let (mut products, mut peaks) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs_f64(seconds) || products.len() < 5 {
        peaks.push(rate(&chain, CHAIN_ROUNDS).0);
        products.push(rate(&product, repetitions.max(1)).0);
    }
    let [[best, median], [peak_best, peak_median]] = [products, peaks].map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        [rates[rates.len() - 1], rates[rates.len() / 2]]
    });
    #[expect(clippy::print_stdout, reason = "the answer of a bench")]
    {
        println!("peak {peak_best:.1} {peak_median:.1} GFLOP/s {best:.1} {median:.1}");
    }
}
