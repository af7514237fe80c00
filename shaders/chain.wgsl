// Independent multiply-accumulate chains in registers. Lines are replaced for other types, vectors and numbers of chains.

alias real = f32;
alias value = real;

struct Params {
    rounds: u32,
    rotation: u32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;

// Steps of a round, and how many of them one iteration of the loop does.
const STEPS: u32 = 128u;
const UNROLL: u32 = 1u;
// Invocations that start from different values; the others repeat them.
const LANES: u32 = 256u;
// Constants that rounds use one after another, a power of two.
const CONSTANTS: u32 = 4u;

@group(0) @binding(0) var<uniform> p: Params;
// For each element of each chain, a word for each lane.
@group(0) @binding(1) var<storage> starts: array<u32>;
@group(0) @binding(2) var<storage> constants: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<u32>;

fn element(word: u32) -> real {
    return bitcast<f32>(word);
}

// The start of the chain whose first element that is.
fn start(lane: u32, first: u32) -> value {
    return element(starts[first * LANES + lane]);
}

fn next(x: value, c: real) -> value {
    return fma(x, x, value(c));
}

// What is added to is what is written.
fn turned(y: value, c: real, x: value) -> value {
    return fma(value(c), y, x);
}

// The sum of the bit patterns.
fn bits(x: value) -> u32 {
    return bitcast<u32>(x);
}

@compute @workgroup_size(SIZE)
fn chain(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = group.x * SIZE + local;
    let lane = index % LANES;
    let start0 = start(lane, 0u);
    var sum = 0u;
    var constant = 0u;
    // Rounds begin alike. Which constant a round uses is known only at run time: nothing can be taken out of the loop.
    for (var round = 0u; round < p.rounds; round++) {
        let c = element(constants[constant & (CONSTANTS - 1u)]);
        var x0 = start0;
        for (var i = 0u; i < STEPS; i += UNROLL) {
            x0 = next(x0, c);
        }
        sum += bits(x0);
        constant += p.rotation;
    }
    sums[index] += sum;
}
