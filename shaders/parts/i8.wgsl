
// Part of other files: products of weights and tokens as bytes, whose sums of 16, or of four, are scaled and summed up in single
// precision. Uses `heads` of the file that it stands in: the scale of each 16 bytes of tokens, and the sum of what they stand for.

@group(0) @binding(1) var<storage, read> tokens: array<vec4<u32>>;

struct Left {
    q: Q,
    scale: f32,
    sum: f32,
}

struct Right {
    q: Q,
    scale: f32,
    least: f32,
}

// What a token and a unit of weights have at each step. Some lines are replaced.
fn left_v0(row: u32, at: u32) -> Left { return left(row, place(at)[0u/*v*/], 0u); }
fn right_v0(u: Unit) -> Right { return Right(u.q[0u/*v*/], u.scale[0u/*v*/], u.least[0u/*v*/]); }

fn left(row: u32, group: u32, word: u32) -> Left {
    let i = (row >> 2u) + group;
    let head = heads[i];
    return Left(tokens[i], head.x, head.y);
}

fn dots(a: Q, b: Q) -> i32 { return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w); }

fn plus(sum: f32, a: Left, b: Right) -> f32 {
    return fma(a.scale * b.scale, f32(dots(a.q, b.q)), fma(-b.least, a.sum, sum));
}

fn nothing() -> Left { return Left(Q(), 0.0, 0.0); }
