//! Samples to estimate: the upper mode, its interval, the median. Pure and deterministic.
//!
//! Everything here is for *rates*, where more is better. Times are turned into rates by whoever asks, and back. Rates are
//! given in the order in which they were taken: neighbours are alike, and the interval has to know it.

mod interval;
mod modes;
mod need;
#[cfg(test)]
mod noise;

use interval::{bootstrap, interval};
use modes::modes;
pub use need::{Need, SAMPLES_MIN, need};

/// What a set of rates amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The median of the fastest quarter of the upper mode: what the device reaches when nothing stands in its way, and
    /// not what a single lucky sample reached.
    pub best: f64,
    /// The median of all samples.
    pub median: f64,
    /// Interval of `best`, 95 %; `interval` says how it is found.
    pub ci95: [f64; 2],
    /// The modes, slowest first; one entry when the samples are of one kind.
    pub modes: Vec<Mode>,
}

/// A cluster of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Its median.
    pub centre: f64,
    /// Its share of the samples.
    pub share: f64,
}

/// Estimates from `rates`, in the order in which they were taken; `None` when there is none.
pub fn estimate(rates: &[f64]) -> Option<Estimate> {
    if rates.is_empty() {
        return None;
    }
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = modes(&sorted);
    let mode = |part: &[f64]| Mode { centre: median(part), share: part.len() as f64 / sorted.len() as f64 };
    let modes = lower.into_iter().chain([upper]).map(mode).collect();
    let rank = fastest_quarter(upper.len());
    let in_order: Vec<f64> = rates.iter().copied().filter(|&rate| rate >= upper[0]).collect();
    Some(Estimate { best: upper[rank], median: median(&sorted), ci95: interval(&in_order, upper, rank), modes })
}

/// The rates of the upper mode, in the order in which they were taken.
pub fn upper_mode(rates: &[f64]) -> Vec<f64> {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let least = modes(&sorted).1.first().copied();
    rates.iter().copied().filter(|&rate| least.is_some_and(|least| rate >= least)).collect()
}

/// The median of sorted values.
pub fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}

/// The median of values in any order (the lower one of two) and its 95 % bootstrap interval; `None` when there is none.
pub fn middle(values: &[f64]) -> Option<(f64, [f64; 2])> {
    let rank = values.len().checked_sub(1)? / 2;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((sorted[rank], bootstrap(&sorted, rank)))
}

/// Which of `n` sorted values is the median (the lower one of two) of the fastest quarter.
fn fastest_quarter(n: usize) -> usize {
    let quarter = n.div_ceil(4);
    n - quarter + (quarter - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::reference::Random;

    fn noisy(centre: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..count).map(|_| centre * (1.0 + 0.01 * random.signed_unit())).collect()
    }

    #[test]
    fn one_mode_is_one_mode() {
        let e = estimate(&noisy(100.0, 40, 1)).unwrap();
        assert_eq!(e.modes.len(), 1);
        assert!((99.0..=101.0).contains(&e.best) && e.best >= e.median);
        assert!(e.ci95[0] <= e.best && e.best <= e.ci95[1]);
    }

    #[test]
    fn two_modes_give_the_upper_one() {
        let rates = [noisy(31.0, 30, 2), noisy(50.0, 10, 3)].concat();
        let e = estimate(&rates).unwrap();
        assert_eq!(e.modes.len(), 2);
        assert!((49.0..=51.0).contains(&e.best), "{e:?}");
        assert_eq!(e.modes[1].share, 0.25);
        assert!(e.median < 32.0);
        assert_eq!(upper_mode(&rates), &rates[30..]);
        assert_eq!(upper_mode(&[]), &[0.0; 0]);
    }

    #[test]
    fn a_few_slow_samples_are_no_mode() {
        let mut rates = noisy(100.0, 40, 4);
        rates.extend([60.0, 70.0]);
        assert_eq!(estimate(&rates).unwrap().modes.len(), 1);
    }

    #[test]
    fn a_short_fast_mode_counts_though_stragglers_lie_below() {
        let rates = [vec![15.0, 18.0], noisy(44.0, 76, 7), noisy(60.0, 6, 8)].concat();
        let e = estimate(&rates).unwrap();
        assert_eq!(e.modes.len(), 2, "{e:?}");
        assert!((59.0..=61.0).contains(&e.best) && (43.0..=45.0).contains(&e.modes[0].centre), "{e:?}");
        // Also few above a slow mode so broad that its own halves outweigh them.
        let broad: Vec<f64> = (0..392).map(|i| 30.0 + f64::from(i) * 0.023).collect();
        let e = estimate(&[broad, noisy(47.0, 8, 8)].concat()).unwrap();
        assert!((46.5..=47.5).contains(&e.best) && e.modes.len() == 2, "{e:?}");
        // Three fast samples in a hundred are an accident.
        let rates = [noisy(44.0, 97, 7), noisy(60.0, 3, 8)].concat();
        assert_eq!(estimate(&rates).unwrap().modes.len(), 1);
    }

    #[test]
    fn of_few_samples_three_that_agree_are_a_mode() {
        let half_rate = [1.003, 0.495, 0.495, 1.0, 0.498, 0.999, 0.496, 0.494];
        let e = estimate(&half_rate).unwrap();
        assert_eq!((e.best, e.modes.len()), (1.003, 2), "{e:?}");
        // Slowed passes that do not agree are none.
        assert_eq!(estimate(&[1.0, 0.95, 0.9, 0.5, 0.49, 0.5]).unwrap().modes.len(), 1);
    }

    #[test]
    fn an_even_spread_is_one_mode() {
        let rates: Vec<f64> = (0..40).map(|i| 30.0 + f64::from(i) * 0.5).collect();
        assert_eq!(estimate(&rates).unwrap().modes.len(), 1);
    }

    #[test]
    fn equal_samples_are_their_own_estimate() {
        let e = estimate(&[7.0; 5]).unwrap();
        assert_eq!((e.best, e.median), (7.0, 7.0));
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[3.0]).unwrap().best, 3.0);
    }

    #[test]
    fn the_interval_is_that_of_resampling() {
        let mut rates = noisy(10.0, 24, 6);
        rates.sort_by(f64::total_cmp);
        let rank = fastest_quarter(24);
        let mut random = Random::new(11);
        let mut resampled: Vec<f64> = (0..20_000)
            .map(|_| {
                let mut again: Vec<f64> = (0..24).map(|_| rates[(random.bits() % 24) as usize]).collect();
                again.sort_by(f64::total_cmp);
                again[rank]
            })
            .collect();
        resampled.sort_by(f64::total_cmp);
        // The distribution is discrete: with so many resamples the quantiles are the same values.
        assert_eq!(bootstrap(&rates, rank), [resampled[500], resampled[19_500]]);
    }

    #[test]
    fn the_same_samples_give_the_same_interval() {
        let rates = noisy(10.0, 24, 6);
        assert_eq!(estimate(&rates), estimate(&rates));
    }

    #[test]
    fn the_middle_is_a_sample_within_its_interval() {
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[7.0]), Some((7.0, [7.0, 7.0])));
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let (value, [low, high]) = middle(&values).unwrap();
        assert_eq!(value, 10.0);
        // Half the binomial's 95 % range on either side of the tenth of twenty.
        assert!((5.0..=7.0).contains(&low) && (13.0..=16.0).contains(&high), "{low} {high}");
    }
}
