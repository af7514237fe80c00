// C[m×n] = A[m×k] · B[n×k]ᵀ. A: tokens; B: weights as they are stored; C: f32.
//
// Weights are decoded unit by unit (parts/weights.wgsl), and what they have in common with tokens is summed up step by step
// (parts/f32.wgsl, f16.wgsl, i8.wgsl). Rows of A end with zeros up to whole units, so that what is decoded beyond the end of a row counts
// for nothing.
//
// Unrolled: i < ROWS, j < COLUMNS, v < STEPS, q < FOURS

// Invocations of a workgroup, along columns and along rows of C.
override WIDTH: u32 = 8u;
override HEIGHT: u32 = 8u;

// Rows and columns of C that an invocation has in registers.
const ROWS: u32 = 1u;
const COLUMNS: u32 = 1u;
const SUMS: u32 = ROWS * COLUMNS;

fn put(row: u32, column: u32, share: u32, sum: f32) {
    if row < p.m && column < p.n {
        c[(share * p.rows + row) * p.columns + column] = sum;
    }
}

// Each invocation does all of its sums, and decodes for itself. What lies beyond an edge is taken to be the last within.
@compute @workgroup_size(WIDTH, HEIGHT)
fn matmul_direct(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let first_row = group.y * HEIGHT * ROWS + local.y;
    let first_column = group.x * WIDTH * COLUMNS + local.x;
    let row_i0 = min(first_row + 0u/*i*/ * HEIGHT, p.m - 1u) * p.token;
    let column_j0 = min(first_column + 0u/*j*/ * WIDTH, p.n - 1u) * p.row;
    var sum_i0_j0 = 0.0;
    let end = min((group.z + 1u) * p.share, p.units);
    for (var at = group.z * p.share; at < end; at++) {
        let unit_j0 = unit(column_j0, at);
        // each v
        {
            let b_j0 = right_v0(unit_j0);
            // each i
            let a_i0 = left_v0(row_i0, at);
            sum_i0_j0 = plus(sum_i0_j0, a_i0, b_j0);
            // end i
        }
        // end v
    }
    put(first_row + 0u/*i*/ * HEIGHT, first_column + 0u/*j*/ * WIDTH, group.z, sum_i0_j0);
}

// The place of an invocation, and how the sums of a subgroup are added, where there are subgroups.
struct Lane { @builtin(local_invocation_index) index: u32 }
fn part(lane: Lane) -> u32 { return lane.index; }
fn parts(lane: Lane) -> u32 { return WIDTH; }
fn leads(lane: Lane) -> bool { return true; }
fn together(sum: f32) -> f32 { return sum; }
override PARTS: u32 = WIDTH;

var<workgroup> partial: array<f32, PARTS * SUMS>;

fn keep(sum: f32, at: u32, lane: Lane) {
    let all = together(sum);
    if leads(lane) {
        partial[at * PARTS + part(lane)] = all;
    }
}

// A workgroup does the sums together, neighbours taking neighbouring units.
@compute @workgroup_size(WIDTH)
fn matmul_strided(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, lane: Lane) {
    let first_row = group.y * ROWS;
    let first_column = (group.z * groups.x + group.x) * COLUMNS;
    let row_i0 = min(first_row + 0u/*i*/, p.m - 1u) * p.token;
    let column_j0 = min(first_column + 0u/*j*/, p.n - 1u) * p.row;
    var sum_i0_j0 = 0.0;
    for (var at = lane.index; at < p.units; at += WIDTH) {
        let unit_j0 = unit(column_j0, at);
        // each v
        {
            let b_j0 = right_v0(unit_j0);
            // each i
            let a_i0 = left_v0(row_i0, at);
            sum_i0_j0 = plus(sum_i0_j0, a_i0, b_j0);
            // end i
        }
        // end v
    }
    keep(sum_i0_j0, 0u/*i*/ * COLUMNS + 0u/*j*/, lane);
    workgroupBarrier();
    var left = parts(lane);
    while left > 1u {
        // The middle one of an odd number stays.
        let kept = left - left / 2u;
        if lane.index < left / 2u {
            for (var i = 0u; i < SUMS; i++) {
                partial[i * PARTS + lane.index] += partial[i * PARTS + lane.index + kept];
            }
        }
        left = kept;
        workgroupBarrier();
    }
    for (var i = lane.index; i < SUMS; i += WIDTH) {
        put(first_row + i / COLUMNS, first_column + i % COLUMNS, 0u, partial[i * PARTS]);
    }
}

// Steps of each row that are staged at once.
const STAGED: u32 = STAGE * STEPS;

var<workgroup> staged_a: array<Left, HEIGHT * ROWS * STAGED>;
var<workgroup> staged_b: array<Right, WIDTH * COLUMNS * STAGED>;

// Step `s` of a row or column, turned so that neither writing along `s` nor reading along rows meets one memory bank again
// and again; `width` is a multiple of eight.
fn slot(s: u32, row: u32, width: u32) -> u32 {
    return s * width + (row ^ (s & 7u));
}

fn stage_b(first: u32, base: u32, lane: u32) {
    for (var i = lane; i < WIDTH * COLUMNS * STAGE; i += WIDTH * HEIGHT) {
        let column = i / STAGE;
        let u = i % STAGE;
        let there = unit(min(first + column, p.n - 1u) * p.row, min(base + u, p.units - 1u));
        staged_b[slot(u * STEPS + 0u/*v*/, column, WIDTH * COLUMNS)] = right_v0(there);
    }
}

// Units beyond the end count for nothing.
fn stage_a(first: u32, base: u32, end: u32, lane: u32) {
    for (var i = lane; i < HEIGHT * ROWS * STAGE; i += WIDTH * HEIGHT) {
        let row = i / STAGE;
        let u = i % STAGE;
        let token = min(first + row, p.m - 1u) * p.token;
        // each v
        var a_v0 = nothing();
        if base + u < end {
            a_v0 = left_v0(token, base + u);
        }
        staged_a[slot(u * STEPS + 0u/*v*/, row, HEIGHT * ROWS)] = a_v0;
        // end v
    }
}

// Weights and tokens of a workgroup pass through workgroup memory, decoded once.
@compute @workgroup_size(WIDTH, HEIGHT)
fn matmul_staged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_row = group.y * HEIGHT * ROWS;
    let first_column = group.x * WIDTH * COLUMNS;
    var sum_i0_j0 = 0.0;
    let end = min((group.z + 1u) * p.share, p.units);
    for (var base = group.z * p.share; base < end; base += STAGE) {
        stage_b(first_column, base, lane);
        stage_a(first_row, base, end, lane);
        workgroupBarrier();
        for (var s = 0u; s < STAGED; s++) {
            let b_j0 = staged_b[slot(s, local.x + 0u/*j*/ * WIDTH, WIDTH * COLUMNS)];
            // each i
            let a_i0 = staged_a[slot(s, local.y + 0u/*i*/ * HEIGHT, HEIGHT * ROWS)];
            sum_i0_j0 = plus(sum_i0_j0, a_i0, b_j0);
            // end i
        }
        workgroupBarrier();
    }
    put(first_row + local.y + 0u/*i*/ * HEIGHT, first_column + local.x + 0u/*j*/ * WIDTH, group.z, sum_i0_j0);
}
