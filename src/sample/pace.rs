//! How much is sampled, and for how long.

use crate::profile::Effort;
use std::time::Duration;

/// When a measurement has enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The samples of every question have settled.
    Settled,
    /// A whole sweep over all questions improved none of them.
    Stable,
    /// The device has no more samples: the record that it replays is at its end.
    Exhausted,
}

/// How much is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// When it is enough.
    pub until: Until,
    /// Nothing that is expected to end after this time is begun; it counts from the start of the session's clock.
    pub budget: Duration,
    /// Samples at the first visit of a question.
    pub first_samples: usize,
    /// Samples at each later one.
    pub visit_samples: usize,
    /// A settled question has at least so many samples,
    pub samples_min: usize,
    /// taken in so many visits;
    pub visits_min: usize,
    /// and one that does not settle has no more than this.
    pub samples_max: usize,
    /// The least duration of one pass.
    pub pass_seconds: f64,
    /// The longest duration of the race for one question.
    pub race_seconds: f64,
    /// Samples per point of a curve.
    pub curve_passes: usize,
    /// The least duration of a pass at a point of a curve.
    pub curve_pass_seconds: f64,
}

impl Pace {
    /// The pace of an effort.
    pub fn of(effort: Effort) -> Pace {
        match effort {
            Effort::Quick => Pace {
                until: Until::Settled,
                budget: Duration::from_millis(14_600),
                first_samples: 5,
                visit_samples: 3,
                samples_min: 8,
                visits_min: 2,
                samples_max: 60,
                pass_seconds: 0.006,
                race_seconds: 0.12,
                curve_passes: 5,
                curve_pass_seconds: 0.002,
            },
            Effort::Standard => Pace {
                until: Until::Settled,
                budget: Duration::from_secs(118),
                first_samples: 5,
                visit_samples: 5,
                samples_min: 20,
                visits_min: 4,
                samples_max: 200,
                pass_seconds: 0.010,
                race_seconds: 0.8,
                curve_passes: 6,
                curve_pass_seconds: 0.003,
            },
            Effort::Thorough => Pace {
                until: Until::Settled,
                budget: Duration::from_secs(600),
                first_samples: 8,
                visit_samples: 8,
                samples_min: 120,
                visits_min: 12,
                samples_max: 1000,
                pass_seconds: 0.020,
                race_seconds: 2.0,
                curve_passes: 15,
                curve_pass_seconds: 0.006,
            },
        }
    }

    /// The pace of an effort on a GPU, where each sweep takes longer: a worker is started, shaders are compiled, arrays cross a
    /// bus.
    #[must_use]
    pub fn of_gpu(effort: Effort) -> Pace {
        let pace = Pace::of(effort);
        match effort {
            Effort::Quick => Pace { budget: Duration::from_secs(28), ..pace },
            Effort::Standard => Pace { budget: Duration::from_secs(120), ..pace },
            Effort::Thorough => pace,
        }
    }

    /// The pace of an effort on the GPU of a browser: each pass goes to another process and back, which must not show in it, and its
    /// clock is coarse.
    #[must_use]
    pub fn of_page(effort: Effort) -> Pace {
        let pace = Pace::of_gpu(effort);
        let budget = if effort == Effort::Quick { Duration::from_secs(65) } else { 2 * pace.budget };
        Pace { budget, pass_seconds: 0.02, curve_pass_seconds: 0.006, ..pace }
    }

    /// The pace of a replay: until the record is exhausted, however it was taken, and no clock.
    #[must_use]
    pub fn of_replay(effort: Effort) -> Pace {
        let until = Until::Exhausted;
        Pace { until, budget: Duration::MAX, visit_samples: REPLAY_SAMPLES, ..Pace::of(effort) }
    }

    /// The same pace by a clock of so many ns a step: a pass is long enough that a step does not show. A replay has no clock.
    #[must_use]
    pub(super) fn by_timer(self, timer_ns: f64) -> Pace {
        if self.budget == Duration::MAX {
            return self;
        }
        let least = |steps: f64| steps * timer_ns / 1e9;
        Pace {
            pass_seconds: self.pass_seconds.max(least(STEPS_MIN)),
            curve_pass_seconds: self.curve_pass_seconds.max(least(CURVE_STEPS_MIN)),
            ..self
        }
    }

    /// The same pace until nothing improves any more, for `limit` at most.
    #[must_use]
    pub fn until_stable(self, limit: Duration) -> Pace {
        Pace { until: Until::Stable, budget: limit, samples_max: SAMPLES_MAX, ..self }
    }
}

/// Steps of the clock in a pass, at least: it is 2 % of it then.
const STEPS_MIN: f64 = 50.0;
/// The same at a point of a curve, of which there are many, and whose levels are twice as fast as each other.
const CURVE_STEPS_MIN: f64 = 10.0;
/// A replay takes what there is: the fewer visits, the sooner it ends.
const REPLAY_SAMPLES: usize = 50;
/// No profile needs more samples of a question than this.
const SAMPLES_MAX: usize = 2000;
