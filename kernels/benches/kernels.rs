//! The kernels' own speed on one thread, watched by criterion: `cargo bench -p roofprobe-kernels`.
//!
//! For whoever changes a kernel. Ceilings of a machine are measured by `roofprobe measure`, with pinned threads,
//! placement and verification; nothing here enters a profile.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::stream::StreamKernel;
use roofprobe_kernels::reference::Random;

/// Arrays of 16 KiB and of 64 MiB: the first level of cache, and memory.
const LENGTHS: [(&str, usize); 2] = [("l1", 2 << 10), ("dram", 8 << 20)];

fn streams(criterion: &mut Criterion) {
    for (level, len) in LENGTHS {
        let mut random = Random::new(1);
        let mut array = |which: usize| {
            let mut buffer = Buffer::new(len, Pages::Huge, which * (5 * 4096 + 1088)).expect("memory for an array");
            random.fill(buffer.as_mut_slice());
            buffer
        };
        let (x, y, mut out) = (array(0), array(1), array(2));
        let mut group = criterion.benchmark_group(format!("stream-{level}"));
        for kernel in StreamKernel::all() {
            let cost = kernel.cost(len);
            group.throughput(Throughput::Bytes(8 * (cost.input_read + cost.output_written) as u64));
            let ways = kernel.ways();
            let (op, isa) = (kernel.op(), kernel.isa());
            let name = format!(
                "{op}-{isa}-{}-{}-{}x{}-{}-{}",
                ways.stores, ways.checksum, ways.streams, ways.unroll, ways.prefetch_bytes, ways.page_ahead_lines
            );
            group.bench_function(name, |bencher| {
                bencher.iter(|| kernel.run(x.as_slice(), y.as_slice(), out.as_mut_slice(), 0.5, 1));
            });
        }
    }
}

fn chains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    for kernel in ChainKernel::all() {
        group.throughput(Throughput::Elements(kernel.cost(1).flops as u64));
        let mut state = kernel.prepare(1);
        group.bench_function(
            format!("{}-{}-{}-{}", kernel.op(), kernel.dtype(), kernel.isa(), kernel.shape().accumulators),
            |bencher| bencher.iter(|| state.run(1)),
        );
    }
}

criterion_group!(kernels, streams, chains);
criterion_main!(kernels);
