// Attention of a prompt: softmax(q·Kᵀ/√d)·V of its tokens, each to all tokens up to itself. A workgroup takes some tokens of one query
// head and goes over the keys in blocks: scores in registers, their softmax in workgroup memory, sums of values in registers (flash
// attention). Keys, values and queries are staged in workgroup memory, in single precision.
//
// Unrolled: r < ROWS, c < COLUMNS, v < VECTORS

struct Params {
    // Tokens of the prompt, and cached ones, those of the prompt included.
    tokens: u32,
    context: u32,
    // Workgroups of a query head.
    blocks: u32,
    // log₂e/√d: softmax in powers of two.
    scale: f32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;

// Query heads of a key/value head.
const GROUP: u32 = 1u;
// Scores that an invocation has in registers: tokens × keys.
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
// Invocations side by side: along keys, then along the elements of values.
const LANES: u32 = 8u;
// Vectors of four values that an invocation has of each of its tokens.
const VECTORS: u32 = 1u;
// Vectors of four that are staged at once of each key and query, and keys whose values are.
const CHUNK: u32 = 4u;
const KEYS: u32 = 8u;

const HALF_CHUNK: u32 = CHUNK / 2u;

@group(0) @binding(0) var<uniform> p: Params;
// queries[head][token][element / 4]
@group(0) @binding(1) var<storage> queries: array<vec4<f32>>;
// out[head][token][element / 4]
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

// Rows of invocations; tokens and keys of a block.
override HEIGHT: u32 = SIZE / LANES;
override BLOCK_ROWS: u32 = HEIGHT * ROWS;
const BLOCK_COLUMNS: u32 = LANES * COLUMNS;
// From one vector of all tokens (keys) to the next, and from one token's scores to the next one's: odd, so that neighbours use other banks.
override QUERY_STEP: u32 = BLOCK_ROWS + 1u;
const KEY_STEP: u32 = BLOCK_COLUMNS + 1u;
const SCORE_STEP: u32 = BLOCK_COLUMNS + 1u;
override QUERY_TILE: u32 = CHUNK * QUERY_STEP;
const KEY_TILE: u32 = CHUNK * KEY_STEP;
const VALUE_TILE: u32 = KEYS * FOURS;
override SCORES: u32 = BLOCK_ROWS * SCORE_STEP;

var<workgroup> query_tile: array<vec4<f32>, QUERY_TILE>;
var<workgroup> key_tile: array<vec4<f32>, KEY_TILE>;
var<workgroup> value_tile: array<vec4<f32>, VALUE_TILE>;
var<workgroup> scores: array<f32, SCORES>;
var<workgroup> factors: array<f32, BLOCK_ROWS>;

// Stages some vectors of all tokens and keys of a block. What lies behind the last one is not used.
fn stage(head: u32, origin: u32, first: u32, chunk: u32, local: u32) {
    for (var i = local; i < BLOCK_ROWS * CHUNK; i += SIZE) {
        let row = i / CHUNK;
        let at = i % CHUNK;
        let token = head * p.tokens + min(origin + row, p.tokens - 1u);
        query_tile[at * QUERY_STEP + row] = queries[token * FOURS + chunk + at];
    }
    for (var i = local; i < BLOCK_COLUMNS * HALF_CHUNK; i += SIZE) {
        let column = i / HALF_CHUNK;
        let at = i % HALF_CHUNK;
        let row = head / GROUP * p.context + min(first + column, p.context - 1u);
        let eight = key(row, chunk / 2u + at);
        key_tile[2u * at * KEY_STEP + column] = low(eight);
        key_tile[(2u * at + 1u) * KEY_STEP + column] = high(eight);
    }
}

// Stages the values of some keys.
fn stage_values(head: u32, first: u32, local: u32) {
    for (var i = local; i < KEYS * EIGHTS; i += SIZE) {
        let row = head / GROUP * p.context + min(first + i / EIGHTS, p.context - 1u);
        let eight = value(row, i % EIGHTS);
        value_tile[2u * i] = low(eight);
        value_tile[2u * i + 1u] = high(eight);
    }
}

@compute @workgroup_size(SIZE)
fn attention_prefill(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let head = group.x / p.blocks;
    // The last tokens see most keys: they begin first.
    let origin = (p.blocks - 1u - group.x % p.blocks) * BLOCK_ROWS;
    let lane = local % LANES;
    let line_r0 = local / LANES + 0u/*r*/ * HEIGHT;
    // Keys that the first token sees beside itself.
    let before = p.context - p.tokens;
    // Of the token at `origin + local`: the largest score so far, the sum of weights, and how many keys it sees.
    var most = LEAST;
    var sum = 0.0;
    let visible = before + min(origin + local, p.tokens - 1u) + 1u;
    var acc_r0_v0 = vec4<f32>();
    let behind = before + min(origin + BLOCK_ROWS, p.tokens);
    for (var first = 0u; first < behind; first += BLOCK_COLUMNS) {
        var score_r0_c0 = 0.0;
        for (var chunk = 0u; chunk < FOURS; chunk += CHUNK) {
            stage(head, origin, first, chunk, local);
            workgroupBarrier();
            for (var i = 0u; i < CHUNK; i++) {
                let query_r0 = query_tile[i * QUERY_STEP + line_r0];
                let key_c0 = key_tile[i * KEY_STEP + lane + 0u/*c*/ * LANES];
                score_r0_c0 += dot(query_r0, key_c0);
            }
            workgroupBarrier();
        }
        scores[line_r0 * SCORE_STEP + lane + 0u/*c*/ * LANES] = p.scale * score_r0_c0;
        workgroupBarrier();
        if local < BLOCK_ROWS {
            let inside = min(max(visible, first) - first, BLOCK_COLUMNS);
            var now = most;
            for (var i = 0u; i < inside; i++) {
                now = max(now, scores[local * SCORE_STEP + i]);
            }
            let factor = exp2(most - now);
            most = now;
            sum *= factor;
            factors[local] = factor;
            for (var i = 0u; i < BLOCK_COLUMNS; i++) {
                let weight = select(0.0, exp2(scores[local * SCORE_STEP + i] - now), i < inside);
                scores[local * SCORE_STEP + i] = weight;
                sum += weight;
            }
        }
        workgroupBarrier();
        let factor_r0 = factors[line_r0];
        acc_r0_v0 *= factor_r0;
        for (var step = 0u; step < BLOCK_COLUMNS; step += KEYS) {
            stage_values(head, first + step, local);
            workgroupBarrier();
            for (var i = 0u; i < KEYS; i++) {
                let weight_r0 = scores[line_r0 * SCORE_STEP + step + i];
                let value_v0 = value_tile[i * FOURS + min(lane + 0u/*v*/ * LANES, FOURS - 1u)];
                acc_r0_v0 += weight_r0 * value_v0;
            }
            workgroupBarrier();
        }
    }
    if local < BLOCK_ROWS {
        factors[local] = 1.0 / sum;
    }
    workgroupBarrier();
    // each r
    let token_r0 = origin + line_r0;
    if token_r0 < p.tokens {
        let whole_r0 = factors[line_r0];
        let at_r0 = (head * p.tokens + token_r0) * FOURS;
        // each v
        if lane + 0u/*v*/ * LANES < FOURS {
            out[at_r0 + lane + 0u/*v*/ * LANES] = whole_r0 * acc_r0_v0;
        }
        // end v
    }
    // end r
}
