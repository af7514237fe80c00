//! Routines: jobs made ready on the GPU, and how their time is taken.

use super::context::{Context, Outcome, Times};
use crate::device::Refusal;
use crate::work::Work;

/// One job made ready: buffers filled, pipeline built.
pub(super) trait Routine {
    /// The work of one repetition.
    fn work(&self) -> Work;

    /// How many repetitions one dispatch can do at most: a power of two. What takes much less time than a dispatch costs
    /// repeats within the shader.
    fn fold_max(&self) -> u32 {
        1
    }

    /// Encodes `repetitions`, at most `fold` of them in one dispatch; `fold` is a power of two up to [`Routine::fold_max`].
    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32);

    /// Spoils what is left of earlier results.
    ///
    /// # Errors
    /// Those of the device.
    fn prepare(&mut self, context: &Context) -> Outcome<()>;

    /// Whether the results of all repetitions since [`Routine::prepare`] are those of the oracle.
    ///
    /// # Errors
    /// Those of the device.
    fn verify(&mut self, context: &Context, repetitions: u64) -> Outcome<bool>;

    /// Whether verifying costs little, and is done at every pass. Otherwise it is done once in a while.
    fn verifies_at_once(&self) -> bool {
        false
    }
}

/// A number that a job has to name, 1 or more.
///
/// # Errors
/// Skipped, when it does not.
pub(super) fn named(value: Option<u32>, what: &str) -> Result<u32, Refusal> {
    value.filter(|&n| n > 0).ok_or_else(|| Refusal::Skipped(format!("the job names no {what}")))
}

/// Calls `dispatch` with slots such that the sum of their 2^slot is `repetitions`, none above `fold`.
pub(super) fn folded(repetitions: u64, fold: u32, mut dispatch: impl FnMut(u32)) {
    let top = fold.max(1).ilog2();
    for _ in 0..repetitions >> top {
        dispatch(top);
    }
    for slot in (0..top).rev().filter(|slot| repetitions >> slot & 1 == 1) {
        dispatch(slot);
    }
}

/// A submission lasts no longer than this as planned: drivers reset a GPU after seconds, and a desktop wants to be drawn.
const SUBMISSION_S: f64 = 0.1;
/// And a dispatch no longer than this.
const DISPATCH_S: f64 = 0.01;
/// Timestamps must agree with the wall clock within this share,
const STAMPS_SHARE: f64 = 0.15;
/// or within so many seconds: submitting and noticing the end take that long.
const STAMPS_SLACK_S: f64 = 0.5e-3;
/// From so many seconds on they are held against each other.
const CHECKED_FROM_S: f64 = 5e-3;
/// So often in a row they must be apart: once may be somebody else's doing.
const APART_MAX: u32 = 3;
/// N repetitions less N/2 are about half of N. A difference beyond this share of it is noise.
const DIFFERENCE_SHARE: std::ops::Range<f64> = 0.35..0.75;

/// How a job's time is taken, and what is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pacing {
    /// Seconds of one repetition, as last seen.
    each_s: Option<f64>,
    /// Why the timestamps are not believed.
    pub(super) by_difference: Option<&'static str>,
    /// How often in a row they were apart from the wall clock.
    apart: u32,
}

/// What was timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timing {
    pub(super) seconds: f64,
    /// The repetitions that took so long.
    pub(super) repetitions: u64,
    /// All that were executed, these included.
    pub(super) executed: u64,
    /// The two clocks were apart: something came between.
    pub(super) disturbed: bool,
}

impl Pacing {
    /// Times `repetitions` of `routine`, in submissions of bounded length; none is planned longer than `limit` of the usual.
    pub(super) fn time(
        &mut self,
        context: &Context,
        routine: &dyn Routine,
        repetitions: u64,
        limit: f64,
    ) -> Outcome<Timing> {
        let mut executed = 0;
        if self.each_s.is_none() {
            // The first dispatch may compile the shader, and would tell nothing.
            for _ in 0..2 {
                let times = self.submit(context, routine, 1, limit)?;
                self.each_s = Some(times.stamps.unwrap_or(times.wall));
                executed += 1;
            }
        }
        let whole = self.run(context, routine, repetitions, limit)?;
        executed += repetitions;
        let apart = self.judge(whole, context.timestamp_period_ns().is_some());
        let stamps = whole.stamps.filter(|_| self.by_difference.is_none());
        let (seconds, counted) = match stamps {
            // Of two clocks that are apart the slower one cannot make a rate that is not there.
            Some(seconds) if apart => (seconds.max(whole.wall), repetitions),
            Some(seconds) => (seconds, repetitions),
            None if repetitions < 2 || self.by_difference.is_none() => (whole.wall, repetitions),
            // What submitting and waiting cost is in both, and cancels.
            None => {
                let half = repetitions / 2;
                let part = self.run(context, routine, half, limit)?;
                executed += half;
                let difference = whole.wall - part.wall;
                match DIFFERENCE_SHARE.contains(&(difference / whole.wall)) {
                    true => (difference, repetitions - half),
                    false => (whole.wall, repetitions),
                }
            }
        };
        self.each_s = Some(seconds / counted as f64);
        Ok(Timing { seconds, repetitions: counted, executed, disturbed: apart && self.by_difference.is_none() })
    }

    /// Holds the two clocks against each other; without timestamps there is but one. Returns whether they are apart.
    fn judge(&mut self, times: Times, has_stamps: bool) -> bool {
        if !has_stamps {
            self.by_difference = Some("there are no timestamps");
            return false;
        }
        // Timestamps that do not advance are as wrong as those that tell another time. Short passes say nothing.
        let apart = times.wall >= CHECKED_FROM_S && times.stamps.is_none_or(|stamps| apart(times.wall, stamps));
        self.apart = if apart { self.apart + 1 } else { 0 };
        if self.apart >= APART_MAX {
            self.by_difference = Some("the timestamps are apart from it by more than 15 %, again and again");
        }
        apart
    }

    fn run(&self, context: &Context, routine: &dyn Routine, repetitions: u64, limit: f64) -> Outcome<Times> {
        let mut sum = Times { wall: 0.0, stamps: Some(0.0) };
        let mut left = repetitions;
        while left > 0 {
            let each_s = self.each_s.unwrap_or(SUBMISSION_S).max(1e-12);
            let part = ((SUBMISSION_S * limit / each_s) as u64).clamp(1, left);
            let times = self.submit(context, routine, part, limit)?;
            sum.wall += times.wall;
            sum.stamps = sum.stamps.zip(times.stamps).map(|(a, b)| a + b);
            left -= part;
        }
        Ok(sum)
    }

    /// How many repetitions one dispatch may do.
    pub(super) fn fold(&self, routine: &dyn Routine, limit: f64) -> u32 {
        let Some(each_s) = self.each_s else { return 1 };
        let fits = (DISPATCH_S * limit / each_s.max(1e-12)).clamp(1.0, f64::from(routine.fold_max()));
        1 << (fits as u32).ilog2()
    }

    fn submit(&self, context: &Context, routine: &dyn Routine, repetitions: u64, limit: f64) -> Outcome<Times> {
        let fold = self.fold(routine, limit);
        context.time(|pass| routine.encode(pass, repetitions, fold))
    }
}

/// Whether the timestamps are apart from the wall clock by more than what submitting and waiting take.
fn apart(wall: f64, stamps: f64) -> bool {
    let apart = wall - stamps;
    let believed = apart <= (STAMPS_SHARE * wall).max(STAMPS_SLACK_S) && -apart <= STAMPS_SHARE * wall;
    !believed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_add_up() {
        for (repetitions, fold) in [(1, 1), (7, 1), (7, 4), (1000, 256), (64, 64), (3, 1024)] {
            let (mut sum, mut most) = (0, 0);
            folded(repetitions, fold, |slot| {
                sum += 1_u64 << slot;
                most = most.max(1_u32 << slot);
            });
            assert_eq!(sum, repetitions);
            assert!(most <= fold);
        }
    }

    #[test]
    fn timestamps_are_believed_near_the_wall_clock_only() {
        assert!(!apart(0.010, 0.0096));
        assert!(apart(0.010, 0.005) && apart(0.010, 0.020));
    }

    #[test]
    fn one_disagreement_is_a_disturbance_and_three_in_a_row_are_a_clock_that_lies() {
        let times = |wall, stamps| Times { wall, stamps };
        let (good, bad, none) = (times(0.010, Some(0.0099)), times(0.010, Some(0.005)), times(0.010, None));
        let short = times(0.001, None);
        let mut pacing = Pacing::default();
        for (seen, is_apart) in [(bad, true), (none, true), (good, false), (bad, true), (short, false), (bad, true)] {
            assert_eq!(pacing.judge(seen, true), is_apart);
            assert_eq!(pacing.by_difference, None);
        }
        pacing.judge(none, true);
        pacing.judge(bad, true);
        assert!(pacing.by_difference.unwrap().contains("15 %"));
        let mut without = Pacing::default();
        assert!(!without.judge(none, false) && without.by_difference.is_some());
    }
}
