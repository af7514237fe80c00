// Dependent loads: each one says where the next one is. All invocations go the same way, so that to the memory they are one load of one line.
//
// Unrolled: g < AHEAD

struct Params {
    steps: u32,
}

// Invocations of the only workgroup.
override SIZE: u32 = 32u;
// Words of workgroup memory.
override WORDS: u32 = 1024u;

// Loads of one turn: llvmpipe ends a shader's loops after 65535 turns in all, whatever they were to do.
const AHEAD: u32 = 64u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage> following: array<u32>;
// Where each invocation has come to.
@group(0) @binding(2) var<storage, read_write> at: array<u32>;

var<workgroup> shared_following: array<u32, WORDS>;

@compute @workgroup_size(SIZE)
fn chase(@builtin(local_invocation_index) lane: u32) {
    var i = at[lane];
    for (var turn = p.steps / AHEAD; turn > 0u; turn--) {
        // each g
        i = following[i];
        // end g
    }
    for (var rest = p.steps % AHEAD; rest > 0u; rest--) {
        i = following[i];
    }
    at[lane] = i;
}

// The same in workgroup memory.
@compute @workgroup_size(SIZE)
fn chase_workgroup(@builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < WORDS; i += SIZE) {
        shared_following[i] = following[i];
    }
    workgroupBarrier();
    var i = at[lane];
    for (var turn = p.steps / AHEAD; turn > 0u; turn--) {
        // each g
        i = shared_following[i];
        // end g
    }
    for (var rest = p.steps % AHEAD; rest > 0u; rest--) {
        i = shared_following[i];
    }
    at[lane] = i;
}
