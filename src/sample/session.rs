//! A measurement under way: who is asked, how much, by which clock, and who watches.

use super::{Pace, Progress, Watcher};
use crate::device::Device;
use crate::profile::{Race, Unit};
use std::time::Duration;
use web_time::Instant;

/// Tells how long a measurement has been going on. A test has one of its own.
pub trait Clock {
    /// The time since the measurement began.
    fn elapsed(&self) -> Duration;
}

/// The time since that instant.
impl Clock for Instant {
    fn elapsed(&self) -> Duration {
        Instant::elapsed(self)
    }
}

/// A measurement under way.
pub struct Session<'s> {
    pub(super) device: &'s mut dyn Device,
    pub(super) pace: Pace,
    pub(super) watcher: &'s mut dyn Watcher,
    clock: Box<dyn Clock + 's>,
    /// Races of earlier measurements of the same machine.
    pub(super) races: &'s [Race],
    /// Time that is kept for what comes behind the budget.
    reserved: Duration,
    /// The share of the whole that was last shown.
    share: f64,
}

impl<'s> Session<'s> {
    /// A measurement of `device` that begins now.
    pub fn new(device: &'s mut dyn Device, pace: Pace, watcher: &'s mut dyn Watcher) -> Session<'s> {
        let pace = pace.by_timer(device.machine().environment.timer_ns);
        let clock = Box::new(Instant::now());
        let reserved = Duration::ZERO;
        Session { device, pace, watcher, clock, races: &[], reserved, share: 0.0 }
    }

    /// The same by another clock.
    #[must_use]
    pub fn by(self, clock: impl Clock + 's) -> Session<'s> {
        Session { clock: Box::new(clock), ..self }
    }

    /// The same with the races of earlier measurements of this machine: each is checked, and held again where it is overruled.
    #[must_use]
    pub fn remembering(self, races: &'s [Race]) -> Session<'s> {
        Session { races, ..self }
    }

    /// The same with so much time for what comes behind the budget, so that the share shown is of the whole.
    #[must_use]
    pub fn reserving(self, reserved: Duration) -> Session<'s> {
        Session { reserved, ..self }
    }

    /// The time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// How much of the budget is left.
    pub(super) fn left(&self) -> Duration {
        self.pace.budget.saturating_sub(self.elapsed())
    }

    /// Whether it goes by the clock; a replay does not.
    pub(super) fn is_timed(&self) -> bool {
        self.pace.budget != Duration::MAX
    }

    /// Tells the watcher what is being measured, where the rest is expected to take `left`.
    pub(super) fn progress(&mut self, left: Duration, now: &str, value: Option<(f64, Unit)>) {
        let left = (left + self.reserved).as_secs_f64();
        let elapsed = self.elapsed().as_secs_f64();
        self.show(elapsed / (elapsed + left).max(f64::MIN_POSITIVE), Some(left), now, value);
    }

    /// Tells the watcher what is being measured, and the share of the whole that is done, where there is no clock to tell.
    pub(super) fn step(&mut self, share: f64, now: &str, value: Option<(f64, Unit)>) {
        self.show(share, None, now, value);
    }

    /// What comes behind the budget begins.
    pub(super) fn spend_reserve(&mut self) {
        self.reserved = Duration::ZERO;
    }

    /// The share shown never falls: what was expected to take longer is done sooner, and the other way round.
    fn show(&mut self, share: f64, left: Option<f64>, now: &str, value: Option<(f64, Unit)>) {
        self.share = share.clamp(self.share, 1.0);
        let left = left.map(Duration::from_secs_f64);
        self.watcher.progress(&Progress { share: self.share, now, value, left });
    }
}
