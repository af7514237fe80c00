//! Samples to estimate: the upper mode, its interval, the median. Pure and deterministic.
//!
//! Everything here is for *rates*, where more is better. Times are turned into rates by whoever asks, and back.

use roofprobe_kernels::reference::Random;

/// What a set of rates says.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The median of the fastest quarter of the upper mode: what the device reaches when nothing stands in its way, and
    /// not what a single lucky sample reached.
    pub best: f64,
    /// The median of all samples.
    pub median: f64,
    /// Bootstrap interval of `best`, 95 %.
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

/// Two clusters closer than this (relative to the faster one) are one mode.
const MODE_DISTANCE_MIN: f64 = 0.08;
/// A cluster needs this many samples to be a mode rather than an accident.
const MODE_SAMPLES_MIN: usize = 4;
/// And this share of all samples: a fast mode may last only for seconds of a run, and is still what the device can do.
const MODE_SHARE_MIN: f64 = 0.05;
/// The gap between two modes must exceed their own spreads together this many times.
const MODE_SEPARATION: f64 = 1.5;
/// Bootstrap resamples: enough that the 2.5 % quantile rests on 25 of them.
const RESAMPLES: usize = 1000;

/// Estimates from `rates`; `None` when there is none.
pub fn estimate(rates: &[f64]) -> Option<Estimate> {
    if rates.is_empty() {
        return None;
    }
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = modes(&sorted);
    let mode = |part: &[f64]| Mode { centre: median(part), share: part.len() as f64 / sorted.len() as f64 };
    let modes = lower.into_iter().chain([upper]).map(mode).collect();
    Some(Estimate { best: fastest_quarter(upper), median: median(&sorted), ci95: bootstrap(upper), modes })
}

/// The median of sorted values.
pub fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}

fn fastest_quarter(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    median(&sorted[n - n.div_ceil(4)..])
}

/// The modes of sorted values: the lower ones, and the upper one. A lower cluster too small to be a mode (a few slow
/// stragglers) belongs to none.
fn modes(sorted: &[f64]) -> (Vec<&[f64]>, &[f64]) {
    let least = MODE_SAMPLES_MIN.max((sorted.len() as f64 * MODE_SHARE_MIN).ceil() as usize);
    let (mut lower, mut upper) = (Vec::new(), sorted);
    while let Some((below, above)) = split(upper, least) {
        if below.len() >= least {
            lower.push(below);
        }
        upper = above;
    }
    (lower, upper)
}

/// Cuts sorted values where the squared deviation from the two means is least (two-means in one dimension, exact), if the
/// parts lie far enough apart and the upper one has at least `least` values.
fn split(sorted: &[f64], least: usize) -> Option<(&[f64], &[f64])> {
    let deviation = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        part.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
    };
    let cuts = 1..(sorted.len() + 1).saturating_sub(least);
    let costs = cuts.map(|cut| (cut, deviation(&sorted[..cut]) + deviation(&sorted[cut..])));
    let (cut, _) = costs.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let (lower, upper) = sorted.split_at(cut);
    let distance = median(upper) - median(lower);
    // The width of the middle half of each part: robust against the tails.
    let spread = |part: &[f64]| part[part.len() * 3 / 4] - part[part.len() / 4];
    let apart = distance >= MODE_DISTANCE_MIN * median(upper);
    let separated = distance >= MODE_SEPARATION * (spread(lower) + spread(upper));
    (apart && separated).then_some((lower, upper))
}

/// The 95 % percentile interval of [`fastest_quarter`] (Efron's bootstrap), from a fixed seed.
fn bootstrap(sorted: &[f64]) -> [f64; 2] {
    let n = sorted.len();
    let mut random = Random::new(0x0072_6f6f_6670_726f);
    let mut resample = vec![0.0; n];
    let mut results: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            resample.iter_mut().for_each(|x| *x = sorted[(random.bits() % n as u64) as usize]);
            resample.sort_by(f64::total_cmp);
            fastest_quarter(&resample)
        })
        .collect();
    results.sort_by(f64::total_cmp);
    [results[RESAMPLES * 25 / 1000], results[RESAMPLES * 975 / 1000 - 1]]
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // Three fast samples in a hundred are an accident.
        let rates = [noisy(44.0, 97, 7), noisy(60.0, 3, 8)].concat();
        assert_eq!(estimate(&rates).unwrap().modes.len(), 1);
    }

    #[test]
    fn an_even_spread_is_one_mode() {
        let rates: Vec<f64> = (0..40).map(|i| 30.0 + f64::from(i) * 0.5).collect();
        assert_eq!(estimate(&rates).unwrap().modes.len(), 1);
    }

    #[test]
    fn equal_samples_are_certain() {
        let e = estimate(&[7.0; 5]).unwrap();
        assert_eq!((e.best, e.median, e.ci95), (7.0, 7.0, [7.0, 7.0]));
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[3.0]).unwrap().best, 3.0);
    }

    #[test]
    fn the_same_samples_give_the_same_interval() {
        let rates = noisy(10.0, 24, 6);
        assert_eq!(estimate(&rates), estimate(&rates));
    }
}
