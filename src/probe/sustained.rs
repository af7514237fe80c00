//! What lasts: the same work for half a minute without a pause. Heat, power budgets and quotas take from a burst what they
//! do not let a device keep.

use super::Question;
use crate::job::Job;
use crate::profile::{Curve, Effort, Machine};

/// How long a ceiling must be held.
const WINDOWS: usize = 60;
/// Long beside the periods in which clocks and quotas are governed (a quota's is 0.1 s).
const WINDOW_SECONDS: f64 = 0.5;
/// Each ceiling that is held, and the burst that it is held against.
const HELD: [(&str, &str); 3] = [
    ("compute.f32.sustained", "compute.f32"),
    ("memory.dram.read_sustained", "memory.dram.read"),
    ("memory.vram.read_sustained", "memory.vram.read"),
];

/// One ceiling that is to be held.
#[derive(Clone, Debug, PartialEq)]
pub struct LongQuestion {
    /// The question; its candidates are those of the burst.
    pub question: Question,
    /// The ceiling whose winner is held.
    pub burst: &'static str,
    /// Passes in a row.
    pub windows: usize,
    /// The least duration of each.
    pub window_seconds: f64,
}

/// Every ceiling that is to be held on `machine`: at thorough effort only, since it takes a minute.
pub fn sustained(machine: &Machine, curves: &[Curve], effort: Effort) -> Vec<LongQuestion> {
    if effort < Effort::Thorough {
        return Vec::new();
    }
    let plan = super::plan(machine, curves, effort);
    let held = |(id, burst): (&str, &'static str)| {
        let of = plan.iter().find(|question| question.id == burst)?;
        let job = |job: &Job| Job { ceiling: id.to_owned(), ..job.clone() };
        let candidates = of.candidates.iter().map(job).collect();
        let question = Question { id: id.to_owned(), candidates, ..of.clone() };
        Some(LongQuestion { question, burst, windows: WINDOWS, window_seconds: WINDOW_SECONDS })
    };
    HELD.into_iter().filter_map(held).collect()
}

/// The burst that the ceiling named `id` is held against, if it is one that is held.
pub(super) fn burst_of(id: &str) -> Option<&'static str> {
    HELD.into_iter().find(|(held, _)| *held == id).map(|(_, burst)| burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    #[test]
    fn only_a_thorough_measurement_asks_what_lasts() {
        let machine = machine();
        assert!(sustained(&machine, &[], Effort::Standard).is_empty());
        let questions = sustained(&machine, &[], Effort::Thorough);
        // A processor has no memory of a GPU's.
        assert_eq!(questions.len(), HELD.len() - 1);
        for long in questions {
            assert!(!long.question.candidates.is_empty());
            assert!(long.question.candidates.iter().all(|job| job.ceiling == long.question.id));
            assert_eq!(burst_of(&long.question.id), Some(long.burst));
        }
        assert_eq!(burst_of("compute.f32"), None);
    }
}
