//! The clock of a thread while a kernel runs: short stretches of the clock's own chain between stretches of the kernel.
//!
//! A core may run slower under wide vectors than before and after them, and needs a part of a millisecond to change. A reading
//! between two stretches of the kernel sees the clock that the kernel has.

use super::timer;
use roofprobe_kernels::ops::clock::dependent_adds;
use std::time::Instant;

/// Dependent additions of one reading: about 20 µs. Long beside the timer's own time, short beside that of a change of clock.
const ADDS: u64 = 80_000;
/// Readings of one pass: more would only take time.
const READINGS: u64 = 8;

/// The readings of one pass of one thread.
#[derive(Default)]
pub(super) struct PairedClock {
    readings: Vec<f64>,
    seconds: f64,
}

impl PairedClock {
    /// Forgets the pass before.
    pub(super) fn begin(&mut self) {
        self.readings.clear();
        self.seconds = 0.0;
    }

    /// Takes a reading.
    pub(super) fn read(&mut self) {
        let start = Instant::now();
        let adds = dependent_adds(ADDS);
        let seconds = start.elapsed().as_secs_f64();
        self.seconds += seconds;
        self.readings.extend(adds.filter(|_| timer::is_sure(seconds)).map(|adds| adds as f64 / seconds));
    }

    /// What the readings of this pass took, which is no part of the kernel's time.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The median of the readings, Hz: an interruption makes a reading slower, and must not decide.
    pub(super) fn hz(&mut self) -> Option<f64> {
        self.readings.sort_by(f64::total_cmp);
        self.readings.get(self.readings.len() / 2).copied()
    }
}

/// `repetitions` in stretches of about equal length, a reading following each.
pub(super) fn stretches(repetitions: u64) -> impl Iterator<Item = u64> {
    let count = repetitions.min(READINGS);
    (0..count).map(move |at| repetitions * (at + 1) / count - repetitions * at / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_even_and_leave_nothing_out() {
        for repetitions in [0, 1, 7, 8, 9, 1000, u64::MAX / 16] {
            let found: Vec<u64> = stretches(repetitions).collect();
            assert_eq!((found.iter().sum::<u64>(), found.len()), (repetitions, repetitions.min(READINGS) as usize));
            assert!(
                found.iter().max().zip(found.iter().min()).is_none_or(|(most, least)| most - least <= 1),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_pass_has_the_median_of_its_own_readings() {
        let mut clock = PairedClock::default();
        assert_eq!((clock.hz(), clock.seconds()), (None, 0.0));
        clock.readings = vec![3e9, 1e9, 4e9];
        assert_eq!(clock.hz(), Some(3e9));
        clock.begin();
        clock.read();
        assert!(clock.seconds() > 0.0 && clock.readings.len() <= usize::from(dependent_adds(1).is_some()));
    }
}
