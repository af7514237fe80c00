//! Whether the samples of a ceiling look like those of a core that gets hot: fast at first, slower and slower.

use crate::stats;

/// Fewer samples show no trend.
const SAMPLES_MIN: usize = 12;
/// The middle and the last third must be slower than the first by this share, and nearly all of the last slower than nearly all of the first.
const FALL_MIN: f64 = 0.05;

/// Once it is hot it gets no faster than this.
const RISE_MAX: f64 = 1.02;

/// What the samples, in the order taken, say of heat. A shared machine goes up and down; heat goes down and stays there, and so
/// does a neighbour who comes and stays.
pub(super) fn remark(samples: &[f64]) -> Option<String> {
    if samples.len() < SAMPLES_MIN {
        return None;
    }
    let third = samples.len() / 3;
    let sorted = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let parts =
        [&samples[..third], &samples[third..samples.len() - third], &samples[samples.len() - third..]].map(sorted);
    let [first, middle, last] = [0, 1, 2].map(|at| stats::median(&parts[at]));
    let falls = middle < first * (1.0 - FALL_MIN) && last < middle * RISE_MAX && last < first * (1.0 - FALL_MIN);
    // The deciles that are nearest to each other lie apart.
    let apart = parts[2][parts[2].len() * 9 / 10] < parts[0][parts[0].len() / 10];
    (falls && apart).then(|| {
        let fall = (1.0 - last / first) * 100.0;
        format!("the samples fall by {fall:.0} % from the first third to the last, as on a core that gets hot, or has company from then on")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::reference::Random;

    fn noisy(rates: impl Iterator<Item = f64>, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        rates.map(|rate| rate * (1.0 + 0.02 * random.signed_unit())).collect()
    }

    #[test]
    fn a_core_that_gets_hot_is_noticed() {
        // Half a minute at full clock, then down to three quarters.
        let hot = noisy((0..60).map(|at| if at < 15 { 100.0 } else { 100.0 - f64::from(at - 15).min(25.0) }), 1);
        assert!(remark(&hot).unwrap().starts_with("the samples fall by 2"), "{:?}", remark(&hot));
        // Too few show no trend, and one more does.
        let falls = |samples| (0..samples).map(|at| if at < 4 { 100.0 } else { 78.0 }).collect::<Vec<f64>>();
        assert_eq!((remark(&falls(11)), remark(&falls(12)).is_some()), (None, true));
        let limited = noisy((0..60).map(|at| if at < 22 { 100.0 } else { 78.0 }), 2);
        assert!(remark(&limited).is_some());
    }

    #[test]
    fn noise_modes_and_a_warming_clock_are_not_heat() {
        for seed in 1..=200 {
            let steady = noisy((0..40).map(|_| 100.0), seed);
            assert_eq!(remark(&steady), None, "seed {seed}");
            let warming = noisy((0..40).map(|at| 80.0 + f64::from(at).min(20.0)), seed);
            assert_eq!(remark(&warming), None, "seed {seed}");
            let mut random = Random::new(seed);
            let modes = noisy((0..40).map(|_| if random.bits().is_multiple_of(2) { 50.0 } else { 90.0 }), seed + 1000);
            assert_eq!(remark(&modes), None, "seed {seed}");
            // A neighbour for a third of the time, at whichever time.
            let neighbour = noisy((0..42).map(|at| if at / 14 == (seed % 3) as u32 { 60.0 } else { 100.0 }), seed);
            assert_eq!(remark(&neighbour), None, "seed {seed}");
        }
        // Half of the last third are as fast as ever; it falls, and most of the way back; it falls in the end alone.
        let slow = |slow: fn(usize) -> f64| (0..30).map(slow).collect::<Vec<f64>>();
        assert_eq!(remark(&slow(|at| if !(10..=25).contains(&at) { 100.0 } else { 80.0 })), None);
        assert_eq!(remark(&slow(|at| [100.0, 80.0, 90.0][at / 10])), None);
        assert_eq!(remark(&slow(|at| [100.0, 99.0, 80.0][at / 10])), None);
    }
}
