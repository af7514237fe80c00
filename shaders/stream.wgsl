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

// The bits at a place, turned against the walk before; nothing beyond the end.
fn bits(place: u32, shift: u32) -> vec4<u32> {
    if GUARD && place >= p.n {
        return vec4<u32>();
    }
    let turned = place + shift;
    return bitcast<vec4<u32>>(x[select(turned, turned - p.n, turned >= p.n)]);
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
        shift += p.turn;
        shift = select(shift, shift - p.n, shift >= p.n);
    }
    let sum = (a + b) + (c + d);
    sums[group.x * SIZE + lane] += (sum.x + sum.y) + (sum.z + sum.w);
}

fn put(place: u32, value: vec4<f32>) {
    if !GUARD || place < p.n {
        out[place] = value;
    }
}

// Inputs beyond the end are not read: the last ones stand in for them, and are not written.
fn at(place: u32) -> u32 {
    if GUARD {
        return min(place, p.n - 1u);
    }
    return place;
}

// Nothing of one walk may be taken out of the loop over them, or left for the last one.
fn round_ends() {
    if p.rounds > 1u {
        storageBarrier();
    }
}

@compute @workgroup_size(SIZE)
fn write(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            put(place, vec4<f32>(p.s));
            put(place + p.step, vec4<f32>(p.s));
            put(place + 2u * p.step, vec4<f32>(p.s));
            put(place + 3u * p.step, vec4<f32>(p.s));
            place += 4u * p.step;
        }
        round_ends();
    }
}

@compute @workgroup_size(SIZE)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place)];
            let b = x[at(place + p.step)];
            let c = x[at(place + 2u * p.step)];
            let d = x[at(place + 3u * p.step)];
            put(place, a);
            put(place + p.step, b);
            put(place + 2u * p.step, c);
            put(place + 3u * p.step, d);
            place += 4u * p.step;
        }
        round_ends();
    }
}

@compute @workgroup_size(SIZE)
fn scale(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place)];
            let b = x[at(place + p.step)];
            let c = x[at(place + 2u * p.step)];
            let d = x[at(place + 3u * p.step)];
            put(place, p.s * a);
            put(place + p.step, p.s * b);
            put(place + 2u * p.step, p.s * c);
            put(place + 3u * p.step, p.s * d);
            place += 4u * p.step;
        }
        round_ends();
    }
}

@compute @workgroup_size(SIZE)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place)] + y[at(place)];
            let b = x[at(place + p.step)] + y[at(place + p.step)];
            let c = x[at(place + 2u * p.step)] + y[at(place + 2u * p.step)];
            let d = x[at(place + 3u * p.step)] + y[at(place + 3u * p.step)];
            put(place, a);
            put(place + p.step, b);
            put(place + 2u * p.step, c);
            put(place + 3u * p.step, d);
            place += 4u * p.step;
        }
        round_ends();
    }
}

@compute @workgroup_size(SIZE)
fn triad(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * p.step_group + lane * p.step_lane;
    for (var round = 0u; round < p.rounds; round++) {
        var place = first;
        for (var i = 0u; i < p.places; i += 4u) {
            let a = x[at(place)] + p.s * y[at(place)];
            let b = x[at(place + p.step)] + p.s * y[at(place + p.step)];
            let c = x[at(place + 2u * p.step)] + p.s * y[at(place + 2u * p.step)];
            let d = x[at(place + 3u * p.step)] + p.s * y[at(place + 3u * p.step)];
            put(place, a);
            put(place + p.step, b);
            put(place + 2u * p.step, c);
            put(place + 3u * p.step, d);
            place += 4u * p.step;
        }
        round_ends();
    }
}
