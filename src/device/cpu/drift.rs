//! How far the machine's speed moves over a run: readings of a reference chain, one at each renewal of the memory.

use crate::device::Timing;

/// Undisturbed passes that make a reading.
const PASSES: usize = 3;
/// Passes tried for them. A core that somebody shares is at half its rate for a time slice, and one that slept is slow at first.
const TRIES: usize = 9;

/// The readings so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drift {
    /// Operations per second.
    rates: Vec<f64>,
}

impl Drift {
    /// Takes a reading: the best of a few passes that nobody disturbed, or where there is none, of all. Interruptions and a
    /// sleeping clock only ever slow a pass. Nothing when `pass` can give none.
    pub(super) fn read(&mut self, mut pass: impl FnMut() -> Option<Timing>) {
        let (mut undisturbed, mut any) = (Vec::new(), 0.0_f64);
        for _ in 0..TRIES {
            let Some(pass) = pass() else { return };
            let rate = (pass.work.flops / pass.seconds).0;
            any = any.max(rate);
            undisturbed.extend((!pass.disturbed).then_some(rate));
            if undisturbed.len() == PASSES {
                break;
            }
        }
        self.rates.push(undisturbed.into_iter().reduce(f64::max).unwrap_or(any));
    }

    /// The best reading of the later half against that of the earlier one, percent; `None` of fewer than two. A single slow
    /// reading, whichever it is, moves neither.
    pub(super) fn percent(&self) -> Option<f64> {
        let (earlier, later) = self.rates.split_at_checked(self.rates.len() / 2)?;
        let best = |rates: &[f64]| rates.iter().copied().reduce(f64::max);
        Some((best(later)? / best(earlier)? - 1.0) * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Flops, Seconds};
    use crate::work::Work;

    fn pass(rate: f64, disturbed: bool) -> Option<Timing> {
        let work = Work { flops: Flops(rate), ..Work::default() };
        Some(Timing { seconds: Seconds(1.0), work, disturbed, ..Timing::default() })
    }

    fn of(readings: &[f64]) -> Option<f64> {
        let mut drift = Drift::default();
        readings.iter().for_each(|&rate| drift.read(|| pass(rate, false)));
        drift.percent()
    }

    #[test]
    fn a_slow_first_reading_is_no_drift() {
        // As it was once reported: + 102.6 %, where the machine was quiet.
        assert!(of(&[262.0, 531.0, 530.0, 531.0]).unwrap().abs() < 0.01);
        assert_eq!(of(&[100.0]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_machine_that_slows_down_drifts() {
        assert!((of(&[100.0, 99.0, 92.0, 90.0]).unwrap() + 8.0).abs() < 1e-9);
        assert!((of(&[100.0, 90.0]).unwrap() + 10.0).abs() < 1e-9);
    }

    #[test]
    fn disturbed_passes_count_only_where_there_are_no_others() {
        let mut drift = Drift::default();
        let mut passes =
            [(50.0, true), (99.0, false), (60.0, true), (100.0, false), (98.0, false), (999.0, false)].into_iter();
        drift.read(|| passes.next().and_then(|(rate, disturbed)| pass(rate, disturbed)));
        drift.read(|| pass(70.0, true));
        assert_eq!(drift.rates, [100.0, 70.0]);
        drift.read(|| None);
        assert_eq!(drift.rates.len(), 2);
    }
}
