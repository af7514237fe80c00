//! The oracle of the chains of a GPU's cooperative matrices: `C ← C + A·B`, B alternating between two tiles.

use super::Random;
use half::f16;

/// The largest magnitude of an element of A, and of B; products of tiles up to 64 wide stay far below 2²⁴.
const LEFT_MAX: i32 = 3;
const RIGHT_MAX: i32 = 1000;
/// Below this the integers of binary32 are dense.
const EXACT: u64 = 1 << 24;

/// Square tiles of binary16 that are small integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuTiles {
    side: usize,
    /// A of each chain, row by row.
    pub lefts: Vec<u16>,
    /// Two tiles B, which are opposite but for one element of each column: two steps add a number of their own to every
    /// sum, and a sum stays so small that any order of additions is exact.
    pub rights: Vec<u16>,
    /// For each element of C of each chain, what a pair of steps adds.
    pub change: Vec<i32>,
}

impl GpuTiles {
    /// Random tiles of `side` rows for `chains` chains.
    pub fn new(side: usize, chains: usize, seed: u64) -> GpuTiles {
        let mut random = Random::new(seed);
        let mut integers =
            |magnitude: i32, count: usize| -> Vec<i32> { (0..count).map(|_| random.integer(magnitude)).collect() };
        let lefts = integers(LEFT_MAX, chains * side * side);
        let there = integers(RIGHT_MAX, side * side);
        let mut back: Vec<i32> = there.iter().map(|value| -value).collect();
        for column in 0..side {
            let row = (column * 5 + 3) % side;
            back[row * side + column] += if column % 3 == 0 { -1 } else { 1 };
        }
        let half = |&value: &i32| f16::from_f32(value as f32).to_bits();
        let mut change = Vec::with_capacity(lefts.len());
        for row in lefts.chunks(side) {
            for column in 0..side {
                let both = |i: usize| there[i * side + column] + back[i * side + column];
                change.push(row.iter().enumerate().map(|(i, a)| a * both(i)).sum());
            }
        }
        GpuTiles {
            side,
            lefts: lefts.iter().map(half).collect(),
            rights: there.iter().chain(&back).map(half).collect(),
            change,
        }
    }

    /// How many pairs of steps leave every sum exact.
    pub fn pairs_max(&self) -> u64 {
        let within = self.side as u64 * (LEFT_MAX * (RIGHT_MAX + 1)) as u64;
        (EXACT - within) / LEFT_MAX as u64
    }

    /// Whether `sums` are those after `pairs` pairs of steps, at most [`GpuTiles::pairs_max`], bit for bit. Subgroup after
    /// subgroup has the sums of all chains; the first of `sums` is the `at`-th of all.
    pub fn agree(&self, at: usize, sums: &[f32], pairs: u64) -> bool {
        let changes = self.change.iter().cycle().skip(at % self.change.len());
        sums.iter().zip(changes).all(|(&sum, &change)| sum == (i64::from(change) * pairs as i64) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_add_what_is_said() {
        let tiles = GpuTiles::new(8, 2, 5);
        let value = |bits: u16| f16::from_bits(bits).to_f32();
        for (at, &change) in tiles.change.iter().enumerate() {
            let (row, column) = (at / 8, at % 8);
            let term = |i: usize| {
                let a = value(tiles.lefts[row * 8 + i]);
                a * value(tiles.rights[i * 8 + column]) + a * value(tiles.rights[64 + i * 8 + column])
            };
            assert_eq!((0..8).map(term).sum::<f32>(), change as f32);
        }
        assert!(tiles.change.iter().any(|&change| change != 0));
        assert!(tiles.pairs_max() > 1 << 22);
    }

    #[test]
    fn every_sum_is_compared_wherever_a_part_begins() {
        let tiles = GpuTiles::new(8, 3, 5);
        let all: Vec<f32> = tiles.change.iter().cycle().take(2 * 192).map(|&change| (change * 7) as f32).collect();
        for at in [0, 1, 191, 192, 250] {
            assert!(tiles.agree(at, &all[at..], 7));
            assert!(!tiles.agree(at, &all[at..], 8));
            for wrong in [at, 300, 383] {
                let mut sums = all.clone();
                sums[wrong] += 1.0;
                assert!(!tiles.agree(at, &sums[at..], 7));
            }
        }
    }
}
