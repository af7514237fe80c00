// Tokens as products take them, and the sum of what several workgroups found of one product.
// No extensions.

struct Params {
    // Elements of all tokens with the zeros that follow them, or of C.
    elements: u32,
    // Parts that each element of C is the sum of.
    parts: u32,
}

// Invocations of a workgroup.
const SIZE: u32 = 64u;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> given: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> shares: array<f32>;
@group(0) @binding(2) var<storage, read_write> bytes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> halves: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> heads: array<vec2<f32>>;

// Where an invocation is, in workgroups of two dimensions.
struct Place {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
}

fn index(at: Place) -> u32 {
    return (at.group.y * at.groups.x + at.group.x) * SIZE + at.local;
}

// Blocks of 32: bytes, of which the largest magnitude is 127; for each 16 of them the scale, and the sum of what they stand for.
@compute @workgroup_size(SIZE)
fn matmul_quantise(at: Place) {
    let block = index(at);
    if 32u * block >= p.elements {
        return;
    }
    var most = vec4<f32>();
    for (var i = 0u; i < 8u; i++) {
        most = max(most, abs(given[8u * block + i]));
    }
    let largest = max(max(most.x, most.y), max(most.z, most.w));
    let scale = largest / 127.0;
    let inverse = select(0.0, 127.0 / largest, largest > 0.0);
    for (var i = 0u; i < 2u; i++) {
        var q: vec4<u32>;
        var sum = vec4<f32>();
        for (var j = 0u; j < 4u; j++) {
            let rounded = round(given[8u * block + 4u * i + j] * inverse);
            sum += rounded;
            q[j] = pack4xI8(vec4<i32>(rounded));
        }
        bytes[2u * block + i] = q;
        heads[2u * block + i] = vec2<f32>(scale, scale * ((sum.x + sum.y) + (sum.z + sum.w)));
    }
}

@compute @workgroup_size(SIZE)
fn matmul_halve(at: Place) {
    let i = index(at);
    if 4u * i < p.elements {
        halves[i] = vec4<f32>(given[i]);
    }
}

@compute @workgroup_size(SIZE)
fn matmul_add(at: Place) {
    let i = index(at);
    if i < p.elements {
        var sum = 0.0;
        for (var part = 0u; part < p.parts; part++) {
            sum += shares[part * p.elements + i];
        }
        sums[i] = sum;
    }
}
