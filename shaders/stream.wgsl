// Streams over arrays of f32, four at a time. All layouts are one formula: workgroup * step_group + lane * step_lane
// + place * step.
//
// Unrolled: i < READS, j < PLACES

struct Params {
    n: u32,
    // Workgroups that walk over all of it together. There may be several such teams, each a part of the way ahead of the one before.
    team: u32,
    ahead: u32,
    step_group: u32,
    step_lane: u32,
    step: u32,
    places: u32,
    rounds: u32,
    rotation: u32,
    s: f32,
}

// Invocations of a workgroup.
override SIZE: u32 = 64u;
// Whether places may lie beyond the end.
override GUARD: bool = true;
// Places that an invocation has in flight: of a read, and of all others.
const READS: u32 = 1u;
const PLACES: u32 = 1u;

@group(0) @binding(0) var<uniform> p: Params;
// Read-only is the default, and naming it would clash with the entry point of that name.
@group(0) @binding(1) var<storage> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;

// The place of a walk that is rotated by `shift`.
fn rotated(place: u32, shift: u32) -> u32 {
    let sum = place + shift;
    return select(sum, sum - p.n, sum >= p.n);
}

// How far the walk after one rotated by `shift` is rotated. Without it, the rounds of a dispatch would do the same again and
// again, and from what the core itself still has.
fn next(shift: u32) -> u32 {
    return rotated(shift, p.rotation);
}

// The bits at a place; nothing beyond the end.
fn bits(place: u32, shift: u32) -> vec4<u32> {
    if GUARD && place >= p.n {
        return vec4<u32>();
    }
    return bitcast<vec4<u32>>(x[rotated(place, shift)]);
}

var<workgroup> total: atomic<u32>;

// The sum of all bit patterns, as integers: exact in any order. Nothing but the arrays is read, and a workgroup writes one word.
@compute @workgroup_size(SIZE)
fn read(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        atomicStore(&total, 0u);
    }
    let first = group.x % p.team * p.step_group + lane * p.step_lane;
    var sum = vec4<u32>();
    var shift = group.x / p.team * p.ahead;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += READS) {
            let x_i0 = bits(place + 0u/*i*/ * p.step, shift);
            sum += x_i0;
            place += READS * p.step;
        }
        shift = next(shift);
    }
    workgroupBarrier();
    atomicAdd(&total, (sum.x + sum.y) + (sum.z + sum.w));
    workgroupBarrier();
    if lane == 0u {
        sums[group.x] += atomicLoad(&total);
    }
}

fn put(place: u32, shift: u32, value: vec4<f32>) {
    if !GUARD || place < p.n {
        out[rotated(place, shift)] = value;
    }
}

// Inputs beyond the end are not read: the last ones stand in for them, and are not written.
fn at(place: u32, shift: u32) -> u32 {
    if GUARD {
        return rotated(min(place, p.n - 1u), shift);
    }
    return rotated(place, shift);
}

// What each operation writes, made of what stands at place `i`. `value` is that of this program.
fn write(i: u32) -> vec4<f32> { return vec4<f32>(p.s); }
fn copy(i: u32) -> vec4<f32> { return x[i]; }
fn scale(i: u32) -> vec4<f32> { return p.s * x[i]; }
fn add(i: u32) -> vec4<f32> { return x[i] + y[i]; }
fn triad(i: u32) -> vec4<f32> { return x[i] + p.s * y[i]; }
fn value(i: u32) -> vec4<f32> { return copy(i); }

// Writes one array.
@compute @workgroup_size(SIZE)
fn stream(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += PLACES) {
            let value_j0 = value(at(place + 0u/*j*/ * p.step, shift));
            put(place + 0u/*j*/ * p.step, shift, value_j0);
            place += PLACES * p.step;
        }
        shift = next(shift);
    }
}
