//! How probable it is that what a gate sees is chance: of samples, of a family, of many findings.

use crate::stats::median;

/// The share of regressions that may be called so by chance.
const CHANCE_MAX: f64 = 0.01;
/// The share of families that may be called slower as a whole by chance, of seven that there are at most.
const FAMILY_CHANCE_MAX: f64 = 0.002;
/// One sample of so many, on either side, may be an accident.
const STRAY: usize = 20;
/// Neighbours share a visit, and a visit takes that many samples at least;
const VISIT: usize = 3;
/// so few samples are so many batches,
const BATCHES_OF_FEW: usize = 7;
/// and many are no more than this.
const BATCHES_MAX: usize = 20;

/// How probable it is that samples are like those found, although one device gave both, and the newer ones are slower by no more than the
/// tolerance. Speeds, in the order in which they were taken.
///
/// The lesser of two. Where the samples lie apart, one of twenty left out on either side: [`apart`], as if each were independent.
/// And [`rank_sum`] of the medians of batches of neighbours, which share what a visit met.
pub(super) fn of_samples(baseline: &[f64], new: &[f64], tolerance: f64) -> f64 {
    let raised = |values: &[f64]| values.iter().map(|value| value / (1.0 - tolerance)).collect::<Vec<_>>();
    let by_batches = rank_sum(&raised(&batches(new)), &batches(baseline));
    let sorted = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (slowest, fastest) = (sorted(baseline), sorted(&raised(new)));
    let stray = |all: usize| all / STRAY;
    let lie_apart = fastest[fastest.len() - 1 - stray(fastest.len())] < slowest[stray(slowest.len())];
    if lie_apart { by_batches.min(apart(new.len(), baseline.len())) } else { by_batches }
}

/// The medians of batches of neighbours: √n of them, as few samples allow.
fn batches(in_order: &[f64]) -> Vec<f64> {
    let n = in_order.len();
    let root = (n as f64).sqrt().round() as usize;
    let count = root.max((n / VISIT).min(BATCHES_OF_FEW)).clamp(1, BATCHES_MAX);
    let batch = |i: usize| {
        let mut batch = in_order[i * n / count..(i + 1) * n / count].to_vec();
        batch.sort_by(f64::total_cmp);
        median(&batch)
    };
    (0..count).map(batch).collect()
}

/// How probable it is that all of `ours` values lie on one given side of all `theirs` although all are of one kind: one way of as many as
/// there are to choose (Wilcoxon 1945).
pub(super) fn apart(ours: usize, theirs: usize) -> f64 {
    (1..=ours).map(|i| i as f64 / (theirs + i) as f64).product()
}

/// How probable it is that `low` lies as far below `high` or further although all values are of one kind: the exact distribution of the rank
/// sum (Wilcoxon 1945; Mann and Whitney 1947), whose generating function is a Gaussian binomial coefficient. Ties count as half.
fn rank_sum(low: &[f64], high: &[f64]) -> f64 {
    let beats = |one: &f64, other: &f64| if one > other { 1.0 } else { 0.5 * f64::from(u8::from(one == other)) };
    let found: f64 = low.iter().flat_map(|one| high.iter().map(move |other| beats(one, other))).sum();
    let (few, many) = (low.len(), high.len());
    let mut ways = vec![0.0; few * many + 1];
    ways[0] = 1.0;
    for i in 1..=few {
        // Times (1 − q^(many + i)) / (1 − q^i).
        for at in (many + i..ways.len()).rev() {
            ways[at] -= ways[at - many - i];
        }
        for at in i..ways.len() {
            ways[at] += ways[at - i];
        }
    }
    ways[..=found.ceil() as usize].iter().sum::<f64>() / ways.iter().sum::<f64>()
}

/// Whether a family is slower as a whole: so many of its members are, of so many, where each has an even chance (the sign test).
pub(super) fn family_is_slower(slower: usize, all: usize) -> bool {
    let mut ways = 1.0;
    let mut at_least = 0.0;
    for of in 0..=all {
        at_least += if of >= slower { ways } else { 0.0 };
        ways *= (all - of) as f64 / (of + 1) as f64;
    }
    at_least * 0.5_f64.powi(all as i32) <= FAMILY_CHANCE_MAX
}

/// Which of some findings stand although there are many to be found: the step-up rule of Benjamini and Hochberg (1995) at [`CHANCE_MAX`].
/// `chances` are those of the findings, of `all` quantities.
pub(super) fn stand(chances: &[f64], all: usize) -> Vec<bool> {
    let mut sorted = chances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let within =
        |(place, chance): (usize, &f64)| (*chance <= (place + 1) as f64 / all as f64 * CHANCE_MAX).then_some(*chance);
    let most = sorted.iter().enumerate().filter_map(within).next_back();
    chances.iter().map(|chance| most.is_some_and(|most| *chance <= most)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_do_not_single_one_out_of_many() {
        assert!((apart(5, 5) - 1.0 / 252.0).abs() < 1e-15);
        assert!((apart(8, 8) - 1.0 / 12870.0).abs() < 1e-15);
        let few = apart(5, 5);
        assert_eq!(stand(&[few], 1), [true]);
        assert_eq!(stand(&[few], 100), [false]);
        assert_eq!(stand(&[few, apart(20, 20)], 100), [false, true]);
        // Many that are found together are no chance.
        assert_eq!(stand(&[few; 60], 100), [true; 60]);
        assert_eq!(stand(&[], 100), [false; 0]);
    }

    #[test]
    fn rank_sums_are_those_of_the_tables() {
        let values = |range: std::ops::Range<i32>| range.map(f64::from).collect::<Vec<_>>();
        assert!((rank_sum(&values(0..5), &values(5..10)) - apart(5, 5)).abs() < 1e-15);
        assert!((rank_sum(&values(0..20), &values(20..40)) - apart(20, 20)).abs() < 1e-20);
        // Of two and three values: 1, 2, 4, 6, 8, 9 and 10 of ten ways.
        for (beaten, ways) in [1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0].into_iter().enumerate() {
            let low = [f64::from(beaten.min(3) as u8) + 0.5, f64::from(beaten.saturating_sub(3) as u8) + 0.5];
            assert!((rank_sum(&low, &[1.0, 2.0, 3.0]) - ways / 10.0).abs() < 1e-15, "{beaten}");
        }
    }

    #[test]
    fn many_samples_that_overlap_can_be_told_apart_by_their_visits() {
        let spread = |centre: f64, count: usize| -> Vec<f64> {
            (0..count).map(|i| centre * (1.0 + 0.03 * ((i * 7919 % 101) as f64 / 50.0 - 1.0))).collect()
        };
        assert!(of_samples(&spread(100.0, 80), &spread(90.0, 80), 0.05) < 1e-3);
        assert!(of_samples(&spread(100.0, 80), &spread(95.5, 80), 0.05) > 0.05);
        assert!(of_samples(&spread(100.0, 5), &spread(92.0, 5), 0.05) > 0.1);
        assert_eq!(of_samples(&spread(100.0, 5), &spread(80.0, 5), 0.05), apart(5, 5));
    }

    #[test]
    fn a_family_is_slower_where_nearly_all_of_it_is() {
        assert!(family_is_slower(9, 9) && !family_is_slower(8, 8));
        // 988 of 262144 ways have 15 of 18 or more, 172 have 16.
        assert!(!family_is_slower(15, 18) && family_is_slower(16, 18));
        assert!(!family_is_slower(0, 0));
    }
}
