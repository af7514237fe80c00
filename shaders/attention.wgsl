// Attention of one token to a cache: softmax(q·Kᵀ/√d)·V, for several query heads of a key/value head at once, so that keys and values
// are read once for all of them. A context is split over workgroups; `attention_merge` joins their results (flash-decoding).
//
// Unrolled: g < HEADS, u < TOKENS, p < PIECES, k < SHUFFLES

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

// Query heads that are done at once, and how many such parts those of a key/value head have.
const HEADS: u32 = 1u;
const PARTS: u32 = 1u;
// Vectors of eight elements of one row that one invocation holds.
const PIECES: u32 = 1u;
// Invocations that hold a row together, a power of two, and its logarithm. The last ones may hold nothing.
const LANES: u32 = 16u;
const SHUFFLES: u32 = 1u;
// Tokens that a stream of `attention` has in flight.
const TOKENS: u32 = 1u;

// Invocations of a workgroup of `attention_merge`: so many for each vector of four.
const MERGERS: u32 = 1u;
const MERGE: u32 = FOURS * MERGERS;

@group(0) @binding(0) var<uniform> p: Params;
// queries[head][element / 4]
@group(0) @binding(1) var<storage> queries: array<vec4<f32>>;
// Largest score and sum of weights: peaks[head][split]
@group(0) @binding(4) var<storage, read_write> peaks: array<vec2<f32>>;
// Weighted values: parts[head][split][element / 4]
@group(0) @binding(5) var<storage, read_write> parts: array<vec4<f32>>;
// out[head][element / 4]
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

override STREAMS: u32 = SIZE / LANES;
override SCORES: u32 = HEADS * SIZE;
override STREAM_PEAKS: u32 = HEADS * STREAMS;
override STREAM_PARTS: u32 = FOURS * STREAMS;

var<workgroup> scores: array<f32, SCORES>;
var<workgroup> block_most: array<f32, HEADS>;
var<workgroup> stream_peaks: array<vec2<f32>, STREAM_PEAKS>;
var<workgroup> stream_parts: array<vec4<f32>, STREAM_PARTS>;
var<workgroup> merge_peaks: array<vec2<f32>, MERGERS>;
var<workgroup> merge_parts: array<vec4<f32>, MERGE>;

// Which vector of eight is an invocation's: neighbours side by side, or blocks as a whole.
fn place(lane: u32, piece: u32) -> u32 { return piece * LANES + lane; }

// The value of another lane of the stream. The line is replaced by a shuffle where there are subgroups: a GPU without them
// accepts no shader that names one, used or not.
fn neighbour(x: f32, mask: u32) -> f32 {
    return x;
}

// The sum over all lanes of a stream.
fn over_lanes(x: f32) -> f32 {
    var sum = x;
    sum += neighbour(sum, 1u << 0u/*k*/);
    return sum;
}

// The largest score of a head, of all streams.
fn most_of_streams(g: u32) -> f32 {
    var all = LEAST;
    for (var s = 0u; s < STREAMS; s++) {
        all = max(all, stream_peaks[g * STREAMS + s].x);
    }
    return all;
}

// Keeps what a stream has of one vector of eight.
fn keep(stream: u32, at: u32, low: vec4<f32>, high: vec4<f32>) {
    if at < EIGHTS {
        stream_parts[stream * FOURS + 2u * at] = low;
        stream_parts[stream * FOURS + 2u * at + 1u] = high;
    }
}

// Joins the streams of a head, and writes it to its place.
fn join(g: u32, at: u32, all: f32, local: u32) {
    for (var i = local; i < FOURS; i += SIZE) {
        var whole = vec4<f32>();
        for (var s = 0u; s < STREAMS; s++) {
            whole += stream_parts[s * FOURS + i];
        }
        parts[at * FOURS + i] = whole;
    }
    if local == 0u {
        var whole = 0.0;
        for (var s = 0u; s < STREAMS; s++) {
            let peak = stream_peaks[g * STREAMS + s];
            whole += exp2(peak.x - all) * peak.y;
        }
        peaks[at] = vec2<f32>(all, whole);
    }
}

// Neighbours share a token's row and sum by shuffles: each such stream has a softmax of its own, and needs no barrier.
@compute @workgroup_size(SIZE)
fn attention(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let part = group.x / p.splits;
    let split = group.x % p.splits;
    let head = part * HEADS;
    let origin = part / PARTS * p.context;
    let stream = local / LANES;
    let place_p0 = place(local % LANES, 0u/*p*/);
    // What lies behind the row counts for nothing.
    let at_p0 = min(place_p0, EIGHTS - 1u);
    let scale_p0 = select(0.0, p.scale, place_p0 < EIGHTS);
    let near_g0_p0 = scale_p0 * queries[(head + 0u/*g*/) * FOURS + 2u * at_p0];
    let far_g0_p0 = scale_p0 * queries[(head + 0u/*g*/) * FOURS + 2u * at_p0 + 1u];
    var most_g0 = LEAST;
    var sum_g0 = 0.0;
    var low_g0_p0 = vec4<f32>();
    var high_g0_p0 = vec4<f32>();
    let behind = min((split + 1u) * p.tokens, p.context);
    for (var first = split * p.tokens; first < behind; first += TOKENS * STREAMS) {
        // The last token stands in for those behind it, and gets no weight.
        let token_u0 = first + 0u/*u*/ * STREAMS + stream;
        let row_u0 = origin + min(token_u0, behind - 1u);
        let key_u0_p0 = key(row_u0, at_p0);
        let value_u0_p0 = value(row_u0, at_p0);
        // each u
        let key_low_u0_p0 = low(key_u0_p0);
        let key_high_u0_p0 = high(key_u0_p0);
        var score_g0_u0 = 0.0;
        score_g0_u0 += dot(near_g0_p0, key_low_u0_p0) + dot(far_g0_p0, key_high_u0_p0);
        score_g0_u0 = select(LEAST, over_lanes(score_g0_u0), token_u0 < behind);
        // end u
        var now_g0 = most_g0;
        now_g0 = max(now_g0, score_g0_u0);
        let factor_g0 = exp2(most_g0 - now_g0);
        most_g0 = now_g0;
        sum_g0 *= factor_g0;
        low_g0_p0 *= factor_g0;
        high_g0_p0 *= factor_g0;
        // each u
        let value_low_u0_p0 = low(value_u0_p0);
        let value_high_u0_p0 = high(value_u0_p0);
        let weight_g0_u0 = select(0.0, exp2(score_g0_u0 - now_g0), token_u0 < behind);
        sum_g0 += weight_g0_u0;
        low_g0_p0 += weight_g0_u0 * value_low_u0_p0;
        high_g0_p0 += weight_g0_u0 * value_high_u0_p0;
        // end u
    }
    // Every lane of a stream has its peak.
    if local % LANES == 0u {
        stream_peaks[0u/*g*/ * STREAMS + stream] = vec2<f32>(most_g0, sum_g0);
    }
    workgroupBarrier();
    // each g
    let all_g0 = most_of_streams(0u/*g*/);
    let share_g0 = exp2(most_g0 - all_g0);
    keep(stream, place_p0, share_g0 * low_g0_p0, share_g0 * high_g0_p0);
    workgroupBarrier();
    join(0u/*g*/, (head + 0u/*g*/) * p.splits + split, all_g0, local);
    workgroupBarrier();
    // end g
}

// An invocation takes a whole token's key, then neighbours share the rows of values: block by block, without shuffles.
@compute @workgroup_size(SIZE)
fn attention_blocked(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let part = group.x / p.splits;
    let split = group.x % p.splits;
    let head = part * HEADS;
    let origin = part / PARTS * p.context;
    let stream = local / LANES;
    let place_p0 = place(local % LANES, 0u/*p*/);
    let at_p0 = min(place_p0, EIGHTS - 1u);
    var most_g0 = LEAST;
    var sum_g0 = 0.0;
    var low_g0_p0 = vec4<f32>();
    var high_g0_p0 = vec4<f32>();
    let behind = min((split + 1u) * p.tokens, p.context);
    for (var first = split * p.tokens; first < behind; first += SIZE) {
        let row = origin + min(first + local, behind - 1u);
        var score_g0 = 0.0;
        for (var i = 0u; i < EIGHTS; i++) {
            let eight = key(row, i);
            let key_low = low(eight);
            let key_high = high(eight);
            score_g0 += dot(queries[(head + 0u/*g*/) * FOURS + 2u * i], key_low);
            score_g0 += dot(queries[(head + 0u/*g*/) * FOURS + 2u * i + 1u], key_high);
        }
        score_g0 = select(LEAST, p.scale * score_g0, first + local < behind);
        scores[0u/*g*/ * SIZE + local] = score_g0;
        workgroupBarrier();
        for (var g = local; g < HEADS; g += SIZE) {
            var now = LEAST;
            for (var i = 0u; i < SIZE; i++) {
                now = max(now, scores[g * SIZE + i]);
            }
            block_most[g] = now;
        }
        workgroupBarrier();
        let now_g0 = max(most_g0, block_most[0u/*g*/]);
        let factor_g0 = exp2(most_g0 - now_g0);
        most_g0 = now_g0;
        sum_g0 *= factor_g0;
        low_g0_p0 *= factor_g0;
        high_g0_p0 *= factor_g0;
        // Behind the last token the difference is so large that the weight is 0.
        scores[0u/*g*/ * SIZE + local] = exp2(score_g0 - now_g0);
        workgroupBarrier();
        let inside = min(SIZE, behind - first);
        for (var i = stream; i < inside; i += STREAMS) {
            let value_p0 = value(origin + first + i, at_p0);
            let value_low_p0 = low(value_p0);
            let value_high_p0 = high(value_p0);
            let weight_g0 = scores[0u/*g*/ * SIZE + i];
            sum_g0 += weight_g0;
            low_g0_p0 += weight_g0 * value_low_p0;
            high_g0_p0 += weight_g0 * value_high_p0;
        }
        workgroupBarrier();
    }
    if local % LANES == 0u {
        stream_peaks[0u/*g*/ * STREAMS + stream] = vec2<f32>(most_g0, sum_g0);
    }
    workgroupBarrier();
    // each g
    // All streams have the peak of the blocks.
    keep(stream, place_p0, low_g0_p0, high_g0_p0);
    workgroupBarrier();
    join(0u/*g*/, (head + 0u/*g*/) * p.splits + split, most_g0, local);
    workgroupBarrier();
    // end g
}

// One workgroup for each head. Rows of invocations take splits in turn; then the first row joins them.
@compute @workgroup_size(MERGE)
fn attention_merge(@builtin(workgroup_id) head: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let begun = head.x * p.splits;
    let lane = local % FOURS;
    let row = local / FOURS;
    var most = LEAST;
    var weights = 0.0;
    var whole = vec4<f32>();
    for (var split = row; split < p.splits; split += MERGERS) {
        let peak = peaks[begun + split];
        let now = max(most, peak.x);
        let before = exp2(most - now);
        let weight = exp2(peak.x - now);
        weights = weights * before + weight * peak.y;
        whole = whole * before + weight * parts[(begun + split) * FOURS + lane];
        most = now;
    }
    if lane == 0u {
        merge_peaks[row] = vec2<f32>(most, weights);
    }
    merge_parts[local] = whole;
    workgroupBarrier();
    if row == 0u {
        var all = LEAST;
        for (var i = 0u; i < MERGERS; i++) {
            all = max(all, merge_peaks[i].x);
        }
        weights = 0.0;
        whole = vec4<f32>();
        for (var i = 0u; i < MERGERS; i++) {
            let weight = exp2(merge_peaks[i].x - all);
            weights += weight * merge_peaks[i].y;
            whole += weight * merge_parts[i * FOURS + lane];
        }
        out[head.x * FOURS + lane] = whole / weights;
    }
}
