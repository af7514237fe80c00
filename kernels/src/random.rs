//! Random bits for operands: the same ones for the same seed.

/// A small generator of random bits (SplitMix64, Steele, Lea, Flood 2014): deterministic, incompressible.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    pub fn signed_unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (2.0 / (1_u64 << 53) as f64) - 1.0
    }

    /// Fills an array with values uniform in [-1, 1), of 52 random bits each, as fast as memory takes them: several generators side by
    /// side (xorshift, Marsaglia 2003), whose shifts every vector unit has.
    pub fn fill(&mut self, array: &mut [f64]) {
        const LANES: usize = 16;
        const EXPONENT_OF_ONE: u64 = 0x3ff0_0000_0000_0000;
        // A generator of this kind that begins at zero stays there.
        let mut lanes: [u64; LANES] = std::array::from_fn(|_| self.bits() | 1);
        for part in array.chunks_mut(LANES) {
            for lane in &mut lanes {
                *lane ^= *lane << 13;
                *lane ^= *lane >> 7;
                *lane ^= *lane << 17;
            }
            // In [1, 2), moved.
            let values = lanes.map(|bits| f64::from_bits(EXPONENT_OF_ONE | bits >> 12) * 2.0 - 3.0);
            part.copy_from_slice(&values[..part.len()]);
        }
    }

    /// Uniform in [`low`, `high`).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (self.signed_unit() + 1.0) / 2.0 * (high - low)
    }

    /// A whole number of at most that magnitude.
    pub(crate) fn integer(&mut self, magnitude: i32) -> i32 {
        (self.bits() % (2 * magnitude as u64 + 1)) as i32 - magnitude
    }
}
