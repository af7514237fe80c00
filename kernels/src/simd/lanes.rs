//! What instruction sets do with single lanes and halves of vectors, by way of memory: what those that have no instruction for it
//! would do, and what the others mean by theirs.

use super::{Floats, Vector};
use half::f16;

/// Which products of bytes an instruction set has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteProducts {
    /// Of bytes without a sign and bytes with one, a token's word in every lane.
    Mixed,
    /// Of bytes that all have a sign or all have none, a token's word in every lane.
    Alike,
    /// The same, a token's word in any lane of a vector.
    Lanes,
    /// The same, of two tokens and two rows of weights, eight bytes of each.
    Blocks,
}

impl ByteProducts {
    /// Whether weights with a sign are multiplied as such.
    pub(crate) const fn signed(self) -> bool {
        !matches!(self, ByteProducts::Mixed)
    }

    /// Vectors of quants in one turn of a loop: of blocks two belong together, and lanes are so few instructions that the loop's own
    /// would count.
    pub(crate) const fn turn(self) -> usize {
        match self {
            ByteProducts::Mixed | ByteProducts::Alike => 1,
            ByteProducts::Lanes => 4,
            ByteProducts::Blocks => 2,
        }
    }

    /// Words of a row that are never parted.
    pub(crate) const fn words(self) -> usize {
        if matches!(self, ByteProducts::Blocks) { 2 } else { 1 }
    }
}

/// Any vector has fewer lanes.
const LANES_MAX: usize = 64;

/// A vector's lanes as they lie in memory.
#[inline(always)]
fn stored<V: Vector<Element: Default>>(vector: V) -> [V::Element; LANES_MAX] {
    let mut lanes = [V::Element::default(); LANES_MAX];
    vector.store(&mut lanes);
    lanes
}

/// Lane `LANE` in every lane.
#[inline(always)]
pub(super) fn everywhere<V: Vector, const LANE: usize>(vector: V) -> V {
    const { assert!(LANE < V::LANES) };
    // SAFETY: a vector proves its instruction set, and is its lanes, one after another.
    unsafe { V::splat((&raw const vector).cast::<V::Element>().add(LANE).read()) }
}

#[inline(always)]
pub(super) fn halves_joined<V: Vector>(a: V, b: V) -> [V; 2] {
    let joined = |from: usize| {
        // SAFETY: as above; half of the lanes lie behind `from`, and two halves are a vector.
        unsafe {
            let mut both = a;
            let to = (&raw mut both).cast::<V::Element>();
            for (half, vector) in [a, b].iter().enumerate() {
                let lanes = std::ptr::from_ref(vector).cast::<V::Element>().add(from);
                lanes.copy_to_nonoverlapping(to.add(half * V::LANES / 2), V::LANES / 2);
            }
            both
        }
    };
    [joined(0), joined(V::LANES / 2)]
}

/// # Safety
/// An element for each lane of a half can be read there, and the instruction set is available.
#[inline(always)]
pub(super) unsafe fn load_half<V: Vector<Element: Default>, const UPPER: bool>(from: *const V::Element) -> V {
    let mut lanes = [V::Element::default(); LANES_MAX];
    // SAFETY: by contract.
    unsafe {
        let to = lanes.as_mut_ptr().add(if UPPER { V::LANES / 2 } else { 0 });
        from.copy_to_nonoverlapping(to, V::LANES / 2);
        V::load_from(lanes.as_ptr())
    }
}

/// The bytes of a word as numbers.
#[inline(always)]
fn numbers<const SIGNED: bool>(word: i32) -> [i32; 4] {
    word.to_ne_bytes().map(|byte| if SIGNED { i32::from(byte as i8) } else { i32::from(byte) })
}

#[inline(always)]
fn dot<const SIGNED: bool>(a: i32, b: i32) -> i32 {
    let products = numbers::<SIGNED>(a).into_iter().zip(numbers::<SIGNED>(b)).map(|(a, b)| a * b);
    products.fold(0, i32::wrapping_add)
}

/// Each lane by what `new` makes of its number and its value.
#[inline(always)]
fn each<V: Vector<Element: Default>>(vector: V, new: impl Fn(usize, V::Element) -> V::Element) -> V {
    let mut lanes = stored(vector);
    lanes.iter_mut().enumerate().take(V::LANES).for_each(|(lane, value)| *value = new(lane, *value));
    // SAFETY: a vector proves its instruction set; there are as many elements.
    unsafe { V::load_from(lanes.as_ptr()) }
}

#[inline(always)]
pub(super) fn dot_alike<V: Vector<Element = i32>, const SIGNED: bool>(sum: V, a: V, b: V) -> V {
    let (a, b) = (stored(a), stored(b));
    each(sum, |lane, sum| sum.wrapping_add(dot::<SIGNED>(a[lane], b[lane])))
}

#[inline(always)]
pub(super) fn look_up<V: Vector<Element = i32>>(bytes: V, table: V) -> V {
    let table = stored(table);
    each(bytes, |lane, word| {
        let byte = |index: u8| table[lane / 4 * 4 + usize::from(index / 4 % 4)].to_ne_bytes()[usize::from(index % 4)];
        i32::from_ne_bytes(word.to_ne_bytes().map(byte))
    })
}

/// Vectors of more than four lanes have a block in each four.
#[inline(always)]
pub(super) fn block_alike<V: Vector<Element = i32>, const SIGNED: bool>(sum: V, a: V, b: V) -> V {
    let (a, b) = (stored(a), stored(b));
    each(sum, |lane, sum| {
        let (i, j) = (lane / 4 * 4 + lane % 4 / 2 * 2, lane / 4 * 4 + lane % 2 * 2);
        sum.wrapping_add(dot::<SIGNED>(a[i], b[j])).wrapping_add(dot::<SIGNED>(a[i + 1], b[j + 1]))
    })
}

#[inline(always)]
pub(super) fn block_bf16<F: Vector<Element = f32>, I: Vector<Element = i32>>(sum: F, a: I, b: I) -> F {
    let (a, b) = (stored(a), stored(b));
    let pair = |word: i32| [word << 16, word & !0xffff].map(|bits| f32::from_bits(bits as u32));
    let dot = |a: i32, b: i32| pair(a)[0] * pair(b)[0] + pair(a)[1] * pair(b)[1];
    each(sum, |lane, sum| {
        let (i, j) = (lane / 4 * 4 + lane % 4 / 2 * 2, lane / 4 * 4 + lane % 2 * 2);
        sum + (dot(a[i], b[j]) + dot(a[i + 1], b[j + 1]))
    })
}

/// Halves as two vectors of f32.
#[inline(always)]
pub(super) fn widened<S: Floats, V: Vector<Element = f16>>(token: S, halves: V) -> [S::F32; 2] {
    const { assert!(V::LANES == 2 * S::F32::LANES) };
    let lanes = stored(halves).map(f16::to_f32_const);
    [0, S::F32::LANES].map(|from| token.load(&lanes[from..]))
}

/// The lanes rounded to binary16, and their halves twice in each lane.
#[inline(always)]
pub(super) fn halved<S: Floats>(token: S, value: S::F32) -> [S::F32; 2] {
    let halves = stored(value).map(f16::from_f32_const);
    let pair = |half: f16| f32::from_bits(u32::from(half.to_bits()) * 0x0001_0001);
    [token.load(&halves.map(f16::to_f32_const)), token.load(&halves.map(pair))]
}
