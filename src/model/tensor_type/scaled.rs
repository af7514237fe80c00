//! Layouts of quantised checkpoints by their parts.

use std::fmt;

/// A matrix of `rows` output features of `row` input features in parts: elements, scales and zero points of tiles, an order of the
/// input features, and what belongs to the whole matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scaled {
    /// Whose layout.
    pub name: &'static str,
    /// Thousandths of a bit of an element: some layouts have as many bits as are asked for on average.
    pub millibits: u32,
    /// Each row is a whole number of words of so many bits.
    pub word: u8,
    /// Output and input features that share a scale; [`Scaled::ALL`] for all.
    pub tile: [u32; 2],
    /// Bytes of a scale.
    pub scale: u8,
    /// Bits of a tile's zero point; 0 where it has none.
    pub zero: u8,
    /// Zero points of all output features are a whole number of words of so many bits.
    pub zero_word: u8,
    /// Bytes for each input feature: of an order, of signs.
    pub per_input: u8,
    /// Bytes for each output feature beside scales.
    pub per_output: u8,
    /// Bytes of the whole matrix: a shape, a scale of scales.
    pub more: u32,
}

impl Scaled {
    /// A tile over the whole extent.
    pub const ALL: u32 = u32::MAX;

    /// A layout of elements alone.
    pub const fn of(name: &'static str, bits: u32) -> Scaled {
        Scaled {
            name,
            millibits: bits * 1000,
            word: 8,
            tile: [Scaled::ALL, Scaled::ALL],
            scale: 0,
            zero: 0,
            zero_word: 8,
            per_input: 0,
            per_output: 0,
            more: 0,
        }
    }

    /// Whether rows of so many elements are whole groups.
    pub(in crate::model) fn divides(self, row: u64) -> bool {
        self.tile[0] != 1 || self.tile[1] == Scaled::ALL || row.is_multiple_of(u64::from(self.tile[1].max(1)))
    }

    pub(super) fn matrix_bytes(self, rows: u64, row: u64) -> u128 {
        let (rows, row) = (u128::from(rows), u128::from(row));
        let words = |bits: u128, word: u8| bits.div_ceil(u128::from(word.max(1))) * u128::from(word) / 8;
        let [down, across] = self.tile;
        let tiles =
            |extent: u128, tile: u32| if tile == Scaled::ALL { 1 } else { extent.div_ceil(u128::from(tile.max(1))) };
        let (down, across) = (tiles(rows, down), tiles(row, across));
        let elements = rows * words((row * u128::from(self.millibits)).div_ceil(1000), self.word);
        let zeros = across * words(down * u128::from(self.zero), self.zero_word);
        elements
            + down * across * u128::from(self.scale)
            + zeros
            + row * u128::from(self.per_input)
            + rows * u128::from(self.per_output)
            + u128::from(self.more)
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}bit", self.name, f64::from(self.millibits) / 1000.0)?;
        match self.tile {
            [1, group] if group != Scaled::ALL => write!(f, "-g{group}"),
            [down, across] if down > 1 && down != Scaled::ALL => write!(f, "-{down}x{across}"),
            _ => Ok(()),
        }
    }
}
