//! How keys and values are stored.

use roofprobe_kernels::Dtype;

/// Blocks that are made up for a cache, of halves and of q8_0: prime numbers, so that no two rows are alike.
const STRETCH_HALVES: usize = 16_381;
const STRETCH_BLOCKS: usize = 967;

/// How keys and values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Halves,
    Q8_0,
}

impl Stored {
    pub(super) fn of(dtype: Dtype) -> Option<Stored> {
        match dtype {
            Dtype::F16 => Some(Stored::Halves),
            Dtype::Q8_0 => Some(Stored::Q8_0),
            _ => None,
        }
    }

    pub(super) fn dtype(self) -> Dtype {
        match self {
            Stored::Halves => Dtype::F16,
            Stored::Q8_0 => Dtype::Q8_0,
        }
    }

    /// Elements and bytes of a block.
    pub(super) fn block(self) -> (usize, usize) {
        match self {
            Stored::Halves => (1, 2),
            Stored::Q8_0 => (32, 34),
        }
    }

    /// How many blocks are made up.
    pub(super) fn stretch(self) -> usize {
        match self {
            Stored::Halves => STRETCH_HALVES,
            Stored::Q8_0 => STRETCH_BLOCKS,
        }
    }
}
