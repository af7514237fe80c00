//! A multiply-accumulate that is rounded once. Where the CPU is not known to have one, a compiler calls the C library's `fma`, and that of
//! mingw-w64 rounds twice (it takes the CPU's numbers of 80 bits): every fourth result differs.

/// Numbers that are multiplied and added with one rounding.
pub(super) trait Fused {
    /// `self·factor + addend`, rounded once.
    fn fused(self, factor: Self, addend: Self) -> Self;
}

#[cfg(not(all(windows, target_env = "gnu")))]
impl Fused for f64 {
    fn fused(self, factor: f64, addend: f64) -> f64 {
        self.mul_add(factor, addend)
    }
}

#[cfg(not(all(windows, target_env = "gnu")))]
impl Fused for f32 {
    fn fused(self, factor: f32, addend: f32) -> f32 {
        self.mul_add(factor, addend)
    }
}

#[cfg(all(windows, target_env = "gnu"))]
impl Fused for f64 {
    fn fused(self, factor: f64, addend: f64) -> f64 {
        libm::fma(self, factor, addend)
    }
}

#[cfg(all(windows, target_env = "gnu"))]
impl Fused for f32 {
    fn fused(self, factor: f32, addend: f32) -> f32 {
        libm::fmaf(self, factor, addend)
    }
}

#[cfg(test)]
mod tests {
    use super::Fused;
    use std::hint::black_box;

    #[test]
    fn products_are_not_rounded_on_their_own() {
        // (1 + ε)² = 1 + 2ε + ε²: the last term is all that is left.
        let x = black_box(1.0 + f64::EPSILON);
        assert_eq!(x.fused(x, -1.0 - 2.0 * f64::EPSILON), f64::EPSILON * f64::EPSILON);
        let x = black_box(1.0 + f32::EPSILON);
        assert_eq!(x.fused(x, -1.0 - 2.0 * f32::EPSILON), f32::EPSILON * f32::EPSILON);
    }
}
