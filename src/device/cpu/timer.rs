//! The clock that times everything: how fine it is, and what is too short for it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Readings in a row that may be the same: a tenth of a second and more, where the coarsest clock in use steps every 16 ms.
const READINGS_MAX: u32 = 1 << 22;
/// Steps that are looked at, as long as they take no more than this together.
const STEPS: usize = 1000;
const STEPS_AT_MOST: Duration = Duration::from_millis(20);
/// What is timed must be this many steps long, or the step shows.
const STEPS_SURE: f64 = 50.0;

/// The smallest step that is seen, s; `None` of a clock that stands still. Looked for once.
pub(super) fn step() -> Option<f64> {
    static STEP: OnceLock<Option<f64>> = OnceLock::new();
    *STEP.get_or_init(|| {
        let origin = Instant::now();
        smallest(|| origin.elapsed())
    })
}

/// Whether so many seconds are long enough to be timed.
pub(super) fn is_sure(seconds: f64) -> bool {
    step().is_some_and(|step| seconds >= STEPS_SURE * step)
}

fn smallest(mut now: impl FnMut() -> Duration) -> Option<f64> {
    let mut smallest: Option<Duration> = None;
    let first = now();
    for _ in 0..STEPS {
        let before = now();
        let after = (0..READINGS_MAX).map(|_| now()).find(|after| *after > before)?;
        let step = after - before;
        smallest = Some(smallest.map_or(step, |least| least.min(step)));
        if after - first > STEPS_AT_MOST {
            break;
        }
    }
    smallest.map(|step| step.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_that_of_the_clock_and_a_clock_that_stands_has_none() {
        let clock = |step_ns: u64| {
            let mut read = 0_u64;
            move || {
                read += 1;
                Duration::from_nanos(read * 25 / step_ns * step_ns)
            }
        };
        assert_eq!(smallest(clock(100)), Some(1e-7));
        assert_eq!(smallest(clock(4_000_000)), Some(0.004));
        assert_eq!(smallest(|| Duration::ZERO), None);
        assert!(is_sure(1.0) && !is_sure(0.0));
    }
}
