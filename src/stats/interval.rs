//! Intervals of order statistics: what a run knows of a value, and what no run of its length can know.

use super::modes::spread;

/// No interval is narrower than this share of the value on either side: clocks and placements change from minute to minute,
/// and a run that is over within one of them cannot know. docs/methodology.md has the runs that it is from.
const UNSEEN: f64 = 0.025;
/// Batches of fewer samples than this tell nothing of what neighbours share.
const BATCH_MIN: usize = 2;
/// Fewer batches than this bear no variance.
const BATCHES_MIN: usize = 3;

/// The 95 % interval of the value at `rank` of `sorted`, whose values were taken as `in_order` has them.
///
/// The widest of three. As if samples were independent: [`bootstrap`]. Upwards, as neighbours are alike, because they share a
/// visit, a clock and a placement: batch means (Conway 1963) of the share of samples above the value, over √n batches of √n
/// neighbours, with Student's t, and back from shares to samples (Woodruff 1952). Downwards there is no such doubt: what was
/// reached can be reached. And what a run does not see: [`UNSEEN`], and with it, as independent errors add up, the spread of
/// the middle half over the root of the number of batches, because few samples do not reach as far as many.
pub(super) fn interval(in_order: &[f64], sorted: &[f64], rank: usize) -> [f64; 2] {
    let (n, value) = (sorted.len(), sorted[rank]);
    let [low, mut high] = bootstrap(sorted, rank);
    let batches = (n / ((n as f64).sqrt().round() as usize).max(BATCH_MIN)).max(1);
    if batches >= BATCHES_MIN {
        let reach = n as f64 * share_error(in_order, value, batches);
        high = high.max(sorted[(rank as f64 + reach).ceil().min((n - 1) as f64) as usize]);
    }
    let unseen = 1.0 + UNSEEN.hypot(spread(sorted) / value / (batches as f64).sqrt());
    [low.min(value / unseen), high.max(value * unseen)]
}

/// The half width, at 95 %, of the share of samples above `value`: batch means.
fn share_error(in_order: &[f64], value: f64, batches: usize) -> f64 {
    let n = in_order.len();
    let above = |rate: &f64| if *rate > value { 1.0 } else { 0.5 * f64::from(u8::from(*rate == value)) };
    let mean = |batch: &[f64]| batch.iter().map(above).sum::<f64>() / batch.len() as f64;
    let means: Vec<f64> = (0..batches).map(|i| mean(&in_order[i * n / batches..(i + 1) * n / batches])).collect();
    let count = batches as f64;
    let centre = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|mean| (mean - centre).powi(2)).sum::<f64>() / (count - 1.0);
    student(batches - 1) * (variance / count).sqrt()
}

/// The 97.5 % quantile of Student's t; beyond the table by its expansion about the normal one (Abramowitz and Stegun 26.7.5).
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 5] = [12.706, 4.303, 3.182, 2.776, 2.571];
    let (z, f) = (1.959_964_f64, freedom as f64);
    let [z3, z5, z7] = [3, 5, 7].map(|power| z.powi(power));
    let expansion = || {
        let terms = [
            (z3 + z) / 4.0,
            (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0,
            (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0,
        ];
        z + terms[0] / f + terms[1] / f.powi(2) + terms[2] / f.powi(3)
    };
    TABLE.get(freedom.saturating_sub(1)).copied().unwrap_or_else(expansion)
}

/// The 95 % percentile bootstrap interval of the value at `rank` of sorted values.
///
/// For an order statistic the bootstrap needs no resampling (Efron, The Jackknife, the Bootstrap and Other Resampling
/// Plans, 1982, section 10.2): a resample's value at rank r (from 0) is at most `sorted[j]` when more than r of its n
/// draws are, and that number is binomial with probability (j + 1)/n.
pub(super) fn bootstrap(sorted: &[f64], rank: usize) -> [f64; 2] {
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

    #[test]
    fn binomial_tails_are_right() {
        assert!((binomial_above(4, 0.5, 1) - 11.0 / 16.0).abs() < 1e-12);
        assert!((binomial_above(400, 0.875, 349) - 0.5).abs() < 0.05);
        assert_eq!(binomial_above(3, 1.0, 2), 1.0);
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, quantile) in [(2, 4.303), (5, 2.571), (6, 2.447), (10, 2.228), (30, 2.042), (120, 1.980)] {
            assert!((student(freedom) - quantile).abs() < 0.005, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn neighbours_that_are_alike_widen_the_interval() {
        // The same 64 values: scattered, and as one slow and one fast half.
        let rate = |i: usize| 100.0 + i as f64;
        let sorted: Vec<f64> = (0..64).map(rate).collect();
        let scattered: Vec<f64> = (0..64).map(|i| rate(i * 27 % 64)).collect();
        assert!(share_error(&sorted, 156.0, 8) > 2.0 * share_error(&scattered, 156.0, 8));
        let ends = |in_order: &[f64]| interval(in_order, &sorted, 50);
        let ([low, high], [low_scattered, high_scattered]) = (ends(&sorted), ends(&scattered));
        assert!(high > high_scattered && low == low_scattered, "{high} {high_scattered}");
    }

    #[test]
    fn equal_samples_still_leave_what_no_run_sees() {
        assert_eq!(interval(&[8.0; 6], &[8.0; 6], 4), [8.0 / 1.025, 8.0 * 1.025]);
    }
}
