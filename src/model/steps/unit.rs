//! What is stored as a whole.

use super::super::tensor_type::TensorType;

/// The smallest piece of an operand that is stored as a whole: a block, or a matrix whose scales belong to all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// 1 at least.
    elements: u64,
    bytes: u64,
}

impl Unit {
    pub(super) const F32: Unit = Unit { elements: 1, bytes: 4 };

    /// That of matrices of `rows` rows of `row` elements; none where they have no size of their own in that type.
    pub(crate) fn of(kind: TensorType, (rows, row): (u64, u64)) -> Option<Unit> {
        if let Some(block) = kind.block() {
            return Some(Unit { elements: block.elements, bytes: block.bytes });
        }
        let elements = rows.checked_mul(row).filter(|elements| *elements > 0)?;
        Some(Unit { elements, bytes: kind.matrix_bytes(rows, row)?.try_into().ok()? })
    }

    /// Bytes of so many elements; none where they are no whole number of units.
    #[inline(always)]
    pub(super) fn bytes_of(self, elements: u128) -> Option<u128> {
        let Unit { elements: each, bytes } = self;
        // Almost always; and a division of 128 bits takes as long as all the rest of a step.
        if let Ok(elements) = u64::try_from(elements) {
            let units = elements / each;
            return (units * each == elements).then(|| u128::from(units) * u128::from(bytes));
        }
        let whole = elements.is_multiple_of(u128::from(each)).then(|| elements / u128::from(each))?;
        whole.checked_mul(u128::from(bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::super::tensor_type::{Grouped, Scheme};
    use super::*;

    /// Types count bytes by other lines.
    #[test]
    fn units_count_as_their_types_do() {
        let grouped = |scheme| TensorType::Grouped(Grouped { scheme, bits: 4, group: 64 });
        let kinds =
            [TensorType::F32, TensorType::Q4_0, TensorType::Q6K, grouped(Scheme::Awq), grouped(Scheme::Nf4Double)];
        for kind in kinds {
            let unit = Unit::of(kind, (64, 512)).unwrap();
            for elements in [0, 1, 32, 256, 64 * 512, 3 * 64 * 512 + 256, 1 << 64, (1 << 90) + 1] {
                assert_eq!(unit.bytes_of(elements), kind.bytes(elements, 64, 512), "{kind} {elements}");
            }
        }
        assert_eq!(Unit::of(grouped(Scheme::Awq), (0, 512)), None);
        assert_eq!(Unit::of(TensorType::F32, (1, 1)), Some(Unit::F32));
    }
}
