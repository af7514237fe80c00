// Atomic additions: neighbours to neighbouring words, every word as often as every other one.

struct Params {
    // Additions of an invocation in one round.
    additions: u32,
    rounds: u32,
    // What is added.
    addend: u32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;
// Words that are added to, a power of two.
override WORDS: u32 = 1024u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> words: array<atomic<u32>>;

var<workgroup> shared_words: array<atomic<u32>, WORDS>;

// To words in the GPU's caches: all workgroups to the same ones.
@compute @workgroup_size(SIZE)
fn atomic_cache(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var round = 0u; round < p.rounds; round++) {
        var at = id.x + round;
        for (var i = 0u; i < p.additions; i++) {
            atomicAdd(&words[at & (WORDS - 1u)], p.addend);
            at += SIZE;
        }
    }
}

// To words of the workgroup; the sums are added to those in memory at the end.
@compute @workgroup_size(SIZE)
fn atomic_workgroup(@builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < WORDS; i += SIZE) {
        atomicStore(&shared_words[i], 0u);
    }
    workgroupBarrier();
    for (var round = 0u; round < p.rounds; round++) {
        var at = lane + round;
        for (var i = 0u; i < p.additions; i++) {
            atomicAdd(&shared_words[at & (WORDS - 1u)], p.addend);
            at += SIZE;
        }
    }
    workgroupBarrier();
    for (var i = lane; i < WORDS; i += SIZE) {
        atomicAdd(&words[i], atomicLoad(&shared_words[i]));
    }
}
