//! Whether two logical CPUs that the system calls cores are two cores: virtual machines may show two hardware threads of
//! one core as two. Arithmetic that fills a core's pipes tells: siblings share them.

use super::WAITED_SHARE_MAX;
use super::team::{SpinBarrier, Team};
use super::topology::Taken;
use super::worker_state::waited_s;
use roofprobe_kernels::ops::chain::ChainKernel;
use std::time::Instant;

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
    pub(super) fn look(&mut self, team: &Team, kernel: ChainKernel) -> Result<(), String> {
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
fn rate(team: &Team, kernel: ChainKernel, active: usize) -> Result<Option<f64>, String> {
    let origin = Instant::now();
    let before = Taken::now();
    let spans = team.run(move |worker, barrier: &SpinBarrier| {
        worker.prepare_chain(kernel);
        barrier.wait();
        if worker.index() >= active {
            return None;
        }
        let waited_before = waited_s();
        let begun = origin.elapsed().as_secs_f64();
        worker.chain(kernel, ROUNDS);
        let ended = origin.elapsed().as_secs_f64();
        let shared = waited_s() - waited_before > WAITED_SHARE_MAX * (ended - begun);
        Some((begun, ended, !shared && worker.verify_chain(kernel, ROUNDS)))
    })?;
    let spans: Vec<_> = spans.into_iter().flatten().collect();
    let good = spans.iter().all(|&(.., good)| good) && !Taken::now().more_than(before);
    let spans: Vec<(f64, f64)> = spans.into_iter().map(|(begun, ended, _)| (begun, ended)).collect();
    Ok(good.then(|| ROUNDS as f64 * per_second(&spans)))
}

/// How many were done per second, from the first start to the last end: threads that took queue on one core did not do more.
fn per_second(spans: &[(f64, f64)]) -> f64 {
    let begun = spans.iter().map(|span| span.0).fold(f64::INFINITY, f64::min);
    let ended = spans.iter().map(|span| span.1).fold(0.0, f64::max);
    spans.len() as f64 / (ended - begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::{Dtype, Isa, Op};

    #[test]
    fn threads_that_took_turns_did_not_do_more() {
        assert_eq!(per_second(&[(1.0, 3.0)]), 0.5);
        assert_eq!(per_second(&[(1.0, 3.0), (1.0, 3.0)]), 1.0);
        assert_eq!(per_second(&[(1.0, 3.0), (3.0, 5.0)]), 0.5);
    }

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
