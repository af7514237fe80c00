//! Attention on one thread, watched by criterion: `cargo bench -p roofprobe-kernels --bench attention`.
//!
//! Throughput is in elements, of which one is a FLOP of [`Op::Attention`]'s cost.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roofprobe_kernels::Op;
use roofprobe_kernels::ops::attention::{AttentionKernel, Head, PREFILL_ROWS, Partial};
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::reference::attention::random_half;

/// Context and query tokens: caches in the second level and in memory, and a prompt.
const EXTENTS: [(&str, usize, usize); 3] = [("decode", 1024, 1), ("decode", 262_144, 1), ("prefill", 256, 256)];

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
            for kernel in AttentionKernel::all() {
                benchmarks.bench_function(format!("{context}-group{group}-{}", kernel.isa()), |bencher| {
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
