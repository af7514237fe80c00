// Work on rows of activations in f32: norms, activations, rotation, residuals, what is looked up and what is put away. And reads and
// writes alone, for what has no shader of its own.

struct Params {
    // Rows, and elements of each.
    rows: u32,
    row: u32,
    // Rows that the arrays have room for: those beyond fall on those before.
    whole: u32,
    // The first element of the weights of this copy, and how many rows of weights there are.
    weights: u32,
    weight_rows: u32,
    // Rows of a table, and words of each; or vectors that are read.
    table_rows: u32,
    words: u32,
    // What rows of a table are chosen by; or a number that no byte is.
    seed: u32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
// Weights; rows of a table in words; what is only read.
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> quads: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> out_words: array<u32>;

// The operation of this program for element `i`, which the arrays have at `at`; and what a norm is taken of.
fn element(at: u32, i: u32) -> f32 { return a[at] + b[at]; }
fn normed(at: u32) -> f32 { return a[at]; }
// 1 where the mean is taken away.
const CENTRED: f32 = 0.0;
const EPSILON: f32 = 1.0e-6;

fn silu(x: f32) -> f32 { return x / (1.0 + exp(-x)); }
// By its usual approximation (Hendrycks and Gimpel 2016).
fn gelu(x: f32) -> f32 { return 0.5 * x * (1.0 + tanh(0.7978846 * (x + 0.044715 * x * x * x))); }

fn step_of(groups: vec3<u32>) -> u32 { return groups.x * SIZE; }

@compute @workgroup_size(SIZE)
fn rows_each(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let held = p.whole * p.row;
    for (var i = id.x; i < p.rows * p.row; i += step_of(groups)) {
        let at = i % held;
        out[at] = element(at, i);
    }
}

var<workgroup> partial: array<vec2<f32>, SIZE>;

// The sums of all invocations.
fn together(lane: u32, own: vec2<f32>) -> vec2<f32> {
    partial[lane] = own;
    workgroupBarrier();
    var left = SIZE;
    while left > 1u {
        // The middle one of an odd number stays.
        let kept = left - left / 2u;
        if lane < left / 2u {
            partial[lane] += partial[lane + kept];
        }
        left = kept;
        workgroupBarrier();
    }
    let sum = partial[0];
    workgroupBarrier();
    return sum;
}

// The largest of all invocations.
fn largest(lane: u32, own: f32) -> f32 {
    partial[lane].x = own;
    workgroupBarrier();
    var left = SIZE;
    while left > 1u {
        let kept = left - left / 2u;
        if lane < left / 2u {
            partial[lane].x = max(partial[lane].x, partial[lane + kept].x);
        }
        left = kept;
        workgroupBarrier();
    }
    let most = partial[0].x;
    workgroupBarrier();
    return most;
}

// A workgroup for each row: (x - mean) / deviation · weight + bias.
@compute @workgroup_size(SIZE)
fn rows_normalised(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var row = group.x; row < p.rows; row += groups.x) {
        let base = row % p.whole * p.row;
        var own = vec2<f32>();
        for (var i = lane; i < p.row; i += SIZE) {
            let x = normed(base + i);
            own += vec2<f32>(x, x * x);
        }
        let sums = together(lane, own) / f32(p.row);
        let mean = CENTRED * sums.x;
        let factor = inverseSqrt(sums.y - mean * mean + EPSILON);
        for (var i = lane; i < p.row; i += SIZE) {
            var x = (normed(base + i) - mean) * factor;
            if p.weight_rows > 0u {
                x *= w[p.weights + i];
            }
            if p.weight_rows > 1u {
                x += w[p.weights + p.row + i];
            }
            out[base + i] = x;
        }
    }
}

@compute @workgroup_size(SIZE)
fn rows_softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var row = group.x; row < p.rows; row += groups.x) {
        let base = row % p.whole * p.row;
        var most = -3.0e38;
        for (var i = lane; i < p.row; i += SIZE) {
            most = max(most, a[base + i]);
        }
        most = largest(lane, most);
        var own = vec2<f32>();
        for (var i = lane; i < p.row; i += SIZE) {
            own.x += exp(a[base + i] - most);
        }
        let sum = together(lane, own).x;
        for (var i = lane; i < p.row; i += SIZE) {
            out[base + i] = exp(a[base + i] - most) / sum;
        }
    }
}

// Pairs half a row apart, turned by angles whose cosines and sines are in `b`.
@compute @workgroup_size(SIZE)
fn rows_turned(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let pairs = p.row / 2u;
    for (var i = id.x; i < p.rows * pairs; i += step_of(groups)) {
        let first = i / pairs % p.whole * p.row + i % pairs;
        let second = first + pairs;
        let x = a[first];
        let y = a[second];
        out[first] = x * b[first] - y * b[second];
        out[second] = x * b[second] + y * b[first];
    }
}

// Rounded to halves, two to a word.
@compute @workgroup_size(SIZE)
fn rows_append(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let held = p.whole * p.row / 2u;
    for (var i = id.x; i < p.rows * p.row / 2u; i += step_of(groups)) {
        let at = i % held;
        out_words[at] = pack2x16float(vec2<f32>(a[2u * at], a[2u * at + 1u]));
    }
}

// Halves, two to a word, widened.
@compute @workgroup_size(SIZE)
fn rows_fetch(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let held = p.whole * p.row / 2u;
    for (var i = id.x; i < p.rows * p.row / 2u; i += step_of(groups)) {
        let at = i % held;
        let pair = unpack2x16float(table[at]);
        out[2u * at] = pair.x;
        out[2u * at + 1u] = pair.y;
    }
}

// Rows far from one another, looked up: each element takes a byte of the word that stands where it would.
@compute @workgroup_size(SIZE)
fn rows_gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.row; i += step_of(groups)) {
        let row = i / p.row;
        let column = i % p.row;
        let chosen = (row + p.seed) * 2654435761u % p.table_rows;
        let word = table[chosen * p.words + column * p.words / p.row];
        out[row % p.whole * p.row + column] = f32((word >> (column % 4u * 8u)) & 255u);
    }
}

// What a recurrent layer keeps, read and written back.
@compute @workgroup_size(SIZE)
fn rows_state(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.row; i += step_of(groups)) {
        out[i] = out[i] * 0.5 + 0.25;
    }
}

// `words` vectors of 16 bytes read, and rows written: the traffic alone.
@compute @workgroup_size(SIZE)
fn rows_moved(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let held = p.whole * p.row;
    var sum = vec4<u32>();
    for (var i = id.x; i < p.words; i += step_of(groups)) {
        sum += quads[i];
    }
    let own = f32((sum.x + sum.y + sum.z + sum.w) & 255u);
    for (var i = id.x; i < p.rows * p.row; i += step_of(groups)) {
        out[i % held] = own;
    }
    // Every invocation's sum counts, also where it writes no row: no compiler knows that it never is the seed.
    if own == f32(p.seed) {
        out[0] = own;
    }
}
