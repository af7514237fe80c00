// Reads of workgroup memory: neighbours read neighbouring vectors, or words at some distance; each as often as every other one.

struct Params {
    reads: u32,
    rounds: u32,
    rotation: u32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;
// Vectors of four in workgroup memory, a power of two.
override VECTORS: u32 = 256u;

@group(0) @binding(0) var<uniform> p: Params;
// Read-only is the default, and naming it would clash with the entry point of that name.
@group(0) @binding(1) var<storage> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;

// Words from one invocation's to its neighbour's, a power of two, and its logarithm.
override STRIDE: u32 = 1u;
override STRIDE_LOG: u32 = 0u;
override WORDS: u32 = 4u * VECTORS;

var<workgroup> shared_x: array<vec4<u32>, VECTORS>;
var<workgroup> shared_words: array<u32, WORDS>;

@compute @workgroup_size(SIZE)
fn read(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < VECTORS; i += SIZE) {
        shared_x[i] = x[i];
    }
    workgroupBarrier();
    var a = vec4<u32>();
    var b = vec4<u32>();
    var c = vec4<u32>();
    var d = vec4<u32>();
    var origin = lane;
    // Each round begins elsewhere, and where is known only at run time: nothing can be taken out of the loop.
    for (var round = 0u; round < p.rounds; round++) {
        var at = origin;
        for (var i = 0u; i < p.reads; i += 4u) {
            a += shared_x[at & (VECTORS - 1u)];
            b += shared_x[(at + SIZE) & (VECTORS - 1u)];
            c += shared_x[(at + 2u * SIZE) & (VECTORS - 1u)];
            d += shared_x[(at + 3u * SIZE) & (VECTORS - 1u)];
            at += 4u * SIZE;
        }
        origin += p.rotation;
    }
    let sum = (a + b) + (c + d);
    sums[group.x * SIZE + lane] += (sum.x + sum.y) + (sum.z + sum.w);
}

// Words at a distance: where neighbours use the same bank of the memory, one waits for the other.
@compute @workgroup_size(SIZE)
fn read_strided(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < VECTORS; i += SIZE) {
        let four = x[i];
        shared_words[4u * i] = four.x;
        shared_words[4u * i + 1u] = four.y;
        shared_words[4u * i + 2u] = four.z;
        shared_words[4u * i + 3u] = four.w;
    }
    workgroupBarrier();
    var sum = 0u;
    var origin = lane * STRIDE;
    for (var round = 0u; round < p.rounds; round++) {
        for (var i = 0u; i < p.reads; i++) {
            // All words between those of neighbours, then the words behind all of them.
            let at = origin + (i & (STRIDE - 1u)) + ((i >> STRIDE_LOG) * (SIZE * STRIDE));
            sum += shared_words[at & (WORDS - 1u)];
        }
        origin += p.rotation;
    }
    sums[group.x * SIZE + lane] += sum;
}
