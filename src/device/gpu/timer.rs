//! How the time of a routine is taken: in submissions of bounded length, by timestamps that are held against the host's clock.

use super::context::{Context, GpuResult};
use super::routines::Routine;
use super::timestamps::ClockReadings;
use web_time::Instant;

/// A submission lasts no longer than this as planned: drivers reset a GPU after seconds, and a desktop wants to be drawn.
pub(super) const SUBMISSION_S: f64 = 0.1;
/// And a dispatch no longer than this.
const DISPATCH_S: f64 = 0.01;
/// Timestamps must agree with the wall clock within this share,
const STAMPS_SHARE: f64 = 0.15;
/// or within so many seconds: submitting and noticing the end take that long.
const STAMPS_SLACK_S: f64 = 0.5e-3;
/// From so many seconds on they are held against each other.
const CHECKED_FROM_S: f64 = 5e-3;
/// After so many disagreements in a row they are not believed: one may be another process's doing.
const APART_MAX: u32 = 3;
/// N repetitions less N/2 are about half of N. A difference beyond this share of it is noise.
const DIFFERENCE_SHARE: std::ops::Range<f64> = 0.35..0.75;

/// Times one job, and keeps what earlier passes of it showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Timer {
    /// Seconds of one repetition, as last seen.
    each_s: Option<f64>,
    /// Why the timestamps are not believed.
    pub(super) by_difference: Option<&'static str>,
    /// How often in a row they were apart from the wall clock.
    apart: u32,
}

/// The time of some repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Elapsed {
    pub(super) seconds: f64,
    /// The repetitions that took so long.
    pub(super) repetitions: u64,
    /// All that were executed, these included.
    pub(super) executed: u64,
    /// The two clocks were apart: something came between.
    pub(super) disturbed: bool,
}

impl Timer {
    /// Times `repetitions` of `routine`, in submissions of bounded length; none is planned longer than `limit` of the usual.
    pub(super) fn time(
        &mut self,
        context: &Context,
        routine: &mut dyn Routine,
        repetitions: u64,
        limit: f64,
    ) -> GpuResult<Elapsed> {
        if routine.is_timed_by_host() {
            let begun = Instant::now();
            for _ in 0..repetitions {
                routine.execute(context)?;
            }
            let seconds = begun.elapsed().as_secs_f64();
            return Ok(Elapsed { seconds, repetitions, executed: repetitions, disturbed: false });
        }
        let mut executed = self.begin(context, routine)?;
        let whole = self.run(context, routine, repetitions, limit)?;
        executed += repetitions;
        let apart = self.judge(whole, context.timestamp_period_ns().is_some());
        let timestamps = whole.timestamps.filter(|_| self.by_difference.is_none());
        let (seconds, counted) = match timestamps {
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
        Ok(Elapsed { seconds, repetitions: counted, executed, disturbed: apart && self.by_difference.is_none() })
    }

    /// Runs it twice where it never ran. Returns how often it did.
    fn begin(&mut self, context: &Context, routine: &dyn Routine) -> GpuResult<u64> {
        if self.each_s.is_some() {
            return Ok(0);
        }
        // The first dispatch may compile the shader, so its time means nothing.
        for _ in 0..2 {
            let readings = context.time(|pass| routine.encode(pass, 1, 1))?;
            self.each_s = Some(readings.timestamps.unwrap_or(readings.wall));
        }
        Ok(2)
    }

    /// Keeps the GPU at work with `routine` for so many seconds, whose results count for nothing.
    pub(super) fn warm(&mut self, context: &Context, routine: &dyn Routine, seconds: f64, limit: f64) -> GpuResult<()> {
        let begun = Instant::now();
        self.begin(context, routine)?;
        while begun.elapsed().as_secs_f64() < seconds {
            let each_s = self.each_s.unwrap_or(SUBMISSION_S).max(1e-12);
            self.run(context, routine, ((SUBMISSION_S * limit / each_s) as u64).max(1), limit)?;
        }
        Ok(())
    }

    /// The seconds of one submission that are believed, and whether the two clocks were apart: then the slower one.
    pub(super) fn believed(&mut self, readings: ClockReadings, has_timestamps: bool) -> (f64, bool) {
        let apart = self.judge(readings, has_timestamps);
        match readings.timestamps.filter(|_| self.by_difference.is_none()) {
            Some(seconds) if apart => (seconds.max(readings.wall), true),
            Some(seconds) => (seconds, false),
            None => (readings.wall, apart && self.by_difference.is_none()),
        }
    }

    /// Compares the two clocks. Returns whether they disagree; without timestamps there is only one.
    fn judge(&mut self, readings: ClockReadings, has_timestamps: bool) -> bool {
        if !has_timestamps {
            self.by_difference = Some("there are no timestamps");
            return false;
        }
        // Timestamps that do not advance are wrong too. Short passes prove nothing.
        let apart =
            readings.wall >= CHECKED_FROM_S && readings.timestamps.is_none_or(|seconds| apart(readings.wall, seconds));
        self.apart = if apart { self.apart + 1 } else { 0 };
        if self.apart >= APART_MAX {
            self.by_difference = Some("the timestamps are apart from it by more than 15 %, again and again");
        }
        apart
    }

    fn run(&self, context: &Context, routine: &dyn Routine, repetitions: u64, limit: f64) -> GpuResult<ClockReadings> {
        let mut sum = ClockReadings { wall: 0.0, timestamps: Some(0.0) };
        let mut left = repetitions;
        while left > 0 {
            let each_s = self.each_s.unwrap_or(SUBMISSION_S).max(1e-12);
            let part = ((SUBMISSION_S * limit / each_s) as u64).clamp(1, left);
            let fold = self.fold(routine.fold_max(), limit);
            let readings = context.time(|pass| routine.encode(pass, part, fold))?;
            sum.wall += readings.wall;
            sum.timestamps = sum.timestamps.zip(readings.timestamps).map(|(a, b)| a + b);
            left -= part;
        }
        Ok(sum)
    }

    /// How many repetitions one dispatch may do.
    pub(super) fn fold(&self, fold_max: u32, limit: f64) -> u32 {
        let Some(each_s) = self.each_s else { return 1 };
        let fits = (DISPATCH_S * limit / each_s.max(1e-12)).clamp(1.0, f64::from(fold_max));
        1 << (fits as u32).ilog2()
    }
}

/// Whether the timestamps are apart from the wall clock by more than what submitting and waiting take.
fn apart(wall: f64, timestamps: f64) -> bool {
    let apart = wall - timestamps;
    let believed = apart <= (STAMPS_SHARE * wall).max(STAMPS_SLACK_S) && -apart <= STAMPS_SHARE * wall;
    !believed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_believed_near_the_wall_clock_only() {
        assert!(!apart(0.010, 0.0096));
        assert!(apart(0.010, 0.005) && apart(0.010, 0.020));
    }

    #[test]
    fn one_disagreement_is_a_disturbance_and_three_in_a_row_are_a_clock_that_lies() {
        let times = |wall, timestamps| ClockReadings { wall, timestamps };
        let (good, bad, none) = (times(0.010, Some(0.0099)), times(0.010, Some(0.005)), times(0.010, None));
        let short = times(0.001, None);
        let mut timer = Timer::default();
        for (seen, is_apart) in [(bad, true), (none, true), (good, false), (bad, true), (short, false), (bad, true)] {
            assert_eq!(timer.judge(seen, true), is_apart);
            assert_eq!(timer.by_difference, None);
        }
        timer.judge(none, true);
        timer.judge(bad, true);
        assert!(timer.by_difference.unwrap().contains("15 %"));
        let mut without = Timer::default();
        assert!(!without.judge(none, false) && without.by_difference.is_some());
    }
}
