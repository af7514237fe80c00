//! Square matrix products through the tool's own device, beside its own peak in the same minute:
//! `cargo bench --bench cubes -- DTYPE SIZE SECONDS` prints `WAY peak BEST MEDIAN GFLOP/s BEST MEDIAN`.
//!
//! For `benches/peers.sh`, which asks other libraries for the same products. Weights are packed beforehand, as engines do at
//! load, and stay where the caches keep them: one copy is multiplied again and again. A short race chooses the instruction set
//! and the ways.

use roofprobe::device::cpu::{Cpu, PASSED};
use roofprobe::device::{Device, Purpose};
use roofprobe::job::Job;
use roofprobe::probe::matmul_variants;
use roofprobe::profile::{CeilingId, Chain, Effort, Means, Variant};
use roofprobe_kernels::{Dtype, Isa, Op};
use std::time::{Duration, Instant};

/// One sample of a product lasts at least this long: as long as a pass of the harnesses beside it, for the best of longer ones is worse.
const SAMPLE_SECONDS: f64 = 0.01;
/// Rounds of the peak's chain in one sample.
const CHAIN_ROUNDS: u64 = 1000;
/// Turns of the race, at most.
const TURNS: usize = 7;
/// After which no other turn is begun: of the largest products there is one.
const RACE_TIME: Duration = Duration::from_secs(3);

fn main() {
    // Cargo passes `--bench`; tests run every bench without arguments.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // What a device starts its own program with before it uses a risky instruction set.
        ["isa-self-test", isa] => {
            Cpu::try_instruction_set(isa.parse().expect("an instruction set")).expect("a verified round");
            say(PASSED);
        }
        [dtype, size, seconds] => {
            let dtype: Dtype = dtype.parse().expect("a data type");
            let size: u64 = size.parse().expect("a number of rows");
            measure(dtype, size, Duration::from_secs_f64(seconds.parse().expect("a number of seconds")));
        }
        _ => {}
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a bench")]
fn say(answer: &str) {
    println!("{answer}");
}

fn measure(dtype: Dtype, size: u64, time: Duration) {
    let mut cpu = Cpu::new(None).expect("a CPU");
    let machine = cpu.machine();
    let variants = matmul_variants(&machine, dtype, [size; 3], 1, Effort::Standard.into());
    let products = variants.into_iter().map(|variant| Job {
        ceiling: CeilingId::matmul(dtype, size),
        op: Op::Matmul,
        dtype,
        variant: variant.into(),
    });
    let product = fastest(&mut cpu, products.collect(), None).unwrap_or_else(|| panic!("no product of {dtype} here"));
    // Formats in blocks are multiplied as bytes, f16 as f32.
    let arithmetic = dtype.usual_arithmetic();
    let chains = Isa::ALL.iter().filter(|isa| isa.available() && isa.has_chain(arithmetic)).map(|&isa| Job {
        ceiling: CeilingId::compute(arithmetic, Means::Best),
        op: Op::Chain,
        dtype: arithmetic,
        variant: Variant::from(Chain { isa, threads: machine.environment.threads, cpus: None, chains: None }),
    });
    let chain =
        fastest(&mut cpu, chains.collect(), Some(CHAIN_ROUNDS)).unwrap_or_else(|| panic!("no chain of {arithmetic}"));

    let repetitions = repetitions(&mut cpu, &product);
    let (mut products, mut peaks) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time || products.len() < 5 {
        peaks.extend(rate(&mut cpu, &chain, CHAIN_ROUNDS).map(|(rate, _)| rate));
        products.push(rate(&mut cpu, &product, repetitions).expect("what ran before").0);
    }
    let [[best, median], [peak_best, peak_median]] = [products, peaks].map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        [rates[rates.len() - 1], rates[rates.len() / 2]]
    });
    let way = product.variant;
    say(&format!("{way} peak {peak_best:.1} {peak_median:.1} GFLOP/s {best:.1} {median:.1}"));
}

/// GFLOP/s, and seconds; nothing where the device refuses.
fn rate(cpu: &mut Cpu, job: &Job, repetitions: u64) -> Option<(f64, f64)> {
    let pass = cpu.time(job, repetitions, Purpose::Sample).ok()?;
    Some(((pass.work.flops / pass.seconds).0 / 1e9, pass.seconds.0))
}

/// How often a job is repeated in one sample. The first pass makes ready.
fn repetitions(cpu: &mut Cpu, job: &Job) -> u64 {
    let seconds = (1..=2).filter_map(|_| rate(cpu, job, 1)).map(|(_, seconds)| seconds).fold(f64::INFINITY, f64::min);
    (SAMPLE_SECONDS / seconds).ceil().max(1.0) as u64
}

/// The job of the highest median rate in a few turns of all, of so many repetitions, or of as many as make a sample.
fn fastest(cpu: &mut Cpu, jobs: Vec<Job>, given: Option<u64>) -> Option<Job> {
    let mut rates = vec![Vec::new(); jobs.len()];
    let begun = Instant::now();
    for turn in 0..TURNS {
        if turn > 0 && begun.elapsed() > RACE_TIME {
            break;
        }
        for (job, rates) in jobs.iter().zip(&mut rates) {
            let repetitions = given.unwrap_or_else(|| repetitions(cpu, job));
            rates.extend(rate(cpu, job, repetitions).map(|(rate, _)| rate));
        }
    }
    let medians = rates.iter_mut().map(|rates| {
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    });
    let fastest = medians.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, rate)| *rate > 0.0)?;
    Some(jobs[fastest.0].clone())
}
