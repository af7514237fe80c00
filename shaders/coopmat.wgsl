// Matrices that a subgroup multiplies together, kept in registers: sums of f32 of products of f16.
enable f16;
enable wgpu_cooperative_matrix;

struct Params {
    rounds: u32,
    // Subgroups of a workgroup that the sums have room for.
    subgroups: u32,
}

// Invocations of a workgroup.
override SIZE: u32 = 32u;

alias left = coop_mat8x8<f16, A>;
alias right = coop_mat8x8<f16, B>;
alias result = coop_mat8x8<f32, C>;
// Rows of a square tile.
const TILE: u32 = 8u;
// Pairs of steps of a round.
const PAIRS: u32 = 32u;
// Tiles of an invocation's subgroup.
const CHAINS: u32 = 1u;

@group(0) @binding(0) var<uniform> p: Params;
// One tile for each chain.
@group(0) @binding(1) var<storage> lefts: array<f16>;
// A tile, and its nearly opposite one: sums stay small integers, exact in every order.
@group(0) @binding(2) var<storage> rights: array<f16>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
// How many subgroups each workgroup had: the driver chooses how large it makes them.
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(SIZE)
fn chain(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    // Subgroups without room share tiles that are not read, since all must take the same path. The count shows that there were any.
    let place = select(groups.x * p.subgroups, group.x * p.subgroups + subgroup, subgroup < p.subgroups);
    let first = place * CHAINS * TILE * TILE;
    let there = coopLoadT<right>(&rights[0], TILE);
    let back = coopLoadT<right>(&rights[TILE * TILE], TILE);
    let a0 = coopLoadT<left>(&lefts[0u * TILE * TILE], TILE);
    var c0 = coopLoadT<result>(&sums[first + 0u * TILE * TILE], TILE);
    for (var round = 0u; round < p.rounds; round++) {
        for (var pair = 0u; pair < PAIRS; pair++) {
            c0 = coopMultiplyAdd(a0, there, c0);
            c0 = coopMultiplyAdd(a0, back, c0);
        }
    }
    coopStoreT(c0, &sums[first + 0u * TILE * TILE], TILE);
    if lane == 0u {
        counts[group.x] = subgroups;
    }
}
