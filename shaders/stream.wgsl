// Streams over arrays of f32, four at a time. All layouts are one formula: workgroup * step_group + lane * step_lane
// + place * step.

struct Params {
    n: u32,
    step_group: u32,
    step_lane: u32,
    step: u32,
    places: u32,
    rounds: u32,
    turn: u32,
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

// The place of a walk that is turned by `shift`.
fn turned(place: u32, shift: u32) -> u32 {
    let sum = place + shift;
    return select(sum, sum - p.n, sum >= p.n);
}

// How far the walk behind one turned by `shift` is turned. Without it, the rounds of a dispatch would do the same again and
// again, and from what the core itself still has.
fn next(shift: u32) -> u32 {
    return turned(shift, p.turn);
}

// The bits at a place; nothing beyond the end.
fn bits(place: u32, shift: u32) -> vec4<u32> {
    if GUARD && place >= p.n {
        return vec4<u32>();
    }
    return bitcast<vec4<u32>>(x[turned(place, shift)]);
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
        out[turned(place, shift)] = value;
    }
}

// Inputs beyond the end are not read: the last ones stand in for them, and are not written.
fn at(place: u32, shift: u32) -> u32 {
    if GUARD {
        return turned(min(place, p.n - 1u), shift);
    }
    return turned(place, shift);
}

@compute @workgroup_size(SIZE)
fn write(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            put(place, shift, vec4<f32>(p.s));
            put(place + p.step, shift, vec4<f32>(p.s));
            put(place + 2u * p.step, shift, vec4<f32>(p.s));
            put(place + 3u * p.step, shift, vec4<f32>(p.s));
            place += 4u * p.step;
        }
        shift = next(shift);
    }
}

@compute @workgroup_size(SIZE)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place, shift)];
            let b = x[at(place + p.step, shift)];
            let c = x[at(place + 2u * p.step, shift)];
            let d = x[at(place + 3u * p.step, shift)];
            put(place, shift, a);
            put(place + p.step, shift, b);
            put(place + 2u * p.step, shift, c);
            put(place + 3u * p.step, shift, d);
            place += 4u * p.step;
        }
        shift = next(shift);
    }
}

@compute @workgroup_size(SIZE)
fn scale(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place, shift)];
            let b = x[at(place + p.step, shift)];
            let c = x[at(place + 2u * p.step, shift)];
            let d = x[at(place + 3u * p.step, shift)];
            put(place, shift, p.s * a);
            put(place + p.step, shift, p.s * b);
            put(place + 2u * p.step, shift, p.s * c);
            put(place + 3u * p.step, shift, p.s * d);
            place += 4u * p.step;
        }
        shift = next(shift);
    }
}

@compute @workgroup_size(SIZE)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place, shift)] + y[at(place, shift)];
            let b = x[at(place + p.step, shift)] + y[at(place + p.step, shift)];
            let c = x[at(place + 2u * p.step, shift)] + y[at(place + 2u * p.step, shift)];
            let d = x[at(place + 3u * p.step, shift)] + y[at(place + 3u * p.step, shift)];
            put(place, shift, a);
            put(place + p.step, shift, b);
            put(place + 2u * p.step, shift, c);
            put(place + 3u * p.step, shift, d);
            place += 4u * p.step;
        }
        shift = next(shift);
    }
}

@compute @workgroup_size(SIZE)
fn triad(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    var shift = 0u;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place, shift)] + p.s * y[at(place, shift)];
            let b = x[at(place + p.step, shift)] + p.s * y[at(place + p.step, shift)];
            let c = x[at(place + 2u * p.step, shift)] + p.s * y[at(place + 2u * p.step, shift)];
            let d = x[at(place + 3u * p.step, shift)] + p.s * y[at(place + 3u * p.step, shift)];
            put(place, shift, a);
            put(place + p.step, shift, b);
            put(place + 2u * p.step, shift, c);
            put(place + 3u * p.step, shift, d);
            place += 4u * p.step;
        }
        shift = next(shift);
    }
}
