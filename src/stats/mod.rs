//! Samples to estimate: the upper mode, its interval, the median. Pure and deterministic.
//!
//! Everything here is for *rates*, where more is better. Times are turned into rates by whoever asks, and back.

mod need;

pub use need::{Need, SAMPLES_MIN, need};

/// What a set of rates amounts to.
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

/// Two clusters whose medians are closer than this (relative to the faster one) are one mode.
const MODE_DISTANCE_MIN: f64 = 0.08;
/// The upper cluster needs this many samples to be a mode rather than an accident; its value is then the second best at
/// least. No share of all samples is asked for: noise makes a pass slower and never faster, so that even a short fast mode
/// is what the device can do.
const MODE_SAMPLES_MIN: usize = 5;
/// A lower cluster also needs this share of all samples; else it is stragglers, and not reported.
const LOWER_SHARE_MIN: f64 = 0.05;
/// The distance of two modes exceeds their own spreads together this many times.
const MODE_SEPARATION: f64 = 1.5;
/// A small fast mode above a broad slow one stands apart by a gap of at least this share of its slowest sample,
const GAP_MIN: f64 = 0.05;
/// and of this many times the mean distance of neighbours in the middle half of the samples.
const GAP_SPACINGS: f64 = 10.0;

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
    let rank = fastest_quarter(upper.len());
    Some(Estimate { best: upper[rank], median: median(&sorted), ci95: bootstrap(upper, rank), modes })
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

/// The modes of sorted values: the lower ones, and the upper one. A lower cluster too small to be a mode (a few slow
/// stragglers) belongs to none.
fn modes(sorted: &[f64]) -> (Vec<&[f64]>, &[f64]) {
    let least_lower = MODE_SAMPLES_MIN.max((sorted.len() as f64 * LOWER_SHARE_MIN).ceil() as usize);
    let (mut lower, mut upper) = (Vec::new(), sorted);
    while let Some((below, above)) = split(upper) {
        if below.len() >= least_lower {
            lower.push(below);
        }
        upper = above;
    }
    (lower, upper)
}

/// Cuts the upper mode off sorted values, if there is one.
fn split(sorted: &[f64]) -> Option<(&[f64], &[f64])> {
    let cut = two_means(sorted).or_else(|| upper_gap(sorted))?;
    let (lower, upper) = sorted.split_at(cut);
    (median(upper) - median(lower) >= MODE_DISTANCE_MIN * median(upper)).then_some((lower, upper))
}

/// The width of the middle half of sorted values: robust against the tails.
fn spread(sorted: &[f64]) -> f64 {
    sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4]
}

/// The cut of least squared deviation from two means (exact in one dimension), if the parts lie far enough apart for their
/// own width: modes of like weight.
fn two_means(sorted: &[f64]) -> Option<usize> {
    let n = sorted.len();
    // Least deviation within the parts is greatest distance between them: Σ(part)²/|part| summed over the parts.
    let total: f64 = sorted.iter().sum();
    let mut below = 0.0;
    let mut best: Option<(usize, f64)> = None;
    for cut in 1..(n + 1).saturating_sub(MODE_SAMPLES_MIN) {
        below += sorted[cut - 1];
        let above: f64 = total - below;
        let between = below * below / cut as f64 + above * above / (n - cut) as f64;
        if best.is_none_or(|(_, most)| between > most) {
            best = Some((cut, between));
        }
    }
    let cut = best?.0;
    let (lower, upper) = sorted.split_at(cut);
    let distance = median(upper) - median(lower);
    (distance >= MODE_DISTANCE_MIN * median(upper) && distance >= MODE_SEPARATION * (spread(lower) + spread(upper)))
        .then_some(cut)
}

/// The widest gap in the upper half, if it is wide enough: a small fast mode above a broad slow one, whose tail would
/// outweigh it in [`two_means`].
fn upper_gap(sorted: &[f64]) -> Option<usize> {
    let n = sorted.len();
    let gap = |cut: usize| sorted[cut] - sorted[cut - 1];
    let cuts = (n / 2).max(1)..(n + 1).saturating_sub(MODE_SAMPLES_MIN);
    let cut = cuts.max_by(|&a, &b| gap(a).total_cmp(&gap(b)))?;
    let spacing = spread(sorted) / (n as f64 / 2.0);
    (gap(cut) >= GAP_MIN * sorted[cut] && gap(cut) >= GAP_SPACINGS * spacing).then_some(cut)
}

/// The 95 % percentile bootstrap interval of the value at `rank` of sorted values.
///
/// For an order statistic the bootstrap needs no resampling (Efron, The Jackknife, the Bootstrap and Other Resampling
/// Plans, 1982, section 10.2): a resample's value at rank r (from 0) is at most `sorted[j]` when more than r of its n
/// draws are, and that number is binomial with probability (j + 1)/n.
fn bootstrap(sorted: &[f64], rank: usize) -> [f64; 2] {
    let n = sorted.len();
    let at_most = |j: usize| binomial_above(n, (j + 1) as f64 / n as f64, rank);
    let quantile = |probability: f64| {
        let (mut low, mut high) = (0, n - 1);
        while low < high {
            let middle = (low + high) / 2;
            if at_most(middle) >= probability { high = middle } else { low = middle + 1 }
        }
        sorted[low]
    };
    [quantile(0.025), quantile(0.975)]
}

/// The probability of more than `rank` successes in `n` independent tries of probability `p`.
fn binomial_above(n: usize, p: f64, rank: usize) -> f64 {
    if p >= 1.0 {
        return 1.0;
    }
    // From no success at all upwards, in logarithms: the first terms are smaller than any f64.
    let (success, failure) = (p.ln(), (1.0 - p).ln());
    let mut log_term = n as f64 * failure;
    let mut at_most_rank = log_term.exp();
    for i in 1..=rank {
        log_term += ((n - i + 1) as f64 / i as f64).ln() + success - failure;
        at_most_rank += log_term.exp();
    }
    1.0 - at_most_rank
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
    fn binomial_tails_are_right() {
        assert!((binomial_above(4, 0.5, 1) - 11.0 / 16.0).abs() < 1e-12);
        assert!((binomial_above(400, 0.875, 349) - 0.5).abs() < 0.05);
        assert_eq!(binomial_above(3, 1.0, 2), 1.0);
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
