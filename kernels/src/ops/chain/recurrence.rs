//! The recurrences, generic over the instruction set. One function for each kind makes the entry of a table.

use super::kernel::{ChainArguments, ChainEntry};
use super::shape::{CONVERTED_ROWS, ChainShape, Halves, Recurrence, STEPS};
use crate::dtype::Dtype;
use crate::simd::{Float, Floats, Integers, Kernel, Token, Vector};
use half::f16;
use std::hint::black_box;
use std::marker::PhantomData;

/// A floating-point number of which squares are taken.
pub(crate) trait Number {
    const DTYPE: Dtype;
}
impl Number for f64 {
    const DTYPE: Dtype = Dtype::F64;
}
impl Number for f32 {
    const DTYPE: Dtype = Dtype::F32;
}
impl Number for f16 {
    const DTYPE: Dtype = Dtype::F16;
}

/// One step of a chain, which depends on the step before it in every lane.
pub(crate) trait Step<S: Token> {
    const DTYPE: Dtype;
    const RECURRENCE: Recurrence;
    type Sum: Vector<Registers = S::Registers>;
    type Operand: Vector<Registers = S::Registers>;

    fn step<const ODD: bool>(token: S, sum: Self::Sum, operands: &[Self::Operand; 3]) -> Self::Sum;
}

/// `x ← x·x + c`, or `x ← x + x·c` where that is one instruction and the other is not.
pub(crate) struct Square<V>(PhantomData<V>);

impl<S: Token, V: Float<Registers = S::Registers, Element: Number>> Step<S> for Square<V> {
    const DTYPE: Dtype = V::Element::DTYPE;
    const RECURRENCE: Recurrence =
        if V::OVERWRITES_ADDEND { Recurrence::Growth } else { Recurrence::Square { fused: V::FUSED } };
    type Sum = V;
    type Operand = V;

    #[inline(always)]
    fn step<const ODD: bool>(_token: S, x: V, [c, ..]: &[V; 3]) -> V {
        next(x, *c)
    }
}

#[inline(always)]
fn next<V: Float>(x: V, c: V) -> V {
    if V::OVERWRITES_ADDEND { x.grown(c) } else { x.mul_add(x, c) }
}

/// `acc ← acc + Σ u8(acc)·b` over the bytes of a lane; with signed bytes of `acc` where there are products of such alone.
pub(crate) struct DotI8;

impl<S: Integers> Step<S> for DotI8 {
    const DTYPE: Dtype = Dtype::I8;
    const RECURRENCE: Recurrence = if S::BYTES.signed() { Recurrence::SignedDot } else { Recurrence::Dot };
    type Sum = S::I32;
    type Operand = S::I32;

    #[inline(always)]
    fn step<const ODD: bool>(token: S, sum: S::I32, [b, ..]: &[S::I32; 3]) -> S::I32 {
        // The inputs are small enough for it, see the oracle.
        if S::BYTES.signed() { token.dot_itself(sum, *b) } else { token.dot_u8_i8_pairs(sum, sum, *b) }
    }
}

/// `C ← C + A·Bᵀ`, A being the bytes of C.
pub(crate) struct BlockI8;

impl<S: Integers> Step<S> for BlockI8 {
    const DTYPE: Dtype = Dtype::I8;
    const RECURRENCE: Recurrence = Recurrence::Block;
    type Sum = S::I32;
    type Operand = S::I32;

    #[inline(always)]
    fn step<const ODD: bool>(token: S, sum: S::I32, [b, ..]: &[S::I32; 3]) -> S::I32 {
        token.block_itself(sum, *b)
    }
}

/// `C ← C + A·Bᵀ`, B being one operand and its opposite in turn.
pub(crate) struct BlockBf16;

impl<S: Integers> Step<S> for BlockBf16 {
    const DTYPE: Dtype = Dtype::Bf16;
    const RECURRENCE: Recurrence = Recurrence::Block;
    type Sum = S::F32;
    type Operand = S::I32;

    #[inline(always)]
    fn step<const ODD: bool>(token: S, sum: S::F32, [a, b, opposite]: &[S::I32; 3]) -> S::F32 {
        token.block_bf16(sum, *a, if ODD { *opposite } else { *b })
    }
}

/// `acc ← acc + Σ a·b` over the halves of a lane, b being one operand and its opposite in turn.
pub(crate) struct DotBf16;

impl<S: Integers> Step<S> for DotBf16 {
    const DTYPE: Dtype = Dtype::Bf16;
    const RECURRENCE: Recurrence = Recurrence::Dot;
    type Sum = S::F32;
    type Operand = S::I32;

    #[inline(always)]
    fn step<const ODD: bool>(token: S, sum: S::F32, [a, b, opposite]: &[S::I32; 3]) -> S::F32 {
        token.dot_bf16(sum, *a, if ODD { *opposite } else { *b })
    }
}

const fn entry<S: Token, V: Vector>(
    dtype: Dtype,
    recurrence: Recurrence,
    accumulators: usize,
    run: unsafe fn(ChainArguments<'_>),
) -> ChainEntry {
    let shape = ChainShape { dtype, recurrence, vector_bytes: size_of::<V>(), accumulators };
    ChainEntry { isa: S::ISA, shape, scale: None, run }
}

/// Squares of the elements of `V`, or their growth, in `N` accumulators.
pub(crate) const fn square<S: Token, V, const N: usize>() -> ChainEntry
where
    V: Float<Registers = S::Registers, Element: Number> + 'static,
{
    dot::<S, Square<V>, N>()
}

/// Any chain whose step is all it does: a square or a dot product.
pub(crate) const fn dot<S: Token, R: Step<S>, const N: usize>() -> ChainEntry {
    entry::<S, R::Sum>(R::DTYPE, R::RECURRENCE, N, S::run::<Chain<R, N>>)
}

/// Squares in `N` accumulators, with additions in `SUMS` others beside them.
pub(crate) const fn square_and_sum<S: Token, V, const N: usize, const SUMS: usize>() -> ChainEntry
where
    V: Float<Registers = S::Registers, Element: Number> + 'static,
{
    let recurrence = if V::OVERWRITES_ADDEND {
        Recurrence::GrowthAndSum { sums: SUMS }
    } else {
        Recurrence::SquareAndSum { sums: SUMS }
    };
    entry::<S, V>(V::Element::DTYPE, recurrence, N, S::run::<ChainAndSum<V, N, SUMS>>)
}

/// Multiply-accumulates of f32 with halves that are converted on their way from memory.
pub(crate) const fn converted<S: Floats, W: Widen<S>, const N: usize>() -> ChainEntry {
    entry::<S, S::F32>(W::DTYPE, Recurrence::Converted(W::HALVES), N, S::run::<ChainConverted<W, N>>)
}

/// All accumulators, from their bytes.
///
/// # Safety
/// `N` vectors can be read at `start`.
#[inline(always)]
unsafe fn load<S: Token, V: Vector<Registers = S::Registers>, const N: usize>(token: S, start: *const u8) -> [V; N] {
    // SAFETY: by contract.
    std::array::from_fn(|i| unsafe { token.load_from(start.add(i * size_of::<V>()).cast()) })
}

/// Adds the bits of all accumulators to the sums, which lie in the same order.
///
/// # Safety
/// `N` vectors can be written at `sums`.
#[inline(always)]
unsafe fn sum_up<S: Token, V: Vector<Registers = S::Registers>, const N: usize>(token: S, acc: [V; N], sums: *mut u8) {
    for (i, a) in acc.into_iter().enumerate() {
        // SAFETY: by contract.
        unsafe {
            let sum = sums.add(i * size_of::<V>()).cast();
            let before: V = token.load_from(sum);
            before.add_bits(a).store_to(sum);
        }
    }
}

struct Chain<R, const N: usize>(PhantomData<R>);

impl<S: Token, R: Step<S>, const N: usize> Kernel<S> for Chain<R, N> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>) {
        debug_assert!(start.len() == N * size_of::<R::Sum>() && sums.len() == start.len());
        debug_assert!(operands.len() >= 3 * size_of::<R::Operand>());
        for _ in 0..rounds {
            // A fresh opaque pointer each round: the compiler cannot know that the rounds repeat each other.
            let (start, operands) = (black_box(start.as_ptr()), black_box(operands.as_ptr()));
            // SAFETY: N start values and three operands are there.
            let (operands, mut acc) =
                unsafe { (load::<S, R::Operand, 3>(token, operands), load::<S, R::Sum, N>(token, start)) };
            for _ in 0..STEPS / 2 {
                for a in &mut acc {
                    *a = R::step::<false>(token, *a, &operands);
                }
                for a in &mut acc {
                    *a = R::step::<true>(token, *a, &operands);
                }
            }
            // SAFETY: there are as many sums as accumulators.
            unsafe { sum_up(token, acc, sums.as_mut_ptr()) }
        }
    }
}

/// Squares with additions beside them, each of the square just made: no constant takes a register.
struct ChainAndSum<V, const N: usize, const SUMS: usize>(PhantomData<V>);

impl<S: Token, V, const N: usize, const SUMS: usize> Kernel<S> for ChainAndSum<V, N, SUMS>
where
    V: Float<Registers = S::Registers, Element: Number>,
{
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>) {
        const { assert!(SUMS <= N) };
        let squares_bytes = N * size_of::<V>();
        debug_assert!(start.len() == squares_bytes + SUMS * size_of::<V>() && sums.len() == start.len());
        debug_assert!(operands.len() >= size_of::<V>());
        for _ in 0..rounds {
            let (start, operands) = (black_box(start.as_ptr()), black_box(operands.as_ptr()));
            // SAFETY: N + SUMS start values and an operand are there.
            let ([c], mut acc, mut sum) = unsafe {
                (
                    load::<S, V, 1>(token, operands),
                    load::<S, V, N>(token, start),
                    load::<S, V, SUMS>(token, start.add(squares_bytes)),
                )
            };
            for _ in 0..STEPS {
                for a in &mut acc {
                    *a = next(*a, c);
                }
                for (s, a) in sum.iter_mut().zip(acc) {
                    *s = s.add(a);
                }
            }
            // SAFETY: there are as many sums as accumulators.
            unsafe {
                sum_up(token, acc, sums.as_mut_ptr());
                sum_up(token, sum, sums.as_mut_ptr().add(squares_bytes));
            }
        }
    }
}

/// A 16-bit type that comes from memory and is converted to f32.
pub(crate) trait Widen<S: Floats> {
    const DTYPE: Dtype;
    const HALVES: Halves;

    /// Two vectors of f32 from one vector of halves.
    ///
    /// # Safety
    /// A vector can be read at `from`.
    unsafe fn pair(token: S, from: *const u8) -> [S::F32; 2];
}

/// Halves of binary16.
pub(crate) struct F16Halves;

impl<S: Floats> Widen<S> for F16Halves {
    const DTYPE: Dtype = Dtype::F16;
    const HALVES: Halves = Halves::Apart;

    #[inline(always)]
    unsafe fn pair(token: S, from: *const u8) -> [S::F32; 2] {
        // SAFETY: by contract.
        [0, S::F32::LANES].map(|at| unsafe { token.load_f16_from(from.cast::<u16>().add(at)) })
    }
}

/// Halves of bfloat16: a shift or a mask is the whole conversion.
pub(crate) struct Bf16Halves;

impl<S: Integers> Widen<S> for Bf16Halves {
    const DTYPE: Dtype = Dtype::Bf16;
    const HALVES: Halves = Halves::Interleaved;

    #[inline(always)]
    unsafe fn pair(token: S, from: *const u8) -> [S::F32; 2] {
        // SAFETY: by contract.
        token.widen_bf16(unsafe { token.load_from(from.cast()) })
    }
}

/// Multiply-accumulates whose second factor is a half from memory.
struct ChainConverted<W, const N: usize>(PhantomData<W>);

impl<S: Floats, W: Widen<S>, const N: usize> Kernel<S> for ChainConverted<W, N> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>) {
        const { assert!(N.is_multiple_of(2)) };
        let vector_bytes = size_of::<S::F32>();
        let table_bytes = CONVERTED_ROWS * N / 2 * vector_bytes;
        debug_assert!(start.len() == N * vector_bytes && sums.len() == start.len());
        debug_assert!(operands.len() >= vector_bytes + table_bytes);
        for _ in 0..rounds {
            let (start, operands) = (black_box(start.as_ptr()), black_box(operands.as_ptr()));
            // SAFETY: N start values are there; among the operands a vector, and behind it the table.
            unsafe {
                let [factor] = load::<S, S::F32, 1>(token, operands);
                let mut acc = load::<S, S::F32, N>(token, start);
                for _ in 0..STEPS / CONVERTED_ROWS {
                    // Opaque for each walk over the table: its conversions must not be kept from one to the next.
                    let mut row = black_box(operands.add(vector_bytes));
                    let end = row.add(table_bytes);
                    while row < end {
                        for (i, pair) in acc.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                            let [first, second] = W::pair(token, row.add(i * vector_bytes));
                            *pair = [factor.mul_add(first, pair[0]), factor.mul_add(second, pair[1])];
                        }
                        row = row.add(N / 2 * vector_bytes);
                    }
                }
                sum_up(token, acc, sums.as_mut_ptr());
            }
        }
    }
}
