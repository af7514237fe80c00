// Attention of one token to a cache of halves: softmax(q·Kᵀ/√d)·V, for all query heads of a key/value head at once, so that
// keys and values are read once. A context is split over workgroups; `attention_merge` joins their results (flash-decoding).

struct Params {
    // Cached tokens, those of a split, and how many splits there are. No split is empty.
    context: u32,
    tokens: u32,
    splits: u32,
    // log₂e/√d: softmax in powers of two.
    scale: f32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;

// Query heads of a key/value head.
const GROUP: u32 = 4u;
// Elements of a head.
const DIM: u32 = 128u;
// Vectors of four words of one row that one invocation holds.
const PIECES: u32 = 1u;

// Vectors of eight halves in a row, and of four singles.
const EIGHTS: u32 = DIM / 8u;
const FOURS: u32 = DIM / 4u;
// Invocations that hold a row together.
const LANES: u32 = EIGHTS / PIECES;
// Vectors of four singles that one invocation holds of each head.
const HELD: u32 = 2u * PIECES;
// Tokens that a stream of `attention` has in flight.
const UNROLL: u32 = 4u;
// Less than any score.
const LEAST: f32 = -3.0e38;

@group(0) @binding(0) var<uniform> p: Params;
// queries[head][element / 4]
@group(0) @binding(1) var<storage> queries: array<vec4<f32>>;
// keys[key/value head][token][element / 8], values alike
@group(0) @binding(2) var<storage> keys: array<vec4<u32>>;
@group(0) @binding(3) var<storage> values: array<vec4<u32>>;
// Largest score and sum of weights: peaks[head][split]
@group(0) @binding(4) var<storage, read_write> peaks: array<vec2<f32>>;
// Weighted values: parts[head][split][element / 4]
@group(0) @binding(5) var<storage, read_write> parts: array<vec4<f32>>;
// out[head][element / 4]
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

override STREAMS: u32 = SIZE / LANES;
override SCORES: u32 = GROUP * SIZE;
override STREAM_PEAKS: u32 = GROUP * STREAMS;
override STREAM_PARTS: u32 = FOURS * STREAMS;

var<workgroup> scores: array<f32, SCORES>;
var<workgroup> block_most: array<f32, GROUP>;
var<workgroup> stream_peaks: array<vec2<f32>, STREAM_PEAKS>;
var<workgroup> stream_parts: array<vec4<f32>, STREAM_PARTS>;

// Of each head: the largest score so far, the sum of weights, and the weighted values.
var<private> most: array<f32, GROUP>;
var<private> sum: array<f32, GROUP>;
var<private> acc: array<array<vec4<f32>, HELD>, GROUP>;

fn low(word: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y));
}

fn high(word: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(word.z), unpack2x16float(word.w));
}

// The value of another lane of the stream. The line is replaced by a shuffle where there are subgroups: a GPU without them
// accepts no shader that names one, used or not.
fn neighbour(x: f32, mask: u32) -> f32 {
    return x;
}

fn begin() {
    for (var g = 0u; g < GROUP; g++) {
        most[g] = LEAST;
        sum[g] = 0.0;
        for (var i = 0u; i < HELD; i++) {
            acc[g][i] = vec4<f32>();
        }
    }
}

// Makes room for a score of `now`.
fn rescale(g: u32, now: f32) {
    let factor = exp2(most[g] - now);
    most[g] = now;
    sum[g] *= factor;
    for (var i = 0u; i < HELD; i++) {
        acc[g][i] *= factor;
    }
}

fn weigh(g: u32, piece: u32, weight: f32, value: vec4<u32>) {
    acc[g][2u * piece] += weight * low(value);
    acc[g][2u * piece + 1u] += weight * high(value);
}

// Joins the streams of a workgroup. Every lane of a stream has its peak.
fn end(kv: u32, split: u32, stream: u32, lane: u32, local: u32) {
    if lane == 0u {
        for (var g = 0u; g < GROUP; g++) {
            stream_peaks[g * STREAMS + stream] = vec2<f32>(most[g], sum[g]);
        }
    }
    workgroupBarrier();
    for (var g = 0u; g < GROUP; g++) {
        var all = LEAST;
        for (var s = 0u; s < STREAMS; s++) {
            all = max(all, stream_peaks[g * STREAMS + s].x);
        }
        rescale(g, all);
        for (var piece = 0u; piece < PIECES; piece++) {
            let at = stream * FOURS + 2u * (piece * LANES + lane);
            stream_parts[at] = acc[g][2u * piece];
            stream_parts[at + 1u] = acc[g][2u * piece + 1u];
        }
        workgroupBarrier();
        let place = (kv * GROUP + g) * p.splits + split;
        for (var i = local; i < FOURS; i += SIZE) {
            var whole = vec4<f32>();
            for (var s = 0u; s < STREAMS; s++) {
                whole += stream_parts[s * FOURS + i];
            }
            parts[place * FOURS + i] = whole;
        }
        if local == 0u {
            var whole = 0.0;
            for (var s = 0u; s < STREAMS; s++) {
                let peak = stream_peaks[g * STREAMS + s];
                whole += exp2(peak.x - all) * peak.y;
            }
            peaks[place] = vec2<f32>(all, whole);
        }
        workgroupBarrier();
    }
}

// Neighbours share a token's row and sum by shuffles: each such stream has a softmax of its own, and needs no barrier.
@compute @workgroup_size(SIZE)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let kv = group.x / p.splits;
    let split = group.x % p.splits;
    let lane = local % LANES;
    let stream = local / LANES;
    var query: array<array<vec4<f32>, HELD>, GROUP>;
    for (var g = 0u; g < GROUP; g++) {
        for (var piece = 0u; piece < PIECES; piece++) {
            let at = (kv * GROUP + g) * FOURS + 2u * (piece * LANES + lane);
            query[g][2u * piece] = p.scale * queries[at];
            query[g][2u * piece + 1u] = p.scale * queries[at + 1u];
        }
    }
    begin();
    let behind = min((split + 1u) * p.tokens, p.context);
    for (var first = split * p.tokens; first < behind; first += UNROLL * STREAMS) {
        var score: array<array<f32, UNROLL>, GROUP>;
        var value: array<array<vec4<u32>, PIECES>, UNROLL>;
        for (var u = 0u; u < UNROLL; u++) {
            // The last token stands in for those behind it, and gets no weight.
            let token = min(first + u * STREAMS + stream, behind - 1u);
            let row = (kv * p.context + token) * EIGHTS + lane;
            for (var piece = 0u; piece < PIECES; piece++) {
                let key = keys[row + piece * LANES];
                value[u][piece] = values[row + piece * LANES];
                for (var g = 0u; g < GROUP; g++) {
                    let a = dot(query[g][2u * piece], low(key)) + dot(query[g][2u * piece + 1u], high(key));
                    score[g][u] = select(score[g][u] + a, a, piece == 0u);
                }
            }
        }
        for (var g = 0u; g < GROUP; g++) {
            var now = most[g];
            for (var u = 0u; u < UNROLL; u++) {
                var whole = score[g][u];
                for (var mask = 1u; mask < LANES; mask *= 2u) {
                    whole += neighbour(whole, mask);
                }
                whole = select(LEAST, whole, first + u * STREAMS + stream < behind);
                score[g][u] = whole;
                now = max(now, whole);
            }
            rescale(g, now);
            for (var u = 0u; u < UNROLL; u++) {
                // Where all are behind, all are the least, and so is the largest.
                let weight = select(0.0, exp2(score[g][u] - now), score[g][u] > LEAST);
                sum[g] += weight;
                for (var piece = 0u; piece < PIECES; piece++) {
                    weigh(g, piece, weight, value[u][piece]);
                }
            }
        }
    }
    end(kv, split, stream, lane, local);
}

// An invocation takes a whole token's key, then neighbours share the rows of values: block by block, without shuffles.
@compute @workgroup_size(SIZE)
fn attention_blocked(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let kv = group.x / p.splits;
    let split = group.x % p.splits;
    let lane = local % LANES;
    let stream = local / LANES;
    begin();
    let behind = min((split + 1u) * p.tokens, p.context);
    for (var first = split * p.tokens; first < behind; first += SIZE) {
        let row = (kv * p.context + min(first + local, behind - 1u)) * EIGHTS;
        var score: array<f32, GROUP>;
        for (var i = 0u; i < EIGHTS; i++) {
            let key = keys[row + i];
            let key_low = low(key);
            let key_high = high(key);
            for (var g = 0u; g < GROUP; g++) {
                let at = (kv * GROUP + g) * FOURS + 2u * i;
                let a = dot(queries[at], key_low) + dot(queries[at + 1u], key_high);
                score[g] = select(score[g] + a, a, i == 0u);
            }
        }
        for (var g = 0u; g < GROUP; g++) {
            score[g] = select(LEAST, p.scale * score[g], first + local < behind);
            scores[g * SIZE + local] = score[g];
        }
        workgroupBarrier();
        for (var g = local; g < GROUP; g += SIZE) {
            var now = LEAST;
            for (var i = 0u; i < SIZE; i++) {
                now = max(now, scores[g * SIZE + i]);
            }
            block_most[g] = now;
        }
        workgroupBarrier();
        for (var g = 0u; g < GROUP; g++) {
            rescale(g, max(most[g], block_most[g]));
            // Behind the last token the difference is so large that the weight is 0.
            scores[g * SIZE + local] = exp2(score[g] - most[g]);
        }
        workgroupBarrier();
        let inside = min(SIZE, behind - first);
        for (var i = stream; i < inside; i += STREAMS) {
            let at = (kv * p.context + first + i) * EIGHTS + lane;
            for (var piece = 0u; piece < PIECES; piece++) {
                let value = values[at + piece * LANES];
                for (var g = 0u; g < GROUP; g++) {
                    weigh(g, piece, scores[g * SIZE + i], value);
                }
            }
            for (var g = 0u; g < GROUP; g++) {
                sum[g] += scores[g * SIZE + i];
            }
        }
        workgroupBarrier();
    }
    end(kv, split, stream, lane, local);
}

// One workgroup for each head.
@compute @workgroup_size(FOURS)
fn attention_merge(@builtin(workgroup_id) head: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let begun = head.x * p.splits;
    var all = LEAST;
    for (var split = 0u; split < p.splits; split++) {
        all = max(all, peaks[begun + split].x);
    }
    var weights = 0.0;
    var whole = vec4<f32>();
    for (var split = 0u; split < p.splits; split++) {
        let peak = peaks[begun + split];
        let weight = exp2(peak.x - all);
        weights += weight * peak.y;
        whole += weight * parts[(begun + split) * FOURS + local];
    }
    out[head.x * FOURS + local] = whole / weights;
}
