//! Arithmetic in binary16 in plain Rust, with as many lanes as a CPU that has it: it holds the loops around such arithmetic against the
//! oracle on every machine.

use super::Portable;
use crate::isa::Isa;
use crate::ops::attention::{AttentionEntry, AttentionKernel, Head, Partial, half_attention};
use crate::random::Random;
use crate::reference::attention::{attention, random_half, relative_error, tolerance};
use crate::simd::{Halves, Kernel, Token, Vector};
use half::f16;

/// `H` lanes of halves, and `S` of f32. Two roundings in each product.
#[derive(Clone, Copy)]
struct Model<const H: usize, const S: usize>;

impl<const H: usize, const S: usize> Token for Model<H, S> {
    const ISA: Isa = Isa::Portable;
    const ARCHITECTURE: Option<&'static str> = None;
    const PREFETCHES: bool = true;
    type Registers = <[f16; H] as Vector>::Registers;

    fn new() -> Option<Self> {
        Some(Model)
    }

    unsafe fn run<K: Kernel<Self>>(input: K::Input<'_>) -> K::Output {
        K::run(Model, input)
    }
}

impl<const H: usize, const S: usize> Halves for Model<H, S> {
    type F16 = [f16; H];
    type Floats = Portable<2, S>;

    fn floats(self) -> Portable<2, S> {
        Portable(())
    }
}

static AS_AVX512: AttentionEntry = half_attention::<Model<32, 16>, 16>();
static AS_NEON: AttentionEntry = half_attention::<Model<8, 4>, 16>();

/// Attends to random keys and values with queries of at most `largest`, and holds what comes of it against the oracle. Returns the
/// relative error.
fn attend(kernel: AttentionKernel, head: Head, tokens: usize, largest: f32) -> f64 {
    let mut random = Random::new((head.context + head.head_dim) as u64);
    let keys: Vec<u16> = (0..head.key_elements()).map(|_| random_half(&mut random)).collect();
    let values: Vec<u16> = (0..head.value_elements()).map(|_| random_half(&mut random)).collect();
    let queries: Vec<f32> = (0..head.query_elements(tokens)).map(|_| largest * random.signed_unit() as f32).collect();
    let mut got = vec![f32::NAN; queries.len()];
    let mut partial = Partial::new(head.head_dim, tokens * head.group);
    kernel.prefill(&head, &queries, &keys, &values, &mut partial, &mut got);
    let want = attention(&head, &queries, &keys, &values);
    let most = tolerance(&head, &queries, kernel.arithmetic());
    for (at, (&got, want)) in got.iter().zip(&want).enumerate() {
        assert!((f64::from(got) - want).abs() <= most, "{head:?} {at}: {got} is not {want} within {most:e}");
    }
    relative_error(&got, &want)
}

#[test]
fn attention_in_binary16_agrees_with_the_oracle() {
    for entry in [&AS_AVX512, &AS_NEON] {
        // SAFETY: plain Rust.
        let kernel = unsafe { AttentionKernel::new(entry) };
        for (head_dim, group, context, tokens) in [
            (16, 1, 1, 1),
            (16, 3, 65, 1),
            (80, 1, 63, 1),
            (80, 2, 300, 1),
            (128, 8, 1100, 1),
            (64, 5, 257, 1),
            (256, 4, 130, 1),
            (80, 3, 100, 100),
            (64, 4, 257, 40),
        ] {
            let head = Head { head_dim, group, context };
            let errors = [1.0, 8.0].map(|largest| attend(kernel, head, tokens, largest));
            assert!(errors[0] < 0.0025 && errors[1] < 0.008, "{head:?}: relative errors {errors:?}");
        }
    }
}

#[test]
fn the_error_is_as_documented() {
    // SAFETY: plain Rust.
    let kernel = unsafe { AttentionKernel::new(&AS_AVX512) };
    let error = attend(kernel, Head { head_dim: 128, group: 4, context: 4096 }, 1, 1.0);
    assert!((0.0008..0.002).contains(&error), "{error}");
}
