// As little as a dispatch can do and be seen to have done: each depends on the one before it.

struct Params {
    step: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> count: array<u32>;

@compute @workgroup_size(1)
fn dispatch() {
    count[0] += p.step;
}
