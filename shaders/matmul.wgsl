// C[m×n] = A[m×k] · B[n×k]ᵀ. A: tokens in f32; B: weights as they are stored; C: f32.
//
// Weights are decoded unit by unit: what 16 stored bytes, or a little more, stand for. Rows of A end with zeros up to whole
// units, so that what is decoded beyond the end of a row counts for nothing.

struct Params {
    // Tokens.
    m: u32,
    // Rows of weights: columns of C.
    n: u32,
    // Units of a row of weights.
    units: u32,
    // From one row of weights to the next, in 16-bit halves of words.
    row: u32,
    // From one token to the next, in vectors of four.
    token: u32,
}

// Invocations of a workgroup, along columns and along rows of C.
override WIDTH: u32 = 8u;
override HEIGHT: u32 = 8u;

// Rows and columns of C that an invocation has in registers.
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
const SUMS: u32 = ROWS * COLUMNS;
// Vectors of four that a unit has, and units of a row that are staged at once.
const VECTORS: u32 = 1u;
const STEP: u32 = 1u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<vec4<f32>>;
// The weights in either way: a program uses one of them.
@group(0) @binding(2) var<storage, read> quads: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> words: array<u32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

// The decoder of this program, and the vector of a token that a vector of a unit meets.
fn unit(row: u32, at: u32) -> array<vec4<f32>, VECTORS> { return unit_f32(row, at); }
fn place(at: u32, v: u32) -> u32 { return at * VECTORS + v; }

fn unit_f32(row: u32, at: u32) -> array<vec4<f32>, 1> {
    return array<vec4<f32>, 1>(bitcast<vec4<f32>>(quads[row * (p.row >> 3u) + at]));
}

fn unit_f16(row: u32, at: u32) -> array<vec4<f32>, 2> {
    return halves(quads[row * (p.row >> 3u) + at]);
}

// Rows that are no multiples of 16 bytes.
fn unit_f32_ragged(row: u32, at: u32) -> array<vec4<f32>, 1> {
    return array<vec4<f32>, 1>(bitcast<vec4<f32>>(quad(row * p.row + at * 8u)));
}

fn unit_f16_ragged(row: u32, at: u32) -> array<vec4<f32>, 2> {
    return halves(quad(row * p.row + at * 8u));
}

// Half of a block: scale, 32 signed bytes.
fn unit_q8_0(row: u32, at: u32) -> array<vec4<f32>, 4> {
    let block = row * p.row + (at >> 1u) * 17u;
    let scale = half(block);
    let q = quad(block + 1u + (at & 1u) * 8u);
    return array<vec4<f32>, 4>(
        vec4<f32>(unpack4xI8(q.x)) * scale,
        vec4<f32>(unpack4xI8(q.y)) * scale,
        vec4<f32>(unpack4xI8(q.z)) * scale,
        vec4<f32>(unpack4xI8(q.w)) * scale,
    );
}

// A block: scale, 16 bytes, the lower halves of which come first.
fn unit_q4_0(row: u32, at: u32) -> array<vec4<f32>, 8> {
    let block = row * p.row + at * 9u;
    let scale = half(block);
    return nibbles(quad(block + 1u), vec2<f32>(scale), vec2<f32>(8.0 * scale));
}

// An eighth of a block: 16 bytes of the 32 that two groups of 32 weights share.
fn unit_q4_k(row: u32, at: u32) -> array<vec4<f32>, 8> {
    let block = row * (p.row >> 3u) + (at >> 3u) * 9u;
    let head = quads[block];
    let d = unpack2x16float(head.x);
    let pair = (at & 7u) >> 1u;
    // Groups 2·pair and 2·pair + 1; those of the second half are put together from what the first half's bytes leave.
    let shift = vec2<u32>((pair & 1u) * 16u) + vec2<u32>(0u, 8u);
    let s = vec2<u32>(head.y) >> shift;
    let m = vec2<u32>(head.z) >> shift;
    let t = vec2<u32>(head.w) >> shift;
    let near = pair < 2u;
    let far_scale = (t & vec2<u32>(15u)) | ((s >> vec2<u32>(2u)) & vec2<u32>(48u));
    let far_least = ((t >> vec2<u32>(4u)) & vec2<u32>(15u)) | ((m >> vec2<u32>(2u)) & vec2<u32>(48u));
    let scale = select(far_scale, s & vec2<u32>(63u), near);
    let least = select(far_least, m & vec2<u32>(63u), near);
    return nibbles(quads[block + 1u + (at & 7u)], d.x * vec2<f32>(scale), d.y * vec2<f32>(least));
}

fn place_q4_k(at: u32, v: u32) -> u32 {
    return (at >> 1u) * 16u + (at & 1u) * 4u + (v >> 2u) * 8u + (v & 3u);
}

// One 16-bit float.
fn half(at: u32) -> f32 {
    return unpack2x16float(words[at >> 1u] >> ((at & 1u) * 16u)).x;
}

// 16 bytes from any half of a word on.
fn quad(at: u32) -> vec4<u32> {
    let i = at >> 1u;
    let shift = vec4<u32>((at & 1u) * 16u);
    let low = vec4<u32>(words[i], words[i + 1u], words[i + 2u], words[i + 3u]);
    let high = vec4<u32>(low.yzw, words[i + 4u]);
    // In two steps, since none may be by 32.
    return (low >> shift) | ((high << vec4<u32>(1u)) << (vec4<u32>(31u) - shift));
}

fn halves(q: vec4<u32>) -> array<vec4<f32>, 2> {
    return array<vec4<f32>, 2>(
        vec4<f32>(unpack2x16float(q.x), unpack2x16float(q.y)),
        vec4<f32>(unpack2x16float(q.z), unpack2x16float(q.w)),
    );
}

// The lower halves of 16 bytes, then the upper ones: scale · nibble - least.
fn nibbles(q: vec4<u32>, scale: vec2<f32>, least: vec2<f32>) -> array<vec4<f32>, 8> {
    let low = q & vec4<u32>(0x0f0f0f0fu);
    let high = (q >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
    return array<vec4<f32>, 8>(
        vec4<f32>(unpack4xU8(low.x)) * scale.x - least.x,
        vec4<f32>(unpack4xU8(low.y)) * scale.x - least.x,
        vec4<f32>(unpack4xU8(low.z)) * scale.x - least.x,
        vec4<f32>(unpack4xU8(low.w)) * scale.x - least.x,
        vec4<f32>(unpack4xU8(high.x)) * scale.y - least.y,
        vec4<f32>(unpack4xU8(high.y)) * scale.y - least.y,
        vec4<f32>(unpack4xU8(high.z)) * scale.y - least.y,
        vec4<f32>(unpack4xU8(high.w)) * scale.y - least.y,
    );
}

fn plus(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// Where the rows and columns of an invocation begin, and how far they are apart.
struct Tile {
    row: u32,
    column: u32,
    down: u32,
    across: u32,
}

// The sums over every `step`-th unit from `begin` on. What lies beyond an edge is taken to be the last within.
fn sums(tile: Tile, begin: u32, step: u32) -> array<f32, SUMS> {
    var sums: array<f32, SUMS>;
    var rows: array<u32, ROWS>;
    var columns: array<u32, COLUMNS>;
    for (var i = 0u; i < ROWS; i++) {
        rows[i] = min(tile.row + i * tile.down, p.m - 1u) * p.token;
    }
    for (var j = 0u; j < COLUMNS; j++) {
        columns[j] = min(tile.column + j * tile.across, p.n - 1u);
    }
    for (var at = begin; at < p.units; at += step) {
        var b: array<array<vec4<f32>, VECTORS>, COLUMNS>;
        for (var j = 0u; j < COLUMNS; j++) {
            b[j] = unit(columns[j], at);
        }
        for (var v = 0u; v < VECTORS; v++) {
            for (var i = 0u; i < ROWS; i++) {
                let a = tokens[rows[i] + place(at, v)];
                for (var j = 0u; j < COLUMNS; j++) {
                    sums[i * COLUMNS + j] = plus(sums[i * COLUMNS + j], a, b[j][v]);
                }
            }
        }
    }
    return sums;
}

fn put(tile: Tile, sums: array<f32, SUMS>) {
    var held = sums;
    for (var i = 0u; i < ROWS; i++) {
        let row = tile.row + i * tile.down;
        for (var j = 0u; j < COLUMNS; j++) {
            let column = tile.column + j * tile.across;
            if row < p.m && column < p.n {
                c[row * p.n + column] = held[i * COLUMNS + j];
            }
        }
    }
}

// Each invocation does all of its sums, and decodes for itself.
@compute @workgroup_size(WIDTH, HEIGHT)
fn matmul_direct(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first = vec2<u32>(group.y * HEIGHT * ROWS + local.y, group.x * WIDTH * COLUMNS + local.x);
    let tile = Tile(first.x, first.y, HEIGHT, WIDTH);
    put(tile, sums(tile, 0u, 1u));
}

// The place of an invocation, and how the sums of a subgroup are added, where there are subgroups.
struct Lane { @builtin(local_invocation_index) index: u32 }
fn part(lane: Lane) -> u32 { return lane.index; }
fn parts(lane: Lane) -> u32 { return WIDTH; }
fn leads(lane: Lane) -> bool { return true; }
fn together(sum: f32) -> f32 { return sum; }
override PARTS: u32 = WIDTH;

var<workgroup> partial: array<f32, PARTS * SUMS>;

// A workgroup does the sums together, neighbours taking neighbouring units.
@compute @workgroup_size(WIDTH)
fn matmul_strided(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, lane: Lane) {
    let column = (group.z * groups.x + group.x) * COLUMNS;
    let tile = Tile(group.y * ROWS, column, 1u, 1u);
    var held = sums(tile, lane.index, WIDTH);
    for (var i = 0u; i < SUMS; i++) {
        let sum = together(held[i]);
        if leads(lane) {
            partial[i * PARTS + part(lane)] = sum;
        }
    }
    workgroupBarrier();
    var left = parts(lane);
    while left > 1u {
        // The middle one of an odd number stays.
        let kept = left - left / 2u;
        if lane.index < left / 2u {
            for (var i = 0u; i < SUMS; i++) {
                partial[i * PARTS + lane.index] += partial[i * PARTS + lane.index + kept];
            }
        }
        left = kept;
        workgroupBarrier();
    }
    for (var i = lane.index; i < SUMS; i += WIDTH) {
        let row = tile.row + i / COLUMNS;
        let at = column + i % COLUMNS;
        if row < p.m && at < p.n {
            c[row * p.n + at] = partial[i * PARTS];
        }
    }
}

// Vectors of each row that are staged at once.
const STAGED: u32 = STEP * VECTORS;

var<workgroup> staged_a: array<vec4<f32>, HEIGHT * ROWS * STAGED>;
var<workgroup> staged_b: array<vec4<f32>, WIDTH * COLUMNS * STAGED>;

// Vector `s` of a row or column, turned so that neither writing along `s` nor reading along rows meets one memory bank again
// and again; `width` is a multiple of eight.
fn slot(s: u32, row: u32, width: u32) -> u32 {
    return s * width + (row ^ (s & 7u));
}

// Weights and tokens of a workgroup pass through workgroup memory, decoded once.
@compute @workgroup_size(WIDTH, HEIGHT)
fn matmul_staged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = vec2<u32>(group.y * HEIGHT * ROWS, group.x * WIDTH * COLUMNS);
    var sums: array<f32, SUMS>;
    for (var base = 0u; base < p.units; base += STEP) {
        for (var i = lane; i < WIDTH * COLUMNS * STEP; i += WIDTH * HEIGHT) {
            let column = i / STEP;
            let u = i % STEP;
            var b = unit(min(first.y + column, p.n - 1u), min(base + u, p.units - 1u));
            for (var v = 0u; v < VECTORS; v++) {
                staged_b[slot(u * VECTORS + v, column, WIDTH * COLUMNS)] = b[v];
            }
        }
        for (var i = lane; i < HEIGHT * ROWS * STAGED; i += WIDTH * HEIGHT) {
            let row = i / STAGED;
            let s = i % STAGED;
            let at = base + s / VECTORS;
            // Units beyond the end count for nothing.
            var a = vec4<f32>();
            if at < p.units {
                a = tokens[min(first.x + row, p.m - 1u) * p.token + place(at, s % VECTORS)];
            }
            staged_a[slot(s, row, HEIGHT * ROWS)] = a;
        }
        workgroupBarrier();
        for (var s = 0u; s < STAGED; s++) {
            var b: array<vec4<f32>, COLUMNS>;
            for (var j = 0u; j < COLUMNS; j++) {
                b[j] = staged_b[slot(s, local.x + j * WIDTH, WIDTH * COLUMNS)];
            }
            for (var i = 0u; i < ROWS; i++) {
                let a = staged_a[slot(s, local.y + i * HEIGHT, HEIGHT * ROWS)];
                for (var j = 0u; j < COLUMNS; j++) {
                    sums[i * COLUMNS + j] = plus(sums[i * COLUMNS + j], a, b[j]);
                }
            }
        }
        workgroupBarrier();
    }
    put(Tile(first.x + local.y, first.y + local.x, HEIGHT, WIDTH), sums);
}
