//! The operand of LDTILECFG.

use super::ROW_BYTES;

/// Palette 1, and of each tile the bytes of a row and the rows.
#[repr(C, align(64))]
pub(super) struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Configuration {
    /// Eight tiles, each with so many rows (at most 16) of so many bytes (at most 64).
    pub(super) const fn new(tiles: [(usize, usize); 8]) -> Configuration {
        let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
        let mut tile = 0;
        while tile < 8 {
            (rows[tile], row_bytes[tile]) = (tiles[tile].0 as u8, tiles[tile].1 as u16);
            tile += 1;
        }
        Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
    }

    /// Eight tiles of 16 rows of 64 bytes.
    pub(super) const WHOLE: Configuration = Configuration::new([(16, ROW_BYTES); 8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_lies_as_the_manual_draws_it() {
        assert_eq!((size_of::<Configuration>(), align_of::<Configuration>()), (64, 64));
        let offsets = (
            std::mem::offset_of!(Configuration, palette),
            std::mem::offset_of!(Configuration, start_row),
            std::mem::offset_of!(Configuration, row_bytes),
            std::mem::offset_of!(Configuration, rows),
        );
        assert_eq!(offsets, (0, 1, 16, 48));
        let whole = Configuration::WHOLE;
        assert_eq!((whole.palette, whole.start_row, whole.reserved), (1, 0, [0; 14]));
        assert_eq!(whole.row_bytes[..9], [64, 64, 64, 64, 64, 64, 64, 64, 0]);
        assert_eq!(whole.rows[..9], [16, 16, 16, 16, 16, 16, 16, 16, 0]);
    }
}
