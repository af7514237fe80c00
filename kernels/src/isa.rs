//! Instruction sets: one line each. What there is for them stands in `arch`.

use crate::named::named_enum;

named_enum! {
    /// An instruction set for which there are kernels. Within an architecture the preferred ones come last.
    pub enum Isa: "instruction set" {
        /// Plain Rust, as the compiler vectorises it for the target's baseline.
        Portable = "portable",
        /// 128-bit vectors.
        Sse2 = "sse2",
        /// 256-bit vectors with fused multiply-add and conversion of binary16; no CPU has the first two without the third.
        Avx2 = "avx2",
        // What follows is built upon the former, and so are its kernels: a feature brings along all that it implies.
        /// 256-bit dot products of bytes.
        AvxVnni = "avxvnni",
        /// 512-bit vectors, of bytes too (F and BW).
        Avx512 = "avx512",
        /// 512-bit dot products of bytes.
        Avx512Vnni = "avx512vnni",
        /// 512-bit dot products of bfloat16.
        Avx512Bf16 = "avx512bf16",
        /// 512-bit arithmetic in binary16.
        Avx512Fp16 = "avx512fp16",
        /// Products of tiles of bfloat16.
        AmxBf16 = "amxbf16",
        /// Products of tiles of bytes.
        AmxInt8 = "amxint8",
        /// 128-bit vectors of AArch64.
        Neon = "neon",
        /// The same with arithmetic in binary16.
        NeonFp16 = "neonfp16",
        /// The same with dot products of bytes.
        NeonDotprod = "neondotprod",
        /// The same with products of 2×2 blocks of bytes.
        NeonI8mm = "neoni8mm",
        /// The same with dot products and products of 2×2 blocks of bfloat16.
        NeonBf16 = "neonbf16",
        // Vectors as long as the CPU has them, from 128 to 2048 bits.
        /// Vectors of the CPU's own length, with predicates.
        Sve = "sve",
        /// The same with dot products of bfloat16.
        SveBf16 = "svebf16",
        /// The same with dot products of bytes, of which one has a sign.
        SveI8mm = "svei8mm",
        /// Outer products of f32, bfloat16 and bytes, in streaming mode.
        Sme = "sme",
        /// The same with outer products of f64.
        SmeF64 = "smef64",
    }
}
