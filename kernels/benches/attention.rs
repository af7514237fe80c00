//! Attention on one thread, in its ways, watched by criterion: `cargo bench -p roofprobe-kernels --bench attention`.
//!
//! Throughput is in elements, of which one is a FLOP of [`Op::Attention`]'s cost.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roofprobe_kernels::Op;
use roofprobe_kernels::ops::attention::{AttentionKernel, Head, PREFILL_ROWS, Partial, Ways};
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::reference::attention::random_half;

/// Context and query tokens: caches in the second level and in memory, and a prompt.
const EXTENTS: [(&str, usize, usize); 3] = [("decode", 1024, 1), ("decode", 262_144, 1), ("prefill", 256, 256)];

/// Streams, span and distance of a prefetch in bytes.
const WAYS: [(usize, usize, usize); 6] =
    [(1, 128, 0), (1, 512, 0), (1, 256, 4096), (1, 256, 65_536), (2, 64, 0), (4, 256, 1024)];

/// The kernels of this CPU, in those of the ways that they know and that serve such a pass.
fn serving(group: usize, tokens: usize) -> impl Iterator<Item = AttentionKernel> {
    let one = (group, tokens) == (1, 1);
    let ways = WAYS.map(|(streams, span, prefetch_bytes)| Ways { streams, span, prefetch_bytes });
    let ways = ways.into_iter().filter(move |ways| one || ways.streams == 1);
    ways.flat_map(|ways| AttentionKernel::all().filter_map(move |kernel| kernel.working(ways)))
}

/// Random halves that start at a cache line.
struct Halves(Vec<u16>);

impl Halves {
    fn new(len: usize, random: &mut Random) -> Halves {
        Halves((0..len + 31).map(|_| random_half(random)).collect())
    }

    fn aligned(&self) -> &[u16] {
        &self.0[self.0.as_ptr().align_offset(64)..]
    }
}

fn attention(criterion: &mut Criterion) {
    let head_dim = 128;
    for (name, context, tokens) in EXTENTS {
        let mut benchmarks = criterion.benchmark_group(format!("attention-{name}"));
        let mut random = Random::new(1);
        for group in [1, 8] {
            let head = Head { head_dim, group, context };
            let (keys, values) =
                (Halves::new(head.key_elements(), &mut random), Halves::new(head.value_elements(), &mut random));
            let queries: Vec<f32> = (0..head.query_elements(tokens)).map(|_| random.signed_unit() as f32).collect();
            let mut out = vec![0.0; queries.len()];
            let mut partial = Partial::new(head_dim, if tokens == 1 { group } else { PREFILL_ROWS });
            benchmarks.throughput(Throughput::Elements(Op::Attention.cost(head.shape(tokens)).flops as u64));
            for kernel in serving(group, tokens) {
                let Ways { streams, span, prefetch_bytes } = kernel.ways();
                let way = format!("{}-{streams}x{span}+{prefetch_bytes}", kernel.isa());
                benchmarks.bench_function(format!("{context}-group{group}-{way}"), |bencher| {
                    let (keys, values) = (keys.aligned(), values.aligned());
                    if tokens == 1 {
                        bencher.iter(|| {
                            kernel.decode(&head, &queries, keys, values, 0..context, &mut partial);
                            Partial::merge(&[&partial], &mut out);
                        });
                    } else {
                        bencher.iter(|| kernel.prefill(&head, &queries, keys, values, &mut partial, &mut out));
                    }
                });
            }
        }
    }
}

criterion_group!(kernels, attention);
criterion_main!(kernels);
