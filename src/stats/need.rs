//! What a question still needs: whether its samples, in the order in which they were taken, have settled.

use super::estimate;
use super::modes::modes;

/// What the samples of a question still lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Too few for an interval.
    Samples,
    /// The later ones are faster than all that the earlier ones foretold: the best is still rising.
    Rising,
    /// The upper mode has few samples, or the interval is wide: more of them tell what the upper mode is.
    Modes,
    /// Nothing.
    Settled,
}

/// Fewer samples than this bear no interval.
pub const SAMPLES_MIN: usize = 5;
/// The earlier part of the samples foretells the later one: this share of all.
const EARLIER_SHARE: f64 = 0.6;
/// An upper mode of fewer samples than this has no fastest quarter to speak of.
const UPPER_SAMPLES_MIN: usize = 8;
/// Samples so much above the interval belong to a mode that is not known yet, if there are two of them; one is an accident.
const BEYOND: f64 = 1.05;

/// What `rates`, in the order in which they were taken, still need for an interval that is at most `width_max` of the value.
pub fn need(rates: &[f64], width_max: f64) -> Need {
    let Some(all) = estimate(rates).filter(|_| rates.len() >= SAMPLES_MIN) else { return Need::Samples };
    let earlier = &rates[..(rates.len() as f64 * EARLIER_SHARE) as usize];
    if estimate(earlier).is_some_and(|earlier| all.best > earlier.ci95[1]) {
        return Need::Rising;
    }
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (_, upper) = modes(&sorted);
    let few = upper.len() < UPPER_SAMPLES_MIN.min(rates.len());
    let beyond = rates.iter().filter(|&&rate| rate > all.ci95[1] * BEYOND).count() > 1;
    let wide = all.ci95[1] - all.ci95[0] > width_max * all.best;
    if few || beyond || wide { Need::Modes } else { Need::Settled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_samples_need_nothing_and_few_need_more() {
        let rates: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i * 7 % 10) * 0.1).collect();
        assert_eq!(need(&rates, 0.1), Need::Settled);
        assert_eq!(need(&rates[..4], 0.1), Need::Samples);
        assert_eq!(need(&[], 0.1), Need::Samples);
    }

    #[test]
    fn a_best_that_still_rises_is_not_settled() {
        let mut rates = vec![100.0; 12];
        rates.extend([106.0; 6]);
        assert_eq!(need(&rates, 0.1), Need::Rising);
        // Once it was seen in the earlier part too, it has risen.
        rates.extend([106.0; 16]);
        assert_eq!(need(&rates, 0.1), Need::Settled);
    }

    #[test]
    fn a_short_fast_mode_or_a_wide_interval_asks_for_more() {
        let mut rates = vec![60.0; 6];
        rates.extend([44.0; 30]);
        assert_eq!(need(&rates, 0.1), Need::Modes);
        let wide: Vec<f64> = (0..20).map(|i| 50.0 + f64::from(i * 7 % 20) * 2.0).collect();
        assert_eq!(need(&wide, 0.05), Need::Modes);
    }
}
