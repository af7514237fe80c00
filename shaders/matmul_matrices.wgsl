// C[m×n] = A[m×k] · B[n×k]ᵀ by cooperative matrices: weights are decoded into halves in workgroup memory, sums are f32.
//
// A workgroup has a band of C: the rows of ROWS matrices, and the columns of COLUMNS matrices for each subgroup. Rows of C are stored up to
// whole workgroups.
//
// Unrolled: i < ROWS, j < COLUMNS, v < STEPS, q < FOURS
enable f16;
enable wgpu_cooperative_matrix;

alias factor_a = coop_mat8x8<f16, A>;
alias factor_b = coop_mat8x8<f16, B>;
alias result = coop_mat8x8<f32, C>;
// Rows of a square matrix.
const SIDE: u32 = 8u;

// Invocations and subgroups of a workgroup.
override SIZE: u32 = 32u;
override SUBGROUPS: u32 = 1u;

// Matrices that a subgroup has, along rows and along columns of C.
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
// Elements of a row that are staged at once, and from one row to the next: rows do not all begin at the same memory bank.
const STAGED: u32 = STAGE * STEPS * FOURS * 4u;
const STRIDE: u32 = STAGED + 8u;

const BAND: u32 = ROWS * SIDE;
override WIDTH: u32 = COLUMNS * SIDE * SUBGROUPS;
override STAGED_B: u32 = WIDTH * STRIDE;

var<workgroup> staged_a: array<f16, BAND * STRIDE>;
var<workgroup> staged_b: array<f16, STAGED_B>;

fn stage_four_a(at: u32, x: vec4<f16>) {
    staged_a[at] = x.x;
    staged_a[at + 1u] = x.y;
    staged_a[at + 2u] = x.z;
    staged_a[at + 3u] = x.w;
}

fn stage_four_b(at: u32, x: vec4<f16>) {
    staged_b[at] = x.x;
    staged_b[at + 1u] = x.y;
    staged_b[at + 2u] = x.z;
    staged_b[at + 3u] = x.w;
}

fn stage_a(first: u32, base: u32, end: u32, lane: u32) {
    for (var i = lane; i < BAND * STAGE; i += SIZE) {
        let row = i / STAGE;
        let u = i % STAGE;
        let token = min(first + row, p.m - 1u) * p.token;
        // each v
        // Units beyond the end count for nothing.
        var a_v0 = nothing();
        if base + u < end {
            a_v0 = left_v0(token, base + u);
        }
        stage_four_a(row * STRIDE + ((u * STEPS + 0u/*v*/) * FOURS + 0u/*q*/) * 4u, a_v0.x_q0);
        // end v
    }
}

fn stage_b(first: u32, base: u32, lane: u32) {
    for (var i = lane; i < WIDTH * STAGE; i += SIZE) {
        let column = i / STAGE;
        let u = i % STAGE;
        let there = unit(min(first + column, p.n - 1u) * p.row, min(base + u, p.units - 1u));
        // each v
        let b_v0 = right_v0(there);
        stage_four_b(column * STRIDE + ((u * STEPS + 0u/*v*/) * FOURS + 0u/*q*/) * 4u, b_v0.x_q0);
        // end v
    }
}

@compute @workgroup_size(SIZE)
fn matmul_matrices(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    // Where the driver makes more subgroups than expected, the last ones do the same work again.
    let own = min(subgroup, SUBGROUPS - 1u) * COLUMNS * SIDE;
    let first_row = group.y * BAND;
    let first_column = group.x * WIDTH;
    var sum_i0_j0 = result();
    let end = min((group.z + 1u) * p.share, p.units);
    for (var base = group.z * p.share; base < end; base += STAGE) {
        stage_b(first_column, base, lane);
        stage_a(first_row, base, end, lane);
        workgroupBarrier();
        for (var s = 0u; s < STAGED; s += SIDE) {
            let b_j0 = coopLoad<factor_b>(&staged_b[(own + 0u/*j*/ * SIDE) * STRIDE + s], STRIDE);
            // each i
            let a_i0 = coopLoadT<factor_a>(&staged_a[0u/*i*/ * SIDE * STRIDE + s], STRIDE);
            sum_i0_j0 = coopMultiplyAdd(a_i0, b_j0, sum_i0_j0);
            // end i
        }
        workgroupBarrier();
    }
    // Names for all that a store takes: naga 30 writes a store before what it would evaluate for it.
    let columns = p.columns;
    let place = (group.z * p.rows + first_row) * columns + first_column + own;
    let at_i0_j0 = place + 0u/*i*/ * SIDE * columns + 0u/*j*/ * SIDE;
    let all_i0_j0 = sum_i0_j0;
    coopStoreT(all_i0_j0, &c[at_i0_j0], columns);
}
