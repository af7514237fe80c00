//! Two figures of one quantity, and whether the second is a regression of the first: the statistics of the gate.
//!
//! A run knows its value within an interval, and a gate must neither cry wolf nor be green because it saw nothing. So there are
//! three answers. **Regressed**: slower by more than the tolerance, the intervals lie apart, and so do the samples. **Passed**: not slower by more
//! than the tolerance, and a regression of twice the tolerance is outside of what both intervals allow. **Cannot tell**: the rest,
//! and whatever else would explain what was seen: circumstances that cost speed, or modes that the runs themselves showed.
//!
//! That samples lie apart is a test of its own (`chance`): of two runs with five samples each of one device, one pair in 252 has all of the
//! one above all of the other (Wilcoxon 1945). Where a hundred quantities are judged together, one such pair is to be expected, so that
//! findings have to stand together. Modes are held against their like: see [`decide`].

use super::chance::{apart, of_samples};
use crate::stats::upper_mode;
use schemars::JsonSchema;
use serde::Serialize;

/// The distance between modes may differ by this share between two runs that met the same modes.
const ALIKE_MIN: f64 = 0.95;
/// Samples of one quantity that are more probable than this by chance tell nothing: five of each run, all apart, are less.
const CHANCE_ALONE: f64 = 0.004;

/// A figure as a speed, so that more is better, with what has to be known to judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Its value.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// The modes that its samples showed, slowest first; none where they are of one kind.
    pub modes: Vec<f64>,
    /// Its samples, in the order in which they were taken; none where they are not known.
    pub samples: Vec<f64>,
    /// How many samples it is of.
    pub count: usize,
    /// Whether it is bound by memory that others use, too, so that a run may have met none but a slow mode of it.
    pub shared: bool,
    /// Whether the circumstances of the run are good enough. Poor ones cost speed and never add any.
    pub trusted: bool,
}

impl Side {
    /// The slowest mode, as a share of the value; 1 where there is one kind of samples.
    fn slowest_mode(&self) -> f64 {
        self.modes.first().map_or(1.0, |slowest| (slowest / self.value).min(1.0))
    }
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
    /// Slower, but bound by memory that others use, and the runs have not shown the same modes of it.
    Shared,
    /// Slower, but the samples of both runs may be so by chance.
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
            Doubt::Shared => {
                "slower, but other machines use this memory, too, and these runs did not meet the same modes of it"
            }
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
    /// How probable it is that samples of one device look so, where the new one is slower.
    pub chance: f64,
}

/// Judges `new` against `baseline`; `tolerance` is the share of the speed that may be lost.
///
/// Modes are held against their like. Where both runs showed the same ones (`same_modes`), all of them have to be slower. Where they did
/// not, the new figure has to be below the slowest mode that either showed, and what is bound by memory that others use is no regression.
pub fn decide(baseline: &Side, new: &Side, tolerance: f64) -> Decision {
    let ratio = new.value / baseline.value;
    let interval = [new.interval[0] / baseline.interval[1], new.interval[1] / baseline.interval[0]];
    let slower = ratio < 1.0 - tolerance;
    let chance = if slower { chance_of(baseline, new, tolerance) } else { 1.0 };
    let doubt = if slower {
        doubt_of_regression(baseline, new, tolerance, ratio, interval)
            .or((chance > CHANCE_ALONE).then_some(Doubt::Samples))
    } else {
        doubt_of_pass(baseline, new, tolerance, ratio, interval)
    };
    // Poor circumstances are the last thing to blame.
    let doubt = doubt.or((slower && !new.trusted).then_some(Doubt::NewGrade));
    let answer = match doubt {
        Some(_) => Answer::CannotTell,
        None if slower => Answer::Regressed,
        None => Answer::Passed,
    };
    Decision { answer, doubt, ratio, interval, chance }
}

/// What else would explain that the new figure is lower.
fn doubt_of_regression(baseline: &Side, new: &Side, tolerance: f64, ratio: f64, interval: [f64; 2]) -> Option<Doubt> {
    let between_modes = baseline.slowest_mode().min(new.slowest_mode());
    if same_modes(baseline, new) {
        // Like with like: whatever share of the time each had, all of them have to be slower.
        let all_slower = baseline.modes.iter().zip(&new.modes).all(|(old, new)| *new < old * (1.0 - tolerance));
        if !all_slower {
            return Some(Doubt::Modes);
        }
    } else if baseline.shared || new.shared {
        return Some(Doubt::Shared);
    } else if between_modes < 1.0 && ratio >= between_modes * (1.0 - tolerance) {
        return Some(Doubt::Modes);
    }
    (interval[1] >= 1.0).then_some(Doubt::Overlap)
}

/// Whether both runs showed several modes, equally far from each other: then each is the same one in both, and only their
/// shares are the neighbours' doing.
pub(super) fn same_modes(baseline: &Side, new: &Side) -> bool {
    let known = |side: &Side| side.modes.len() > 1 && !side.samples.is_empty();
    let ratios = || baseline.modes.iter().zip(&new.modes).map(|(old, new)| new / old);
    let (least, most) = ratios().fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
    known(baseline) && known(new) && baseline.modes.len() == new.modes.len() && least >= most * ALIKE_MIN
}

/// How probable it is that samples of one device look so: those of the upper modes, where both runs met the same; else the fastest that
/// the new run has against all that the baseline has, so that it has to be below every mode.
fn chance_of(baseline: &Side, new: &Side, tolerance: f64) -> f64 {
    if baseline.samples.is_empty() || new.samples.is_empty() {
        return apart(new.count, baseline.count);
    }
    let upper = upper_mode(&new.samples);
    if same_modes(baseline, new) {
        of_samples(&upper_mode(&baseline.samples), &upper, tolerance)
    } else {
        of_samples(&baseline.samples, &upper, tolerance)
    }
}

/// What could hide a regression although the new figure is not lower.
fn doubt_of_pass(baseline: &Side, new: &Side, tolerance: f64, ratio: f64, interval: [f64; 2]) -> Option<Doubt> {
    // The baseline may have met only a slow mode that the new run shows beside a faster one.
    let met_slow_mode = ratio > 1.0 + tolerance && ratio * new.slowest_mode() <= 1.0 + tolerance;
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
            modes: Vec::new(),
            samples: Vec::new(),
            count: 20,
            shared: false,
            trusted: true,
        }
    }

    /// Twelve samples, those of the slow mode first, within 1 % of each mode.
    fn of_modes<const N: usize>(modes: [f64; N]) -> Side {
        let samples =
            modes.iter().flat_map(|mode| (0..12).map(move |i| mode * (0.99 + f64::from(i) / 600.0))).collect();
        let modes = if N > 1 { modes.to_vec() } else { Vec::new() };
        Side { modes: modes.clone(), samples, ..side(modes.last().copied().unwrap_or(f64::NAN), 0.025) }
    }

    fn answer(baseline: Side, new: Side) -> (Answer, Option<Doubt>) {
        let decision = decide(&baseline, &new, TOLERANCE);
        (decision.answer, decision.doubt)
    }

    #[test]
    fn it_takes_the_tolerance_and_both_intervals_to_be_a_regression() {
        let baseline = || side(100.0, 0.025);
        assert_eq!(answer(baseline(), side(100.0, 0.025)), (Answer::Passed, None));
        assert_eq!(answer(baseline(), side(130.0, 0.025)), (Answer::Passed, None));
        assert_eq!(answer(baseline(), side(96.0, 0.025)), (Answer::Passed, None));
        assert_eq!(answer(baseline(), side(90.0, 0.025)), (Answer::Regressed, None));
        // Beyond the tolerance, but not beyond the intervals.
        assert_eq!(answer(baseline(), side(94.0, 0.05)), (Answer::CannotTell, Some(Doubt::Overlap)));
        // Beyond the intervals, but not beyond the tolerance.
        assert_eq!(answer(side(100.0, 0.005), side(96.0, 0.005)), (Answer::Passed, None));
    }

    #[test]
    fn what_could_hide_a_regression_is_not_green() {
        assert_eq!(answer(side(100.0, 0.08), side(100.0, 0.08)), (Answer::CannotTell, Some(Doubt::Wide)));
        assert_eq!(answer(side(100.0, 0.0), side(100.0, 0.2)), (Answer::CannotTell, Some(Doubt::Wide)));
        let poor = Side { trusted: false, ..side(100.0, 0.025) };
        assert_eq!(answer(poor.clone(), side(100.0, 0.025)), (Answer::CannotTell, Some(Doubt::BaselineGrade)));
        // Slower than even a hampered run is slower.
        assert_eq!(answer(poor.clone(), side(80.0, 0.025)), (Answer::Regressed, None));
        // As fast as the baseline in spite of the circumstances is fast.
        assert_eq!(answer(side(100.0, 0.025), poor.clone()), (Answer::Passed, None));
        assert_eq!(answer(side(130.0, 0.025), poor), (Answer::CannotTell, Some(Doubt::NewGrade)));
    }

    #[test]
    fn a_change_between_modes_that_were_seen_is_no_regression() {
        let two_modes = |value: f64| Side { modes: vec![0.56 * value, value], ..side(value, 0.025) };
        assert_eq!(answer(two_modes(88.0), side(49.0, 0.025)), (Answer::CannotTell, Some(Doubt::Modes)));
        assert_eq!(answer(side(88.0, 0.025), two_modes(70.0)), (Answer::CannotTell, Some(Doubt::Modes)));
        // Slower than both modes is slower.
        assert_eq!(answer(two_modes(88.0), side(40.0, 0.025)), (Answer::Regressed, None));
        // A baseline that met the slow mode alone would hide what the fast one lost.
        assert_eq!(answer(side(49.0, 0.025), two_modes(80.0)), (Answer::CannotTell, Some(Doubt::Modes)));
        assert_eq!(answer(two_modes(88.0), two_modes(88.0)), (Answer::Passed, None));
    }

    #[test]
    fn modes_are_held_against_their_like() {
        let baseline = || of_modes([49.0, 88.0]);
        assert_eq!(answer(baseline(), of_modes([44.1, 79.2])), (Answer::Regressed, None));
        assert_eq!(answer(baseline(), of_modes([49.0, 88.0])), (Answer::Passed, None));
        // The new run's upper mode is the baseline's lower one, and its lower one was not met before.
        assert_eq!(answer(baseline(), of_modes([42.0, 49.0])), (Answer::CannotTell, Some(Doubt::Modes)));
        // Both at the same distance, where only one is slower, do not occur: the distance tells.
        assert_eq!(answer(baseline(), of_modes([49.0, 79.2])), (Answer::CannotTell, Some(Doubt::Modes)));
        // Alike in their distance, within what it is told by, and only the upper one beyond the tolerance.
        assert_eq!(answer(baseline(), of_modes([47.0, 83.0])), (Answer::CannotTell, Some(Doubt::Modes)));
    }

    #[test]
    fn memory_that_others_use_is_blamed_for_modes_that_match_only() {
        let shared = |side: Side| Side { shared: true, ..side };
        let one = |value: f64| {
            shared(Side {
                modes: Vec::new(),
                value,
                interval: [value / 1.025, value * 1.025],
                ..of_modes([value, value])
            })
        };
        assert_eq!(answer(one(88.0), one(49.0)), (Answer::CannotTell, Some(Doubt::Shared)));
        assert_eq!(answer(one(88.0), one(88.0)), (Answer::Passed, None));
        let baseline = shared(of_modes([49.0, 88.0]));
        assert_eq!(answer(baseline.clone(), shared(of_modes([44.1, 79.2]))), (Answer::Regressed, None));
        assert_eq!(answer(baseline, shared(of_modes([40.0, 44.1]))), (Answer::CannotTell, Some(Doubt::Shared)));
    }

    #[test]
    fn runs_whose_samples_overlap_are_not_told_apart() {
        let (baseline, slow) = (side(100.0, 0.025), side(88.0, 0.025));
        assert_eq!(answer(baseline.clone(), slow.clone()), (Answer::Regressed, None));
        let sampled = |side: &Side, low: f64, high: f64| Side {
            samples: (0..5).map(|i| low + f64::from(i) * (high - low) / 4.0).collect(),
            count: 5,
            ..side.clone()
        };
        let steady = sampled(&baseline, 99.0, 101.0);
        assert_eq!(answer(steady.clone(), sampled(&slow, 86.0, 89.0)), (Answer::Regressed, None));
        assert_eq!(answer(steady, sampled(&slow, 86.0, 97.0)), (Answer::CannotTell, Some(Doubt::Samples)));
        assert_eq!(
            answer(sampled(&baseline, 90.0, 101.0), sampled(&slow, 86.0, 89.0)),
            (Answer::CannotTell, Some(Doubt::Samples))
        );
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
