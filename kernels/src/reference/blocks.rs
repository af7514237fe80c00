//! What ggml's blocks mean: the values of one block, from its bytes.
//!
//! Layouts follow ggml's definitions (`ggml-common.h`, the `dequantize_row` routines of `ggml-quants.c`). The numbers are exact: all
//! products of scales and quants have fewer bits than an f64.

use super::Random;
use crate::dtype::Dtype;
use half::f16;

/// The levels that the nibbles of iq4_nl and iq4_xs name, ggml's `kvalues_iq4nl`.
const IQ4_LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Twice the numbers of E2M1, ggml's `kvalues_mxfp4`: a sign, two bits of exponent, one of mantissa. The scale is halved instead.
const MXFP4_LEVELS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// The values of one block of `dtype`; none for plain types.
pub(super) fn values(dtype: Dtype, b: &[u8]) -> Option<Vec<f64>> {
    Some(match dtype {
        Dtype::Q8_0 => b[2..34].iter().map(|&q| half(b) * f64::from(q as i8)).collect(),
        Dtype::Q5_0 => of_32(half(b), |i| f64::from(of_nibble(&b[6..], i) | bit(&b[2..], i) << 4) - 16.0),
        Dtype::Q4_0 => of_32(half(b), |i| f64::from(of_nibble(&b[2..], i)) - 8.0),
        Dtype::Iq4Nl => of_32(half(b), |i| f64::from(IQ4_LEVELS[usize::from(of_nibble(&b[2..], i))])),
        Dtype::Mxfp4 => {
            // The exponent of E8M0, less one for the halves. 255 is no number to the format, and 2¹²⁷ to ggml.
            let scale = 2.0_f64.powi(i32::from(b[0]) - 128);
            of_32(scale, |i| f64::from(MXFP4_LEVELS[usize::from(of_nibble(&b[1..], i))]))
        }
        Dtype::Q6K => of_256(|i| {
            let (part, quarter, within) = places(i);
            let low = nibble(b[part * 64 + quarter % 2 * 32 + within], quarter >= 2);
            let high = b[128 + part * 32 + within] >> (2 * quarter) & 3;
            half(&b[208..]) * f64::from(b[192 + i / 16] as i8) * (f64::from(low | high << 4) - 32.0)
        }),
        Dtype::Q5K => of_256(|i| {
            let high = b[16 + i % 32] >> (i / 32) & 1;
            scaled(b, i / 32, nibble(b[48 + i / 64 * 32 + i % 32], i / 32 % 2 == 1) | high << 4)
        }),
        Dtype::Q4K => of_256(|i| scaled(b, i / 32, nibble(b[16 + i / 64 * 32 + i % 32], i / 32 % 2 == 1))),
        Dtype::Iq4Xs => of_256(|i| {
            let (sub, high) = (i / 32, u16::from_le_bytes([b[2], b[3]]));
            let scale = i32::from(nibble(b[4 + sub / 2], sub % 2 == 1)) | i32::from(high >> (2 * sub) & 3) << 4;
            let level = IQ4_LEVELS[usize::from(of_nibble(&b[8 + sub * 16..], i % 32))];
            half(b) * f64::from(scale - 32) * f64::from(level)
        }),
        Dtype::Q3K => of_256(|i| {
            let (part, quarter, within) = places(i);
            let low = b[32 + part * 32 + within] >> (2 * quarter) & 3;
            let high = b[within] >> (4 * part + quarter) & 1;
            let sub = i / 16;
            let scale = nibble(b[96 + sub % 8], sub >= 8) | (b[104 + sub % 4] >> (2 * (sub / 4)) & 3) << 4;
            half(&b[108..]) * (f64::from(scale) - 32.0) * (f64::from(low | high << 2) - 4.0)
        }),
        Dtype::Q2K => of_256(|i| {
            let (part, quarter, within) = places(i);
            let quant = b[16 + part * 32 + within] >> (2 * quarter) & 3;
            let scales = b[i / 16];
            half(&b[80..]) * f64::from(scales & 0x0f) * f64::from(quant) - half(&b[82..]) * f64::from(scales >> 4)
        }),
        Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::I8 => return None,
    })
}

/// Gives a block of random bytes scales such that sums of its values stay within every format; whether `dtype` has blocks.
pub(super) fn scale(dtype: Dtype, block: &mut [u8], random: &mut Random) -> bool {
    let halves: &[usize] = match dtype {
        Dtype::Q8_0 | Dtype::Q5_0 | Dtype::Q4_0 | Dtype::Iq4Nl | Dtype::Iq4Xs => &[0],
        Dtype::Q5K | Dtype::Q4K => &[0, 2],
        Dtype::Q6K => &[208],
        Dtype::Q3K => &[108],
        Dtype::Q2K => &[80, 82],
        Dtype::Mxfp4 => {
            // 2⁻¹² to 2⁻¹⁰, and 1: an exponent with the byte's upper bit.
            block[0] = [116, 117, 118, 128][usize::from(block[0] % 4)];
            &[]
        }
        Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::I8 => return false,
    };
    for &at in halves {
        let value = f16::from_f64(0.005 + 0.0025 * random.signed_unit());
        block[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    true
}

fn half(bytes: &[u8]) -> f64 {
    f64::from(f16::from_le_bytes([bytes[0], bytes[1]]).to_f32())
}

fn nibble(byte: u8, high: bool) -> u8 {
    if high { byte >> 4 } else { byte & 0x0f }
}

/// Nibble `i` of a block of 32: the lower ones of sixteen bytes, then the upper ones.
fn of_nibble(bytes: &[u8], i: usize) -> u8 {
    nibble(bytes[i % 16], i >= 16)
}

fn bit(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 8] >> (i % 8) & 1
}

fn of_32(scale: f64, quant: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..32).map(|i| scale * quant(i)).collect()
}

fn of_256(value: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..256).map(value).collect()
}

/// Of an element of a super-block whose bytes hold what lies 32 elements apart: its half, its quarter of that, its place in there.
fn places(i: usize) -> (usize, usize, usize) {
    (i / 128, i % 128 / 32, i % 32)
}

/// A quant of q4_k or q5_k with the scale and minimum of its sub-block.
fn scaled(block: &[u8], sub: usize, quant: u8) -> f64 {
    let (scale, minimum) = scale_and_minimum(&block[4..16], sub);
    half(block) * f64::from(scale) * f64::from(quant) - half(&block[2..]) * f64::from(minimum)
}

/// The 6-bit scale and minimum of sub-block `j`, ggml's `get_scale_min_k4`.
fn scale_and_minimum(packed: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (packed[j + 4] & 0x0f | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks and what ggml's Python package (gguf 0.19) makes of them: type, bytes, and the bits of its f32, in hexadecimal.
    const GOLDEN: &str = include_str!("blocks.txt");

    fn bytes(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("a byte")).collect()
    }

    #[test]
    fn blocks_mean_what_ggml_says() {
        let mut held = Vec::new();
        for line in GOLDEN.lines() {
            let [name, block, want] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let dtype: Dtype = name.parse().expect("a data type");
            let values = values(dtype, &bytes(block)).expect("a block format");
            let want: Vec<f32> =
                bytes(want).as_chunks::<4>().0.iter().map(|&b| f32::from_bits(u32::from_be_bytes(b))).collect();
            assert_eq!(values.len(), want.len(), "{name}");
            for (i, (value, want)) in values.into_iter().zip(want).enumerate() {
                // Exact numbers, rounded once.
                assert_eq!(value as f32, want, "{name}: element {i}");
            }
            held.push(dtype);
        }
        let missing = Dtype::ALL.into_iter().find(|dtype| dtype.block().elements > 1 && !held.contains(dtype));
        assert_eq!(missing, None);
    }
}
