//! Whether two logical CPUs that the system calls cores are two cores: virtual machines may show two hardware threads of
//! one core as two. Arithmetic that fills a core's pipes shows it: siblings share them.

use super::spans::{Seen, timed};
use super::team::{SpinBarrier, Team};
use super::worker_state::WorkerState;
use crate::device::Refusal;
use crate::work::Work;
use roofprobe_kernels::ops::chain::ChainKernel;

/// The best that was seen of the first thread alone and of the first two together. Interruptions only ever slow a pass, so
/// that the best of each is the nearest to the truth; passes that were seen to be interrupted do not count at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scaling {
    /// Rounds per second.
    alone: f64,
    together: f64,
}

/// Passes tried for one that nobody interrupts.
const TRIES: usize = 5;
/// Rounds of a pass: one to three milliseconds, less than a time slice.
const ROUNDS: u64 = 200;

impl Scaling {
    /// Looks once more: some five milliseconds, up to five times as long where others interrupt.
    ///
    /// # Errors
    /// When a member of the team has died.
    pub(super) fn look(&mut self, team: &Team, kernel: ChainKernel) -> Result<(), Refusal> {
        for (active, best) in [(1, &mut self.alone), (2, &mut self.together)] {
            for _ in 0..TRIES {
                if let Some(rate) = rate(team, kernel, active)? {
                    *best = best.max(rate);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Two together against one alone; `None` before both were seen without an interruption.
    pub(super) fn ratio(self) -> Option<f64> {
        (self.alone > 0.0 && self.together > 0.0).then(|| self.together / self.alone)
    }
}

/// Rounds per second of the first `active` members together; `None` when a thread was interrupted or its result wrong.
fn rate(team: &Team, kernel: ChainKernel, active: usize) -> Result<Option<f64>, Refusal> {
    let prepare = move |worker: &mut WorkerState| worker.prepare_chain(kernel);
    let run = move |worker: &mut WorkerState, (), _: &SpinBarrier| worker.chain(kernel, ROUNDS);
    let conclude =
        move |worker: &mut WorkerState, ()| Seen { clock_hz: None, right: worker.verify_chain(kernel, ROUNDS) };
    let pass = timed(team, active, prepare, run, conclude)?.pass(ROUNDS, Work::default());
    let pass = pass.filter(|pass| !pass.disturbed);
    Ok(pass.map(|pass| ROUNDS as f64 * active as f64 / pass.seconds.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::{Dtype, Isa, Op};

    #[test]
    fn the_best_of_each_side_counts() {
        let core = core_affinity::get_core_ids().unwrap()[0];
        let team = Team::new(&[core, core]).unwrap();
        let kernel = ChainKernel::find(Op::Chain, Dtype::F32, Isa::Portable).unwrap();
        let mut scaling = Scaling::default();
        assert_eq!(scaling.ratio(), None);
        scaling.look(&team, kernel).unwrap();
        assert!(scaling.ratio().is_none_or(|ratio| ratio.is_finite() && ratio > 0.0));
        let unreachable = Scaling { alone: 1e18, together: 1.9e18 };
        let mut scaling = unreachable;
        scaling.look(&team, kernel).unwrap();
        assert_eq!((scaling, scaling.ratio()), (unreachable, Some(1.9)));
    }
}
