//! Matmul tiles of each instruction set.

use crate::ops::matmul::MatmulEntry;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

/// The intrinsics of 256-bit lanes.
#[cfg(target_arch = "x86_64")]
macro_rules! avx2_primitives {
    ($then:ident ! $rest:tt) => {
        $then!($rest, lanes: 8, f: __m256, i: __m256i,
            load_f32: _mm256_loadu_ps, store_f32: _mm256_storeu_ps, load: _mm256_loadu_si256, store: _mm256_storeu_si256,
            load_half: _mm_loadu_si128, widen: _mm256_cvtph_ps, load_quarter: _mm_loadl_epi64,
            widen_s8: _mm256_cvtepi8_epi32, splat_f32: _mm256_set1_ps, splat: _mm256_set1_epi32,
            mul_add: _mm256_fmadd_ps, mul_f32: _mm256_mul_ps, add_f32: _mm256_add_ps,
            max_f32: _mm256_max_ps, nearest: _mm256_cvtps_epi32, to_f32: _mm256_cvtepi32_ps,
            and: _mm256_and_si256, or: _mm256_or_si256, shl: _mm256_sll_epi32, shr: _mm256_srl_epi32,
            sar: _mm256_sra_epi32, add: _mm256_add_epi32, mul: _mm256_mullo_epi32, from_bits: _mm256_castsi256_ps);
    };
}
/// The intrinsics of 512-bit lanes.
#[cfg(target_arch = "x86_64")]
macro_rules! avx512_primitives {
    ($then:ident ! $rest:tt) => {
        $then!($rest, lanes: 16, f: __m512, i: __m512i,
            load_f32: _mm512_loadu_ps, store_f32: _mm512_storeu_ps, load: _mm512_loadu_si512, store: _mm512_storeu_si512,
            load_half: _mm256_loadu_si256, widen: _mm512_cvtph_ps, load_quarter: _mm_loadu_si128,
            widen_s8: _mm512_cvtepi8_epi32, splat_f32: _mm512_set1_ps, splat: _mm512_set1_epi32,
            mul_add: _mm512_fmadd_ps, mul_f32: _mm512_mul_ps, add_f32: _mm512_add_ps,
            max_f32: _mm512_max_ps, nearest: _mm512_cvtps_epi32, to_f32: _mm512_cvtepi32_ps,
            and: _mm512_and_si512, or: _mm512_or_si512, shl: _mm512_sll_epi32, shr: _mm512_srl_epi32,
            sar: _mm512_sra_epi32, add: _mm512_add_epi32, mul: _mm512_mullo_epi32, from_bits: _mm512_castsi512_ps);
    };
}

/// Implements `Lanes` for an x86 vector width from its table of intrinsics; what follows the table's name are
/// the methods that have no single intrinsic, and those that the trait would build from others.
#[cfg(target_arch = "x86_64")]
macro_rules! matmul_lanes {
    ($name:ident, $primitives:ident, $($override:item),* $(,)?) => {
        $crate::arch::matmul::$primitives!(matmul_lanes_impl ! [$name, { $($override)* }]);
    };
}
#[cfg(target_arch = "x86_64")]
macro_rules! matmul_lanes_impl {
    ([$name:ident, { $($override:item)* }], lanes: $lanes:literal, f: $f:ty, i: $i:ty,
     load_f32: $load_f32:ident, store_f32: $store_f32:ident, load: $load:ident, store: $store:ident,
     load_half: $load_half:ident, widen: $widen:ident, load_quarter: $load_quarter:ident, widen_s8: $widen_s8:ident,
     splat_f32: $splat_f32:ident, splat: $splat:ident,
     mul_add: $mul_add:ident, mul_f32: $mul_f32:ident, add_f32: $add_f32:ident,
     max_f32: $max_f32:ident, nearest: $nearest:ident, to_f32: $to_f32:ident,
     and: $and:ident, or: $or:ident, shl: $shl:ident, shr: $shr:ident, sar: $sar:ident, add: $add:ident, mul: $mul:ident,
     from_bits: $from_bits:ident) => {
        // SAFETY of every method: the trait's contract; loads and stores are the unaligned forms.
        impl Lanes for $name {
            const LANES: usize = $lanes;
            type F = $f;
            type I = $i;

            matmul_lanes_impl!(@methods
                fn load_f32(from: *const u8) -> $f { $load_f32(from.cast()) }
                fn load_f16(from: *const u8) -> $f { $widen($load_half(from.cast())) }
                fn store_f32(value: $f, to: *mut u8) -> () { $store_f32(to.cast(), value) }
                fn load(from: *const u8) -> $i { $load(from.cast()) }
                fn load_s8(from: *const u8) -> $i { $widen_s8($load_quarter(from.cast())) }
                fn store(value: $i, to: *mut u8) -> () { $store(to.cast(), value) }
                fn splat_f32(value: f32) -> $f { $splat_f32(value) }
                fn splat(value: i32) -> $i { $splat(value) }
                fn mul_add(a: $f, b: $f, c: $f) -> $f { $mul_add(a, b, c) }
                fn mul_f32(a: $f, b: $f) -> $f { $mul_f32(a, b) }
                fn add_f32(a: $f, b: $f) -> $f { $add_f32(a, b) }
                fn max_f32(a: $f, b: $f) -> $f { $max_f32(a, b) }
                fn nearest(value: $f) -> $i { $nearest(value) }
                fn to_f32(value: $i) -> $f { $to_f32(value) }
                fn and(a: $i, b: $i) -> $i { $and(a, b) }
                fn or(a: $i, b: $i) -> $i { $or(a, b) }
                fn add(a: $i, b: $i) -> $i { $add(a, b) }
                fn mul(a: $i, b: $i) -> $i { $mul(a, b) }
                fn from_bits(value: $i) -> $f { $from_bits(value) }
                fn round_to_f16(value: f32) -> f32 {
                    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(value))))
                }
            );
            #[inline(always)]
            unsafe fn shl<const N: u32>(a: $i) -> $i {
                // SAFETY: see above.
                unsafe { $shl(a, _mm_cvtsi32_si128(N as i32)) }
            }
            #[inline(always)]
            unsafe fn shr<const N: u32>(a: $i) -> $i {
                // SAFETY: see above.
                unsafe { $shr(a, _mm_cvtsi32_si128(N as i32)) }
            }
            #[inline(always)]
            unsafe fn sar<const N: u32>(a: $i) -> $i {
                // SAFETY: see above.
                unsafe { $sar(a, _mm_cvtsi32_si128(N as i32)) }
            }
            $($override)*
        }
    };
    (@methods $(fn $method:ident($($argument:ident: $type:ty),*) -> $result:ty { $body:expr })*) => {$(
        #[inline(always)]
        unsafe fn $method($($argument: $type),*) -> $result {
            // SAFETY: see above.
            unsafe { $body }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
use {avx2_primitives, avx512_primitives, matmul_lanes, matmul_lanes_impl};

/// Every matmul kernel of this architecture, available or not.
pub(crate) fn entries() -> impl Iterator<Item = &'static MatmulEntry> {
    let tables: &'static [&[&[MatmulEntry]]] = &[
        &[portable::ENTRIES],
        #[cfg(target_arch = "x86_64")]
        avx2::ENTRIES,
        #[cfg(target_arch = "x86_64")]
        &[avx512::ENTRIES],
    ];
    tables.iter().copied().flatten().copied().flatten()
}
