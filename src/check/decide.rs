//! Two figures of one quantity, and whether the second is a regression of the first: the statistics of the gate.
//!
//! A run knows its value within an interval, and a gate must neither cry wolf nor be green because it saw nothing. So there are
//! three answers. **Regressed**: slower by more than the tolerance, the intervals lie apart, and so do the samples. **Passed**: not slower by more
//! than the tolerance, and a regression of twice the tolerance is outside of what both intervals allow. **Cannot tell**: the rest,
//! and whatever else would explain what was seen: circumstances that cost speed, or modes that the runs themselves showed.
//!
//! That samples lie apart is a test of its own: of two runs with five samples each of one device, one pair in 252 has all of the one above
//! all of the other (Wilcoxon 1945). It also hears of modes too short to be told as such. Where a hundred
//! quantities are judged together, one such pair is to be expected, so that findings have to stand together (`stand`).

use schemars::JsonSchema;
use serde::Serialize;

/// A figure as a speed, so that more is better, with what has to be known to judge it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Its value.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// The slowest mode that its samples showed, as a share of the value; 1 where they are of one kind.
    pub slowest_mode: f64,
    /// The slowest of its samples but for one in twenty, as a share of the value; 0 where they are not known.
    pub slow_end: f64,
    /// The fastest of its samples but for one in twenty, as a share of the value; 1 where they are not known.
    pub fast_end: f64,
    /// Whether the circumstances of the run are good enough. Poor ones cost speed and never add any.
    pub trusted: bool,
}

/// What the gate says of a quantity, or of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No regression beyond the tolerance, and one of twice the tolerance would have been seen.
    Passed,
    /// Slower by more than the tolerance, and beyond both intervals.
    Regressed,
    /// Neither could be shown.
    CannotTell,
}

impl Answer {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Answer::Passed => "passed",
            Answer::Regressed => "regressed",
            Answer::CannotTell => "cannot tell",
        }
    }
}

/// Why the gate cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// A gate of the measurement did not believe one of the values.
    Suspect,
    /// The new profile has no value where the baseline has one.
    NotMeasured,
    /// A value without an interval: it was quoted, or measured too few times.
    NoInterval,
    /// They were asked at different extents.
    Extents,
    /// Slower by more than the tolerance, but within the intervals.
    Overlap,
    /// The intervals are so wide that a regression of twice the tolerance could hide in them.
    Wide,
    /// The difference lies within the modes that one of the runs showed.
    Modes,
    /// Slower, but the samples of both runs are within the tolerance of each other's.
    Samples,
    /// Slower, but of so many quantities that few samples, one may look so by chance.
    Chance,
    /// The circumstances of the new run may have cost what is missing.
    NewGrade,
    /// The circumstances of the baseline may have cost speed, so that it hides a regression.
    BaselineGrade,
}

impl Doubt {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Doubt::Suspect => "a value is suspect",
            Doubt::NotMeasured => "the new profile has no value",
            Doubt::NoInterval => "a value has no interval",
            Doubt::Extents => "asked at different extents",
            Doubt::Overlap => "slower than the tolerance allows, but within the intervals",
            Doubt::Wide => "the intervals are too wide: a regression of twice the tolerance could hide in them",
            Doubt::Modes => "the difference is one between modes that these runs showed",
            Doubt::Samples => "slower, but the samples of both runs overlap",
            Doubt::Chance => {
                "slower, but of that many quantities one with so few samples may look so by chance; check it with --only, \
                 or measure with more effort"
            }
            Doubt::NewGrade => "slower, but the new run's grade is too poor to blame the device",
            Doubt::BaselineGrade => {
                "not slower than the baseline, whose own grade is too poor to say how fast it should be"
            }
        }
    }
}

/// What two figures amount to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// Why it is no other, where the gate cannot tell.
    pub doubt: Option<Doubt>,
    /// How many times as fast as the baseline.
    pub ratio: f64,
    /// The least and the most that both intervals allow.
    pub interval: [f64; 2],
}

/// Judges `new` against `baseline`; `tolerance` is the share of the speed that may be lost.
pub fn decide(baseline: &Side, new: &Side, tolerance: f64) -> Decision {
    let ratio = new.value / baseline.value;
    let interval = [new.interval[0] / baseline.interval[1], new.interval[1] / baseline.interval[0]];
    let doubt = if ratio < 1.0 - tolerance {
        doubt_of_regression(baseline, new, tolerance, ratio, interval)
    } else {
        doubt_of_pass(baseline, new, tolerance, ratio, interval)
    };
    let answer = match doubt {
        Some(_) => Answer::CannotTell,
        None if ratio < 1.0 - tolerance => Answer::Regressed,
        None => Answer::Passed,
    };
    Decision { answer, doubt, ratio, interval }
}

/// What else would explain that the new figure is lower.
fn doubt_of_regression(baseline: &Side, new: &Side, tolerance: f64, ratio: f64, interval: [f64; 2]) -> Option<Doubt> {
    let between_modes = baseline.slowest_mode.min(new.slowest_mode);
    if interval[1] >= 1.0 {
        Some(Doubt::Overlap)
    } else if between_modes < 1.0 && ratio >= between_modes * (1.0 - tolerance) {
        Some(Doubt::Modes)
    } else if ratio * new.fast_end >= 1.0 - tolerance
        || 0.0 < baseline.slow_end && baseline.slow_end * (1.0 - tolerance) <= ratio
    {
        Some(Doubt::Samples)
    } else if !new.trusted {
        Some(Doubt::NewGrade)
    } else {
        None
    }
}

/// What could hide a regression although the new figure is not lower.
fn doubt_of_pass(baseline: &Side, new: &Side, tolerance: f64, ratio: f64, interval: [f64; 2]) -> Option<Doubt> {
    // The baseline may have met only a slow mode that the new run shows beside a faster one.
    let met_slow_mode = ratio > 1.0 + tolerance && ratio * new.slowest_mode <= 1.0 + tolerance;
    if interval[0] < 1.0 - 2.0 * tolerance {
        Some(Doubt::Wide)
    } else if met_slow_mode {
        Some(Doubt::Modes)
    } else if !baseline.trusted {
        Some(Doubt::BaselineGrade)
    } else {
        None
    }
}

/// How probable it is that all of `ours` samples lie on one given side of all `theirs` although all are of one kind: one way of as many as there
/// are to choose (Wilcoxon 1945).
pub(super) fn chance_apart(ours: usize, theirs: usize) -> f64 {
    (1..=ours).map(|i| i as f64 / (theirs + i) as f64).product()
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

/// The share of regressions that may be called so by chance.
const CHANCE_MAX: f64 = 0.01;

/// The least tolerance at which two figures of a device that did not change would pass: what is between them, and half of what
/// their intervals leave open.
pub fn tolerance_needed(baseline: &Side, new: &Side) -> f64 {
    let ratio = new.value / baseline.value;
    let lowest = new.interval[0] / baseline.interval[1];
    let between = (1.0 - ratio.min(1.0 / ratio)).max(0.0);
    between.max((1.0 - lowest) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: f64 = 0.05;

    /// A figure of one mode, its interval that wide on either side.
    fn side(value: f64, width: f64) -> Side {
        Side {
            value,
            interval: [value / (1.0 + width), value * (1.0 + width)],
            slowest_mode: 1.0,
            slow_end: 0.0,
            fast_end: 1.0,
            trusted: true,
        }
    }

    fn answer(baseline: Side, new: Side) -> (Answer, Option<Doubt>) {
        let decision = decide(&baseline, &new, TOLERANCE);
        (decision.answer, decision.doubt)
    }

    #[test]
    fn it_takes_the_tolerance_and_both_intervals_to_be_a_regression() {
        let baseline = side(100.0, 0.025);
        assert_eq!(answer(baseline, side(100.0, 0.025)), (Answer::Passed, None));
        assert_eq!(answer(baseline, side(130.0, 0.025)), (Answer::Passed, None));
        assert_eq!(answer(baseline, side(96.0, 0.025)), (Answer::Passed, None));
        assert_eq!(answer(baseline, side(90.0, 0.025)), (Answer::Regressed, None));
        // Beyond the tolerance, but not beyond the intervals.
        assert_eq!(answer(baseline, side(94.0, 0.05)), (Answer::CannotTell, Some(Doubt::Overlap)));
        // Beyond the intervals, but not beyond the tolerance.
        assert_eq!(answer(side(100.0, 0.005), side(96.0, 0.005)), (Answer::Passed, None));
    }

    #[test]
    fn what_could_hide_a_regression_is_not_green() {
        assert_eq!(answer(side(100.0, 0.08), side(100.0, 0.08)), (Answer::CannotTell, Some(Doubt::Wide)));
        assert_eq!(answer(side(100.0, 0.0), side(100.0, 0.2)), (Answer::CannotTell, Some(Doubt::Wide)));
        let poor = Side { trusted: false, ..side(100.0, 0.025) };
        assert_eq!(answer(poor, side(100.0, 0.025)), (Answer::CannotTell, Some(Doubt::BaselineGrade)));
        // Slower than even a hampered run is slower.
        assert_eq!(answer(poor, side(80.0, 0.025)), (Answer::Regressed, None));
        // As fast as the baseline in spite of the circumstances is fast.
        assert_eq!(answer(side(100.0, 0.025), poor), (Answer::Passed, None));
        assert_eq!(answer(side(130.0, 0.025), poor), (Answer::CannotTell, Some(Doubt::NewGrade)));
    }

    #[test]
    fn a_change_between_modes_that_were_seen_is_no_regression() {
        let two_modes = |value: f64| Side { slowest_mode: 0.56, ..side(value, 0.025) };
        assert_eq!(answer(two_modes(88.0), side(49.0, 0.025)), (Answer::CannotTell, Some(Doubt::Modes)));
        assert_eq!(answer(side(88.0, 0.025), two_modes(70.0)), (Answer::CannotTell, Some(Doubt::Modes)));
        // Slower than both modes is slower.
        assert_eq!(answer(two_modes(88.0), side(40.0, 0.025)), (Answer::Regressed, None));
        // A baseline that met the slow mode alone would hide what the fast one lost.
        assert_eq!(answer(side(49.0, 0.025), two_modes(80.0)), (Answer::CannotTell, Some(Doubt::Modes)));
        assert_eq!(answer(two_modes(88.0), two_modes(88.0)), (Answer::Passed, None));
    }

    #[test]
    fn runs_whose_samples_overlap_are_not_told_apart() {
        let (baseline, slow) = (side(100.0, 0.025), side(88.0, 0.025));
        assert_eq!(answer(baseline, slow), (Answer::Regressed, None));
        let fast = Side { fast_end: 1.09, ..slow };
        assert_eq!(answer(baseline, fast), (Answer::CannotTell, Some(Doubt::Samples)));
        let noisy = Side { slow_end: 0.91, ..baseline };
        assert_eq!(answer(noisy, slow), (Answer::CannotTell, Some(Doubt::Samples)));
        assert_eq!(answer(Side { slow_end: 0.97, ..baseline }, slow), (Answer::Regressed, None));
    }

    #[test]
    fn few_samples_do_not_single_one_out_of_many() {
        assert!((chance_apart(5, 5) - 1.0 / 252.0).abs() < 1e-15);
        assert!((chance_apart(8, 8) - 1.0 / 12870.0).abs() < 1e-15);
        let few = chance_apart(5, 5);
        assert_eq!(stand(&[few], 1), [true]);
        assert_eq!(stand(&[few], 100), [false]);
        assert_eq!(stand(&[few, chance_apart(20, 20)], 100), [false, true]);
        // Many that are found together are no chance.
        assert_eq!(stand(&[few; 60], 100), [true; 60]);
        assert_eq!(stand(&[], 100), [false; 0]);
    }

    #[test]
    fn the_tolerance_needed_is_the_one_that_passes() {
        for (one, other) in [(side(100.0, 0.025), side(97.0, 0.04)), (side(100.0, 0.1), side(120.0, 0.03))] {
            let needed = tolerance_needed(&one, &other);
            let answer = |tolerance: f64| decide(&one, &other, tolerance).answer;
            assert_eq!(answer(needed + 1e-9), Answer::Passed, "{needed}");
            assert!(needed > 0.02);
        }
    }
}
