
// Part of other files: rows of keys and values, eight elements at a time, packed as they are stored and unpacked in single precision.

// Elements of a head.
const DIM: u32 = 128u;
// Vectors of eight elements in a row, and of four.
const EIGHTS: u32 = DIM / 8u;
const FOURS: u32 = DIM / 4u;
// Less than any score.
const LEAST: f32 = -3.0e38;

// keys[key/value head][token][element / 8], values alike; words of blocks for q8_0
@group(0) @binding(2) var<storage> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage> key_words: array<u32>;
@group(0) @binding(3) var<storage> values: array<vec4<u32>>;
@group(0) @binding(3) var<storage> value_words: array<u32>;

// What this program uses; the lines are replaced for other types.
fn key(row: u32, at: u32) -> vec4<u32> { return key_f16(row, at); }
fn value(row: u32, at: u32) -> vec4<u32> { return value_f16(row, at); }
fn low(eight: vec4<u32>) -> vec4<f32> { return low_f16(eight); }
fn high(eight: vec4<u32>) -> vec4<f32> { return high_f16(eight); }

fn key_f16(row: u32, at: u32) -> vec4<u32> {
    return keys[row * EIGHTS + at];
}

fn value_f16(row: u32, at: u32) -> vec4<u32> {
    return values[row * EIGHTS + at];
}

fn low_f16(eight: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(eight.x), unpack2x16float(eight.y));
}

fn high_f16(eight: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(eight.z), unpack2x16float(eight.w));
}

// Blocks of 32 elements in 17 halves of words: a scale, signed bytes. Where the block of eight elements begins.
fn block_q8_0(row: u32, at: u32) -> u32 {
    return (row * (DIM / 32u) + (at >> 2u)) * 17u;
}

// The scale in the lower half of a word, and eight bytes from a half on: the first of three words may begin with another half.
fn packed_q8_0(block: u32, scale: u32, begun: u32, words: vec3<u32>) -> vec4<u32> {
    let shift = vec2<u32>((begun & 1u) * 16u);
    let bytes = (words.xy >> shift) | ((words.yz << vec2<u32>(1u)) << (vec2<u32>(31u) - shift));
    return vec4<u32>(scale >> ((block & 1u) * 16u), bytes, 0u);
}

fn key_q8_0(row: u32, at: u32) -> vec4<u32> {
    let block = block_q8_0(row, at);
    let begun = block + 1u + (at & 3u) * 4u;
    let i = begun >> 1u;
    return packed_q8_0(block, key_words[block >> 1u], begun, vec3<u32>(key_words[i], key_words[i + 1u], key_words[i + 2u]));
}

fn value_q8_0(row: u32, at: u32) -> vec4<u32> {
    let block = block_q8_0(row, at);
    let begun = block + 1u + (at & 3u) * 4u;
    let i = begun >> 1u;
    return packed_q8_0(block, value_words[block >> 1u], begun, vec3<u32>(value_words[i], value_words[i + 1u], value_words[i + 2u]));
}

fn low_q8_0(eight: vec4<u32>) -> vec4<f32> {
    return unpack2x16float(eight.x).x * vec4<f32>(unpack4xI8(eight.y));
}

fn high_q8_0(eight: vec4<u32>) -> vec4<f32> {
    return unpack2x16float(eight.x).x * vec4<f32>(unpack4xI8(eight.z));
}
