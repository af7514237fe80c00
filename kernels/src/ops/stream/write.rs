//! What writes.

use super::Stores;
use super::kernel::{ALIGNMENT, Arrays};
use super::{LINE_LANES, part};
use crate::op::Op;
use crate::simd::{Float, Floats, Kernel, Vector};
use std::hint::black_box;

pub(super) const WRITE: usize = Op::Write as usize;
pub(super) const COPY: usize = Op::Copy as usize;
pub(super) const SCALE: usize = Op::Scale as usize;
pub(super) const ADD: usize = Op::Add as usize;
pub(super) const TRIAD: usize = Op::Triad as usize;

pub(super) const ORDINARY: usize = Stores::Ordinary as usize;
pub(super) const NONTEMPORAL: usize = Stores::Nontemporal as usize;

/// What `OP` makes of one vector of each array.
#[inline(always)]
fn value<V: Float, const OP: usize>(x: V, y: V, s: V) -> V {
    match OP {
        WRITE => s,
        COPY => x,
        SCALE => x.mul(s),
        ADD => x.add(y),
        _ => y.mul_add(s, x),
    }
}

/// The kernels that write: `out[i] = value(x[i], y[i], s)`, `STREAMS` parts side by side, `UNROLL` vectors of each array in a
/// turn. With `PREFETCH` each line that is read is asked for ahead.
pub(super) struct Write<
    const OP: usize,
    const STORES: usize,
    const STREAMS: usize,
    const UNROLL: usize,
    const PREFETCH: bool,
>;

impl<S: Floats, const OP: usize, const STORES: usize, const STREAMS: usize, const UNROLL: usize, const PREFETCH: bool>
    Kernel<S> for Write<OP, STORES, STREAMS, UNROLL, PREFETCH>
{
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(token: S, arrays: Arrays<'_>) -> u64 {
        const { assert!(UNROLL.is_multiple_of(STREAMS) && (UNROLL / STREAMS).is_multiple_of(2)) };
        let n = arrays.out.len();
        debug_assert!(arrays.x.len() == n && arrays.y.len() == n);
        debug_assert!(arrays.out.as_ptr().addr().is_multiple_of(ALIGNMENT));
        let vectors = UNROLL / STREAMS;
        let step = S::F64::LANES * vectors;
        let part = part(n, STREAMS, step);
        let factor: S::F64 = token.splat(arrays.s);
        for _ in 0..arrays.repetitions {
            // Opaque for each walk: no store of one may be left out because the next repeats it.
            let (from_x, from_y) = (black_box(arrays.x.as_ptr()), black_box(arrays.y.as_ptr()));
            let to = black_box(arrays.out.as_mut_ptr());
            let mut i = 0;
            while i < part {
                let mut before = factor;
                for u in 0..UNROLL {
                    let at = u / vectors * part + i + u % vectors * S::F64::LANES;
                    if PREFETCH && (u % vectors * S::F64::LANES).is_multiple_of(LINE_LANES) {
                        token.prefetch_first_level(
                            from_x.wrapping_add(at).wrapping_byte_add(arrays.prefetch_bytes).cast(),
                        );
                        if OP == ADD || OP == TRIAD {
                            token.prefetch_first_level(
                                from_y.wrapping_add(at).wrapping_byte_add(arrays.prefetch_bytes).cast(),
                            );
                        }
                    }
                    // SAFETY: the vector lies below `part` in one of STREAMS parts, which are together within the arrays, and
                    // these are of one length. The output is aligned to the widest vector, and offsets are whole vectors.
                    unsafe {
                        let x: S::F64 = token.load_from(from_x.add(at));
                        let value = value::<S::F64, OP>(x, token.load_from(from_y.add(at)), factor);
                        if STORES != NONTEMPORAL {
                            value.store_to(to.add(at));
                        } else if !S::F64::STREAMS_PAIRS {
                            value.stream_to(to.add(at));
                        } else if u % 2 == 1 {
                            S::F64::stream_pair_to([before, value], to.add(at - S::F64::LANES));
                        }
                        before = value;
                    }
                }
                i += step;
            }
            for at in part * STREAMS..n {
                // SAFETY: the element lies in the arrays. An array of one element is a vector, too.
                unsafe { to.add(at).write(value::<[f64; 1], OP>([*from_x.add(at)], [*from_y.add(at)], [arrays.s])[0]) }
            }
        }
        if STORES == NONTEMPORAL {
            token.fence_stores();
        }
        0
    }
}

/// Copies by the one instruction that x86-64 has for it.
pub(super) struct CopyString;

impl<S: Floats> Kernel<S> for CopyString {
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(_token: S, arrays: Arrays<'_>) -> u64 {
        for _ in 0..arrays.repetitions {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: both arrays have as many bytes, and do not overlap; the direction flag is clear, as it is at every
            // function's beginning.
            unsafe {
                std::arch::asm!(
                    "rep movsb",
                    inout("rcx") size_of_val(arrays.x) => _,
                    inout("rsi") arrays.x.as_ptr() => _,
                    inout("rdi") arrays.out.as_mut_ptr() => _,
                    options(nostack, preserves_flags),
                );
            }
            #[cfg(not(target_arch = "x86_64"))]
            arrays.out.copy_from_slice(arrays.x);
        }
        0
    }
}
