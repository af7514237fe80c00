// Dependent loads: each one says where the next one is. All invocations go the same way, so that to the memory they are one load of one line.

struct Params {
    steps: u32,
}

// Invocations of the only workgroup.
override SIZE: u32 = 32u;
// Words of workgroup memory.
override WORDS: u32 = 1024u;

// Turns of the inner loop: llvmpipe ends a loop after 65535 of them, whatever it was to do.
const TURNS: u32 = 4096u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage> following: array<u32>;
// Where each invocation has come to.
@group(0) @binding(2) var<storage, read_write> at: array<u32>;

var<workgroup> shared_following: array<u32, WORDS>;

@compute @workgroup_size(SIZE)
fn chase(@builtin(local_invocation_index) lane: u32) {
    var i = at[lane];
    for (var left = p.steps; left > 0u; left -= min(left, TURNS)) {
        for (var step = 0u; step < min(left, TURNS); step++) {
            i = following[i];
        }
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
    for (var left = p.steps; left > 0u; left -= min(left, TURNS)) {
        for (var step = 0u; step < min(left, TURNS); step++) {
            i = shared_following[i];
        }
    }
    at[lane] = i;
}
