//! What lasts: the same work for half a minute without a pause. Heat, power budgets and quotas take from a burst what they
//! do not let a device keep.

use super::{Question, Scope};
use crate::job::Job;
use crate::profile::{CeilingId, Curve, Effort, Machine, Means, MemoryLevel};
use roofprobe_kernels::{Dtype, Op};

/// How long a ceiling must be held.
const WINDOWS: usize = 60;
/// Long beside the periods in which clocks and quotas are governed (a quota's is 0.1 s).
const WINDOW_SECONDS: f64 = 0.5;
/// The ceilings that are held, as they are called where they are not.
fn bursts() -> [CeilingId; 3] {
    let [dram, vram] = [MemoryLevel::Dram, MemoryLevel::Vram].map(|level| CeilingId::memory(level, Op::Read));
    [CeilingId::compute(Dtype::F32, Means::Best), dram, vram]
}

/// One ceiling that is to be held.
#[derive(Clone, Debug, PartialEq)]
pub struct LongQuestion {
    /// The question; its candidates are those of the burst.
    pub question: Question,
    /// The ceiling whose winner is held.
    pub burst: CeilingId,
    /// Passes in a row.
    pub windows: usize,
    /// The least duration of each.
    pub window_seconds: f64,
}

/// Every ceiling that is to be held on `machine`: at thorough effort only, since it takes a minute.
pub fn sustained(machine: &Machine, curves: &[Curve], scope: impl Into<Scope>) -> Vec<LongQuestion> {
    let scope = scope.into();
    if scope.effort < Effort::Thorough {
        return Vec::new();
    }
    let plan = super::plan(machine, curves, scope);
    let held = |burst: CeilingId| {
        let (of, id) = (plan.iter().find(|question| question.id == burst)?, burst.sustained()?);
        let job = |job: &Job| Job { ceiling: id.clone(), ..job.clone() };
        let candidates = of.candidates.iter().map(job).collect();
        let question = Question { id, candidates, ..of.clone() };
        Some(LongQuestion { question, burst, windows: WINDOWS, window_seconds: WINDOW_SECONDS })
    };
    bursts().into_iter().filter_map(held).collect()
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
        assert_eq!(questions.len(), bursts().len() - 1);
        for long in questions {
            assert!(!long.question.candidates.is_empty());
            assert!(long.question.candidates.iter().all(|job| job.ceiling == long.question.id));
            assert_eq!(long.question.id.burst().as_ref(), Some(&long.burst));
        }
    }
}
