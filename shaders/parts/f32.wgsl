
// Part of other files: products of weights and tokens in single precision, four at a time.

@group(0) @binding(1) var<storage, read> tokens: array<vec4<f32>>;

alias Left = vec4<f32>;
alias Right = vec4<f32>;

// What a token and a unit of weights have at each step. The lines are replaced.
fn left_v0(row: u32, at: u32) -> Left { return tokens[row + place(at)[0u/*v*/ / 4u] * 4u + 0u/*v*/ % 4u]; }
fn right_v0(u: Unit) -> Right { return decoded(u.q[0u/*v*/ / 4u][0u/*v*/ % 4u], u.scale[0u/*v*/ / 4u], u.least[0u/*v*/ / 4u]); }

fn decoded(q: u32, scale: f32, least: f32) -> vec4<f32> {
    return vec4<f32>(unpack4xI8(q)) * scale - least;
}

fn plus(sum: f32, a: Left, b: Right) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn nothing() -> Left { return vec4<f32>(); }
