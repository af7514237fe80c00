//! Which arithmetic an operation runs on.

use crate::profile::{CeilingId, Means};
use roofprobe_kernels::{Dtype, Op};

/// The arithmetic that a multiply-accumulate is done in: one of the types that [`Dtype::multiplied_as`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic(Dtype);

impl Arithmetic {
    /// binary32, in which products of all narrower types are exact.
    pub const F32: Arithmetic = Arithmetic(Dtype::F32);
    /// binary16.
    pub const F16: Arithmetic = Arithmetic(Dtype::F16);
    /// bfloat16 products, accumulated in binary32.
    pub const BF16: Arithmetic = Arithmetic(Dtype::Bf16);
    /// Signed 8-bit products, accumulated in 32-bit integers.
    pub const I8: Arithmetic = Arithmetic(Dtype::I8);

    /// All of them, in the order of [`Dtype::ALL`].
    pub fn all() -> impl Iterator<Item = Arithmetic> {
        Dtype::ALL.into_iter().filter(|dtype| dtype.multiplied_as() == *dtype).map(Arithmetic)
    }

    /// Which arithmetic an operation uses when its stored operand is of `dtype`.
    ///
    /// Matmuls with block-quantised weights requantise their activations to 8 bits and use integer dot products, as
    /// ggml does. Attention over a quantised cache is taken to expand it to f32.
    pub fn of(op: Op, dtype: Dtype) -> Arithmetic {
        match (op, Arithmetic(dtype.multiplied_as())) {
            (Op::Attention, Arithmetic::I8) => Arithmetic::F32,
            (_, arithmetic) => arithmetic,
        }
    }

    /// The type of its factors.
    pub const fn dtype(self) -> Dtype {
        self.0
    }

    /// The id of its ceiling: the best that the whole device has.
    pub fn ceiling_id(self) -> CeilingId {
        CeilingId::compute(self.0, Means::Best)
    }
}
