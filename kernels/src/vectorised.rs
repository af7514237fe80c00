//! Plain loops, compiled for the vectors that this CPU has: for work that is no measuring kernel, but should not be slow beside one.

/// Work made of plain loops. An implementation, and all that it calls, is marked `#[inline(always)]`, so that it becomes a part of
/// the function that has the instruction set enabled.
pub trait Loops {
    /// What it comes to.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

/// Does `work` with the widest vectors that this CPU has, as far as the compiler makes vectors of its loops. What it comes to is the
/// same: nothing is reordered.
pub fn vectorised<W: Loops>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") && has!("avx2") && has!("fma") {
            // SAFETY: the features are there.
            return unsafe { with_avx512(work) };
        }
        if has!("avx2") && has!("fma") {
            // SAFETY: the features are there.
            return unsafe { with_avx2(work) };
        }
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<W: Loops>(work: W) -> W::Output {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<W: Loops>(work: W) -> W::Output {
    work.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scaled<'a>(&'a mut [f32]);

    impl Loops for Scaled<'_> {
        type Output = usize;

        #[inline(always)]
        fn run(self) -> usize {
            self.0.iter_mut().for_each(|value| *value = *value * 3.0 + 1.0);
            self.0.len()
        }
    }

    #[test]
    fn work_comes_to_the_same_with_any_vectors() {
        for len in [0, 1, 15, 16, 17, 100] {
            let mut values: Vec<f32> = (0..len).map(|i| i as f32 * 0.1).collect();
            let want: Vec<f32> = values.iter().map(|value| value * 3.0 + 1.0).collect();
            assert_eq!(vectorised(Scaled(&mut values)), len);
            assert_eq!(values, want);
        }
    }
}
