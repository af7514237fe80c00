// Streams over arrays of f32, four at a time. All layouts are one formula: workgroup * step_group + lane * step_lane
// + place * step.

struct Params {
    n: u32,
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

// The sum of all bit patterns, as integers: exact in any order.
@compute @workgroup_size(SIZE)
fn read(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var a = vec4<u32>();
    var b = vec4<u32>();
    var c = vec4<u32>();
    var d = vec4<u32>();
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            a += bits(place, shift);
            b += bits(place + p.step, shift);
            c += bits(place + 2u * p.step, shift);
            d += bits(place + 3u * p.step, shift);
            place += 4u * p.step;
        }
        shift = next(shift);
    }
    let sum = (a + b) + (c + d);
    sums[group.x * SIZE + lane] += (sum.x + sum.y) + (sum.z + sum.w);
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
        for (var i = 0u; i < p.places; i += 4u) {
            let a = value(at(place, shift));
            let b = value(at(place + p.step, shift));
            let c = value(at(place + 2u * p.step, shift));
            let d = value(at(place + 3u * p.step, shift));
            put(place, shift, a);
            put(place + p.step, shift, b);
            put(place + 2u * p.step, shift, c);
            put(place + 3u * p.step, shift, d);
            place += 4u * p.step;
        }
        shift = next(shift);
    }
}
