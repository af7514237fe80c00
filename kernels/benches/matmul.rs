//! Matmul on one thread, watched by criterion, with the `gemm` crate beside it: `cargo bench -p roofprobe-kernels --bench
//! matmul`.
//!
//! Weights are packed beforehand, as engines do at load; activations are quantised inside, as engines do for the block
//! formats. Everything fits a cache here: what memory allows is measured by `roofprobe measure`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gemm::Parallelism;
use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, Tokens, Ways};
use roofprobe_kernels::reference::matmul as oracle;

/// Rows of weights and inner extent.
const N: usize = 512;
const K: usize = 1024;
/// In blocks of half a second-level cache.
const PLAIN: Ways = Ways::plain(512 << 10);
/// The same with lines asked for ahead.
const AHEAD: Ways = Ways { prefetch_bytes: 4096, ..PLAIN };

fn ours(criterion: &mut Criterion) {
    for tokens in [1, 8, 64, 512] {
        let mut group = criterion.benchmark_group(format!("matmul-m{tokens}"));
        group.throughput(Throughput::Elements((2 * tokens * N * K) as u64));
        for kernel in MatmulKernel::all() {
            let mut strips = vec![0; N.div_ceil(kernel.strip_rows()) * kernel.strip_bytes(K)];
            kernel.pack(&oracle::weights(kernel.weights(), N, K, 1), K, &mut strips);
            let values = oracle::tokens(tokens, K, 2);
            let mut bytes = vec![0; kernel.token_bytes(tokens, K)];
            if !kernel.quantises() {
                kernel.place(&oracle::stored_tokens(kernel.arithmetic(), &values, K), K, &mut bytes);
            }
            let grid = Grid { rows: tokens, columns: N, tile_rows: tokens, tile_columns: N };
            let output = Output::new(grid).expect("memory for a matrix");
            for (name, ways) in [("plain", PLAIN), ("ahead", AHEAD)] {
                group.bench_function(format!("{}-{}-{name}", kernel.weights(), kernel.isa()), |bencher| {
                    bencher.iter(|| {
                        if kernel.quantises() {
                            kernel.quantise(&values, K, &mut bytes);
                        }
                        let mut tile = output.tile(0, 0).expect("nobody else has it");
                        kernel.multiply(K, &strips, Tokens { bytes: &bytes, rows: tokens }, &mut tile, ways);
                    });
                });
            }
        }
    }
}

fn peer(criterion: &mut Criterion) {
    for tokens in [1, 8, 64, 512] {
        let mut group = criterion.benchmark_group(format!("matmul-m{tokens}"));
        group.throughput(Throughput::Elements((2 * tokens * N * K) as u64));
        let floats = |rows: usize| oracle::tokens(rows, K, 3);
        let (weights, values) = (floats(N), floats(tokens));
        let mut out = vec![0.0_f32; tokens * N];
        group.bench_function("f32-gemm-crate", |bencher| {
            bencher.iter(|| {
                // SAFETY: row-major matrices of tokens × K, K × N (N × K transposed) and tokens × N elements.
                unsafe {
                    gemm::gemm(
                        tokens,
                        N,
                        K,
                        out.as_mut_ptr(),
                        1,
                        N as isize,
                        false,
                        values.as_ptr(),
                        1,
                        K as isize,
                        weights.as_ptr(),
                        K as isize,
                        1,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        Parallelism::None,
                    );
                }
            });
        });
    }
}

criterion_group!(matmul, ours, peer);
criterion_main!(matmul);
