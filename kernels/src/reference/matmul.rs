//! The oracle of matmul: random weights and tokens as they are stored, what their bytes mean, and the plain sum.
//!
//! Quantisation of tokens follows ggml's definitions (the reference routines of `ggml-quants.c`), with ties rounded to even, as its
//! vector code does.

use super::{Random, blocks};
use crate::dtype::Dtype;
use half::{bf16, f16};

/// Random weights, row after row in their stored layout. Values are of a size such that sums stay within every format.
///
/// # Panics
/// When `k` is not a whole number of blocks, or no matmul has such weights.
pub fn weights(dtype: Dtype, rows: usize, k: usize, seed: u64) -> Vec<u8> {
    let block = dtype.block();
    let (elements, bytes) = (block.elements as usize, block.bytes as usize);
    assert!(k.is_multiple_of(elements), "{k} elements are no whole blocks of {dtype}");
    let mut random = Random::new(seed);
    let mut out = vec![0; rows * k / elements * bytes];
    for block in out.chunks_exact_mut(bytes) {
        for byte in block.iter_mut() {
            *byte = random.bits() as u8;
        }
        match dtype {
            Dtype::F32 => block.copy_from_slice(&(random.signed_unit() as f32).to_le_bytes()),
            Dtype::F16 => block.copy_from_slice(&f16::from_f64(random.signed_unit()).to_le_bytes()),
            Dtype::Bf16 => block.copy_from_slice(&bf16::from_f64(random.signed_unit()).to_le_bytes()),
            // Bytes are right as they are.
            Dtype::I8 => {}
            _ => assert!(blocks::scale(dtype, block, &mut random), "there is no matmul with {dtype} weights"),
        }
    }
    out
}

/// Random f32 tokens.
pub fn tokens(rows: usize, k: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..rows * k).map(|_| random.signed_unit() as f32).collect()
}

/// Rows of tokens as a kernel that multiplies plain weights in `arithmetic` takes them, each row filled up to whole 32-bit
/// words: f32, f16, bf16, and u8 for i8. The block formats take f32, and quantise them.
pub fn stored_tokens(arithmetic: Dtype, tokens: &[f32], k: usize) -> Vec<u8> {
    let word = |value: &f32| match arithmetic {
        Dtype::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
        Dtype::Bf16 => bf16::from_f32(*value).to_le_bytes().to_vec(),
        Dtype::I8 => vec![(value * 127.5 + 127.5).round_ties_even() as u8],
        _ => value.to_le_bytes().to_vec(),
    };
    let stored = |row: &[f32]| {
        let mut bytes: Vec<u8> = row.iter().flat_map(word).collect();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    tokens.chunks_exact(k).flat_map(stored).collect()
}

/// The values that stored weights stand for.
///
/// # Panics
/// When no matmul has such weights.
pub fn widened(dtype: Dtype, stored: &[u8]) -> Vec<f64> {
    let half = |bytes: &[u8]| f64::from(f16::from_le_bytes([bytes[0], bytes[1]]).to_f32());
    let block = |b: &[u8]| -> Vec<f64> {
        match dtype {
            Dtype::F32 => vec![f64::from(f32::from_le_bytes(std::array::from_fn(|i| b[i])))],
            Dtype::F16 => vec![half(b)],
            Dtype::Bf16 => vec![f64::from(bf16::from_le_bytes([b[0], b[1]]).to_f32())],
            Dtype::I8 => vec![f64::from(b[0] as i8)],
            _ => blocks::values(dtype, b).unwrap_or_else(|| panic!("there is no matmul with {dtype} weights")),
        }
    };
    stored.chunks_exact(dtype.block().bytes as usize).flat_map(block).collect()
}

/// The values that stored weights have once a kernel that multiplies in `arithmetic` has rounded them: to bf16, after an f32,
/// those of block formats; all else is exact.
///
/// # Panics
/// When no matmul has such weights.
pub fn rounded_weights(weights: Dtype, arithmetic: Dtype, stored: &[u8]) -> Vec<f64> {
    let mut values = widened(weights, stored);
    if arithmetic == Dtype::Bf16 {
        values.iter_mut().for_each(|value| *value = f64::from(bf16::from_f32(*value as f32).to_f32()));
    }
    values
}

/// The values of one row of tokens as they are given to a kernel with such weights, before it rounds or quantises them: f32, and
/// bytes for i8 weights.
pub fn given_token(weights: Dtype, token: &[f32]) -> Vec<f64> {
    match weights {
        Dtype::I8 => rounded_token(weights, Dtype::I8, token),
        _ => token.iter().map(|&x| f64::from(x)).collect(),
    }
}

/// The number that an element's bits are.
pub fn value(weights: Dtype, bits: u32) -> f64 {
    if weights == Dtype::I8 { f64::from(bits as i32) } else { f64::from(f32::from_bits(bits)) }
}

/// The values that one row of tokens has once a kernel with such weights has rounded or quantised it to its arithmetic.
pub fn rounded_token(weights: Dtype, arithmetic: Dtype, token: &[f32]) -> Vec<f64> {
    match (arithmetic, weights) {
        // As ggml has it: blocks of 32 meet blocks of 32, super-blocks meet super-blocks.
        (Dtype::I8, _) if weights.block().elements == 32 => token.chunks(32).flat_map(q8_0).collect(),
        (Dtype::I8, _) if weights.block().elements == 256 => token.chunks(256).flat_map(q8_k).collect(),
        (Dtype::Bf16, _) => token.iter().map(|&x| f64::from(bf16::from_f32(x).to_f32())).collect(),
        (Dtype::F16, _) => token.iter().map(|&x| f64::from(f16::from_f32(x).to_f32())).collect(),
        (Dtype::I8, _) => token.iter().map(|&x| f64::from((x * 127.5 + 127.5).round_ties_even() as u8)).collect(),
        _ => token.iter().map(|&x| f64::from(x)).collect(),
    }
}

fn q8_0(values: &[f32]) -> Vec<f64> {
    let d = values.iter().fold(0.0_f32, |d, x| d.max(x.abs())) / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let scale = f64::from(f16::from_f32(d).to_f32());
    values.iter().map(|x| scale * f64::from((x * inverse).round_ties_even())).collect()
}

fn q8_k(values: &[f32]) -> Vec<f64> {
    let extreme = values.iter().fold(0.0_f32, |most, &x| if x.abs() > most.abs() { x } else { most });
    if extreme == 0.0 {
        return vec![0.0; values.len()];
    }
    let inverse = -127.0 / extreme;
    values.iter().map(|x| f64::from(1.0 / inverse) * f64::from((x * inverse).round_ties_even().min(127.0))).collect()
}

/// One element of the product, and the sum of the magnitudes that went into it: what rounding errors are measured by.
pub fn element(weights: &[f64], token: &[f64]) -> (f64, f64) {
    let products = weights.iter().zip(token).map(|(w, x)| w * x);
    products.fold((0.0, 0.0), |(sum, magnitude), product| (sum + product, magnitude + product.abs()))
}

/// Sums of so many products are kept in binary16 before they are widened.
pub const F16_STEPS: usize = 64;

/// Whether a kernel's element is right: exactly for integers, else within the rounding of f32 sums; within that of binary16
/// sums of [`F16_STEPS`] products where that is the arithmetic.
///
/// Sums of `k` products rounded to 2⁻²⁴ in any order are off by at most k·2⁻²⁴ of the magnitude; with random signs by
/// about the square root of that, and the bound here lies between.
pub fn element_agrees(weights: Dtype, arithmetic: Dtype, bits: u32, (sum, magnitude): (f64, f64), k: usize) -> bool {
    let error = (value(weights, bits) - sum).abs();
    if weights == Dtype::I8 {
        return error == 0.0;
    }
    // NaN agrees with nothing.
    let rounding = |products: usize, bits: i32| (8.0 + (products as f64).sqrt()) * 2.0_f64.powi(-bits);
    let halves = if arithmetic == Dtype::F16 { rounding(F16_STEPS.min(k), 11) } else { 0.0 };
    error <= magnitude * (rounding(k, 24) + halves)
}

/// Whether an f32 element is right whose factors were rounded to binary16, each product by up to 2⁻⁹ where rounding is to zero, and
/// whose sums of few products were kept in it. With random signs the sum of `k` such errors is a few √k of one, and rounding to zero
/// makes the sum itself smaller.
pub fn element_of_halves_agrees(bits: u32, (sum, magnitude): (f64, f64), k: usize) -> bool {
    let error = (f64::from(f32::from_bits(bits)) - sum).abs();
    error <= 2.0_f64.powi(-9) * (sum.abs() + magnitude * (4.0 / (k as f64).sqrt()).min(1.0))
}
