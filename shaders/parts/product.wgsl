
// Part of other files: what a product is told, and what is bound. Binding 1 are the tokens, in a type of their own in each part.

struct Params {
    // Tokens.
    m: u32,
    // Rows of weights: columns of C.
    n: u32,
    // Units of a row of weights.
    units: u32,
    // Units that a workgroup sums up, where several share a sum.
    share: u32,
    // From one row of weights to the next, in bytes.
    row: u32,
    // From one token to the next, in vectors of four.
    token: u32,
    // Rows and columns of C as it is stored.
    rows: u32,
    columns: u32,
}

// Steps of a unit, vectors of four of a step, and units of a row that are staged at once.
const STEPS: u32 = 1u;
const FOURS: u32 = 1u;
const STAGE: u32 = 1u;

@group(0) @binding(0) var<uniform> p: Params;
// Where tokens are bytes: of each 16 the scale, and the sum of what they stand for.
@group(0) @binding(2) var<storage, read> heads: array<vec2<f32>>;
// The weights in either way: a program uses one of them.
@group(0) @binding(3) var<storage, read> quads: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> words: array<u32>;
// c[share][row][column]
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
