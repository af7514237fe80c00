
// Part of other files: products of weights and tokens in half precision, each step summed up in single precision. The file
// that it stands in enables f16.

@group(0) @binding(1) var<storage, read> tokens: array<vec4<f16>>;

// The vectors of four of one step.
struct Left {
    x_q0: vec4<f16>,
}
alias Right = Left;

// What a token and a unit of weights have at each step. Some lines are replaced.
fn left_v0(row: u32, at: u32) -> Left { return lefts(row + place(at)[0u/*v*/] * 4u); }

// each v
fn right_v0(u: Unit) -> Right {
    var b: Right;
    b.x_q0 = halved(u.q[0u/*v*/][0u/*q*/], u.scale[0u/*v*/], u.least[0u/*v*/]);
    return b;
}
// end v

fn lefts(first: u32) -> Left {
    var a: Left;
    a.x_q0 = tokens[first + 0u/*q*/];
    return a;
}

fn halved(q: u32, scale: f32, least: f32) -> vec4<f16> {
    return vec4<f16>(unpack4xI8(q)) * f16(scale) - f16(least);
}

fn plus(sum: f32, a: Left, b: Right) -> f32 {
    var products = vec4<f16>();
    products = fma(a.x_q0, b.x_q0, products);
    let wide = vec4<f32>(products);
    return sum + ((wide.x + wide.y) + (wide.z + wide.w));
}

fn nothing() -> Left { return Left(); }
