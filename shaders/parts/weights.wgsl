
// Part of other files: what the stored bytes of weights mean, for every format. Uses `words` and `quads`, both the weights, of the file
// that it stands in.
//
// Block formats are taken by units of 32 weights: twice 16 integers, as they share the bytes that they are stored in, each 16 with a
// scale. `base` is where a row begins, and all places are in bytes. With `alias Q = u32` a unit is a quarter of that, and `part` says
// which one; else `part` is 0. Plain formats are taken by eight.

// The bytes of 16 integers, or of four.
alias Q = vec4<u32>;

// Weights: scale · integer - least.
struct Quants {
    q: array<Q, 2>,
    scale: vec2<f32>,
    least: vec2<f32>,
}

// Eight weights.
struct Floats {
    x: array<vec4<f32>, 2>,
}

// The format of this program. Which 16 elements of a row the two halves of a unit are.
alias Unit = Quants;
fn unit(base: u32, at: u32) -> Unit { return unit_q8_0(base, at, 0u); }
fn place(at: u32) -> vec2<u32> { return place_in_order(at); }

// 16 or four bytes from `at` on, and 16 of plain formats, in one of the ways below.
fn fetch(at: u32) -> Q { return quad_of_bytes(at); }
fn fetch_plain(at: u32) -> vec4<u32> { return quad(at); }
// By how much the bits of 16 integers are shifted, so that those of four come first.
fn first_bits(part: u32) -> Q { return vec4<u32>(0u, 4u, 8u, 12u); }
// The bytes that a table has for each half byte.
fn through_table(q: Q) -> Q { return vec4<u32>(table(q.x), table(q.y), table(q.z), table(q.w)); }

// Where every block begins at a multiple of 16 bytes, where at one of four, and anywhere.
fn quad(at: u32) -> vec4<u32> { return quads[at >> 4u]; }
fn piece(at: u32) -> u32 { return quads[at >> 4u][(at >> 2u) & 3u]; }

fn quad_of_words(at: u32) -> vec4<u32> {
    let i = at >> 2u;
    return vec4<u32>(words[i], words[i + 1u], words[i + 2u], words[i + 3u]);
}

fn piece_of_words(at: u32) -> u32 { return words[at >> 2u]; }

fn quad_of_bytes(at: u32) -> vec4<u32> {
    let i = at >> 2u;
    let shift = vec4<u32>((at & 3u) * 8u);
    let low = vec4<u32>(words[i], words[i + 1u], words[i + 2u], words[i + 3u]);
    let high = vec4<u32>(low.yzw, words[i + 4u]);
    // In two steps, since none may be by 32.
    return (low >> shift) | ((high << vec4<u32>(1u)) << (vec4<u32>(31u) - shift));
}

fn piece_of_bytes(at: u32) -> u32 {
    let i = at >> 2u;
    let shift = (at & 3u) * 8u;
    return (words[i] >> shift) | ((words[i + 1u] << 1u) << (31u - shift));
}

// 16 bits, at a multiple of two bytes; a byte, anywhere.
fn bits_16(at: u32) -> u32 { return (words[at >> 2u] >> ((at & 2u) * 8u)) & 0xffffu; }
fn byte(at: u32) -> u32 { return (words[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu; }
fn half(at: u32) -> f32 { return unpack2x16float(bits_16(at)).x; }
fn signed(byte: u32) -> f32 { return f32(i32(byte << 24u) >> 24u); }

fn nibbles(q: Q) -> Q { return q & Q(0x0f0f0f0fu); }
fn upper_nibbles(q: Q) -> Q { return (q >> Q(4u)) & Q(0x0f0f0f0fu); }

// The place of the unit within its group of units, where the halves of the bytes are neighbours, 32 or 64 weights apart.
fn place_in_order(at: u32) -> vec2<u32> { return vec2<u32>(2u * at, 2u * at + 1u); }
fn place_in_pairs(at: u32) -> vec2<u32> { return vec2<u32>(4u * (at >> 1u) + (at & 1u)) + vec2<u32>(0u, 2u); }
fn place_in_fours(at: u32) -> vec2<u32> { return vec2<u32>(8u * (at >> 2u) + (at & 3u)) + vec2<u32>(0u, 4u); }

fn unit_f32(base: u32, at: u32) -> Floats {
    let first = base + 32u * at;
    return Floats(array<vec4<f32>, 2>(bitcast<vec4<f32>>(fetch_plain(first)), bitcast<vec4<f32>>(fetch_plain(first + 16u))));
}

fn unit_f16(base: u32, at: u32) -> Floats {
    let q = fetch_plain(base + 16u * at);
    let low = vec4<f32>(unpack2x16float(q.x), unpack2x16float(q.y));
    return Floats(array<vec4<f32>, 2>(low, vec4<f32>(unpack2x16float(q.z), unpack2x16float(q.w))));
}

fn unit_bf16(base: u32, at: u32) -> Floats {
    let q = fetch_plain(base + 16u * at);
    let even = bitcast<vec4<f32>>(q << vec4<u32>(16u));
    let odd = bitcast<vec4<f32>>(q & vec4<u32>(0xffff0000u));
    let low = vec4<f32>(even.x, odd.x, even.y, odd.y);
    return Floats(array<vec4<f32>, 2>(low, vec4<f32>(even.z, odd.z, even.w, odd.w)));
}

fn quants(low: Q, high: Q, scale: vec2<f32>, least: vec2<f32>) -> Quants {
    return Quants(array<Q, 2>(low, high), scale, least);
}

fn unit_i8(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 32u * at + part;
    return quants(fetch(block), fetch(block + 16u), vec2<f32>(1.0), vec2<f32>());
}

// A block: scale, 32 signed bytes.
fn unit_q8_0(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 34u * at;
    return quants(fetch(block + 2u + part), fetch(block + 18u + part), vec2<f32>(half(block)), vec2<f32>());
}

// A block: scale, 16 bytes.
fn unit_q4_0(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 18u * at;
    let scale = vec2<f32>(half(block));
    let q = fetch(block + 2u + part);
    return quants(nibbles(q), upper_nibbles(q), scale, 8.0 * scale);
}

// A block: scale, 32 bits, 16 bytes.
fn unit_q5_0(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 22u * at;
    let scale = vec2<f32>(half(block));
    let q = fetch(block + 6u + part);
    let low = nibbles(q) | fifth_bits(bits_16(block + 2u), part);
    return quants(low, upper_nibbles(q) | fifth_bits(bits_16(block + 4u), part), scale, 16.0 * scale);
}

// The fifth bits of 16 integers, or of four.
fn fifth_bits(bits: u32, part: u32) -> Q {
    let fours = (Q(bits) >> first_bits(part)) & Q(15u);
    return ((fours * Q(0x00204081u)) & Q(0x01010101u)) << Q(4u);
}

// A block: scale, 16 bytes.
fn unit_iq4_nl(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 18u * at;
    let q = fetch(block + 2u + part);
    return levels(q, half(block));
}

// A block: the exponent of a power of two, twice the scale; 16 bytes.
fn unit_mxfp4(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 17u * at;
    let e = byte(block);
    let scale = bitcast<f32>(select(0x00200000u << e, (e - 1u) << 23u, e >= 2u));
    return levels(fetch(block + 1u + part), scale);
}

// Of a super-block of 256: scale, the upper two bits of eight scales, the lower four, 128 bytes.
fn unit_iq4_xs(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 136u * (at >> 3u);
    let u = at & 7u;
    let low = (byte(block + 4u + (u >> 1u)) >> ((u & 1u) * 4u)) & 15u;
    let high = (bits_16(block + 2u) >> (2u * u)) & 3u;
    return levels(fetch(block + 8u + 16u * u + part), half(block) * (f32(low | (high << 4u)) - 32.0));
}

fn levels(q: Q, scale: f32) -> Quants {
    return quants(through_table(nibbles(q)), through_table(upper_nibbles(q)), vec2<f32>(scale), vec2<f32>());
}

// The levels of half bytes, as signed bytes: those of iq4_nl. The lines are replaced by those of mxfp4.
const LEVELS: vec4<u32> = vec4<u32>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);

fn table(q: u32) -> u32 {
    return level(q & 15u) | (level((q >> 8u) & 15u) << 8u) | (level((q >> 16u) & 15u) << 16u) | (level(q >> 24u) << 24u);
}

fn level(i: u32) -> u32 {
    let pair = select(LEVELS.xy, LEVELS.zw, vec2<bool>(i >= 8u));
    return (select(pair.x, pair.y, (i & 4u) != 0u) >> ((i & 3u) * 8u)) & 0xffu;
}

// Of a super-block of 256: scales d and dmin, 12 bytes of scales and minima of 6 bits, 128 bytes.
fn unit_q4_k(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 144u * (at >> 3u);
    let s = scales_k(quads[block >> 4u], (at & 7u) >> 1u);
    let q = fetch(block + 16u + 16u * (at & 7u) + part);
    return quants(nibbles(q), upper_nibbles(q), s.xy, s.zw);
}

// The same with 32 bytes of fifth bits before the 128.
fn unit_q5_k(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 176u * (at >> 3u);
    let pair = (at & 7u) >> 1u;
    let s = scales_k(quads[block >> 4u], pair);
    let q = fetch(block + 48u + 16u * (at & 7u) + part);
    let bits = fetch(block + 16u + 16u * (at & 1u) + part) >> Q(2u * pair);
    let low = nibbles(q) | ((bits & Q(0x01010101u)) << Q(4u));
    return quants(low, upper_nibbles(q) | ((bits & Q(0x02020202u)) << Q(3u)), s.xy, s.zw);
}

// Scales and minima of groups 2·pair and 2·pair + 1; those of the second half are put together from what the first half's bytes
// leave.
fn scales_k(head: vec4<u32>, pair: u32) -> vec4<f32> {
    let d = unpack2x16float(head.x);
    let shift = vec2<u32>((pair & 1u) * 16u) + vec2<u32>(0u, 8u);
    let s = vec2<u32>(head.y) >> shift;
    let m = vec2<u32>(head.z) >> shift;
    let t = vec2<u32>(head.w) >> shift;
    let near = pair < 2u;
    let far_scale = (t & vec2<u32>(15u)) | ((s >> vec2<u32>(2u)) & vec2<u32>(48u));
    let far_least = ((t >> vec2<u32>(4u)) & vec2<u32>(15u)) | ((m >> vec2<u32>(2u)) & vec2<u32>(48u));
    let scale = select(far_scale, s & vec2<u32>(63u), near);
    let least = select(far_least, m & vec2<u32>(63u), near);
    return vec4<f32>(d.x * vec2<f32>(scale), d.y * vec2<f32>(least));
}

// Of a super-block of 256: 128 bytes with the lower four bits, 64 with the upper two, 16 signed scales, their scale.
fn unit_q6_k(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 210u * (at >> 3u);
    let u = at & 7u;
    let second = u >> 2u;
    let upper = fetch(block + 128u + 32u * second + 16u * (u & 1u) + part) >> Q(u & 2u);
    let q = fetch(block + 16u * u + part);
    let scales = block + 192u + 8u * second + (u & 3u);
    let scale = half(block + 208u) * vec2<f32>(signed(byte(scales)), signed(byte(scales + 4u)));
    let low = nibbles(q) | ((upper & Q(0x03030303u)) << Q(4u));
    return quants(low, upper_nibbles(q) | (upper & Q(0x30303030u)), scale, 32.0 * scale);
}

// Of a super-block of 256: 32 bytes with the third bits, 64 with the lower two, 16 scales of six bits in 12 bytes, their scale.
fn unit_q3_k(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 110u * (at >> 3u);
    let u = at & 7u;
    let pair = u >> 1u;
    let bits = fetch(block + 16u * (u & 1u) + part) >> Q(2u * pair);
    let q = fetch(block + 32u + 32u * (u >> 2u) + 16u * (u & 1u) + part) >> Q(4u * (pair & 1u));
    let group = 4u * pair + (u & 1u);
    let scale = half(block + 108u) * vec2<f32>(scale_q3_k(block, group), scale_q3_k(block, group + 2u));
    let low = (q & Q(0x03030303u)) | ((bits & Q(0x01010101u)) << Q(2u));
    let high = ((q >> Q(2u)) & Q(0x03030303u)) | ((bits & Q(0x02020202u)) << Q(1u));
    return quants(low, high, scale, 4.0 * scale);
}

fn scale_q3_k(block: u32, group: u32) -> f32 {
    let low = (byte(block + 96u + (group & 7u)) >> ((group >> 3u) * 4u)) & 15u;
    let high = (byte(block + 104u + (group & 3u)) >> ((group >> 2u) * 2u)) & 3u;
    return f32(low | (high << 4u)) - 32.0;
}

// Of a super-block of 256: 16 bytes of scales and minima, 64 bytes, the scales of those.
fn unit_q2_k(base: u32, at: u32, part: u32) -> Quants {
    let block = base + 84u * (at >> 3u);
    let u = at & 7u;
    let pair = u >> 1u;
    let q = fetch(block + 16u + 32u * (u >> 2u) + 16u * (u & 1u) + part) >> Q(4u * (pair & 1u));
    let group = block + 4u * pair + (u & 1u);
    let s = vec2<u32>(byte(group), byte(group + 2u));
    let scale = half(block + 80u) * vec2<f32>(s & vec2<u32>(15u));
    let least = half(block + 82u) * vec2<f32>(s >> vec2<u32>(4u));
    return quants(q & Q(0x03030303u), (q >> Q(2u)) & Q(0x03030303u), scale, least);
}
