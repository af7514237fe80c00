//! Whether two logical CPUs that the system calls cores are two cores: virtual machines may show two hardware threads of
//! one core as two.
//!
//! Two kernels tell it together. f32 multiply-adds fill a core's pipes, which siblings share: two threads come to about what one
//! does alone. Additions that wait for each other leave the pipes idle, so that siblings come to twice as much, as two cores do. Where
//! neither comes to more, the two take turns on one hardware thread, or somebody else has the other one.

use super::spans::{Seen, timed};
use super::team::{Members, SpinBarrier, Team};
use super::worker_state::WorkerState;
use crate::device::Refusal;
use crate::work::Work;
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::clock::dependent_adds;

/// The best that was seen of the first thread alone and of two together, of each kernel. Interruptions only ever slow a
/// pass, so that the best of each is the nearest to the truth; passes that were seen to be interrupted do not count at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scaling {
    arithmetic: Pair,
    latency: Pair,
}

/// Rounds per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pair {
    alone: f64,
    together: f64,
}

/// A kernel that tells siblings from cores.
#[derive(Clone, Copy)]
enum Teller {
    Arithmetic(ChainKernel),
    Latency,
}

/// Passes tried for one that nobody interrupts.
const TRIES: usize = 5;
/// Rounds of a pass: one to three milliseconds, less than a time slice.
const ROUNDS: u64 = 200;
/// Dependent additions of a round: as long as a round of the chain, or nearly.
const ADDS_OF_ROUND: u64 = 20_000;

impl Scaling {
    /// Looks once more: some ten milliseconds, up to five times as long where others interrupt.
    ///
    /// # Errors
    /// When a member of the team has died.
    pub(super) fn look(&mut self, team: &Team, kernel: ChainKernel) -> Result<(), Refusal> {
        let pair = pair(team);
        self.arithmetic.look(team, &pair, Teller::Arithmetic(kernel))?;
        self.latency.look(team, &pair, Teller::Latency)
    }

    /// Two together against one alone, in arithmetic that fills the pipes; `None` before both were seen without an interruption.
    pub(super) fn ratio(self) -> Option<f64> {
        self.arithmetic.ratio()
    }

    /// The same of additions that wait for each other.
    pub(super) fn latency_ratio(self) -> Option<f64> {
        self.latency.ratio()
    }
}

impl Pair {
    fn look(&mut self, team: &Team, pair: &Members, teller: Teller) -> Result<(), Refusal> {
        for (active, best) in [(&team.first(1), &mut self.alone), (pair, &mut self.together)] {
            for _ in 0..TRIES {
                if let Some(rate) = rate(team, teller, active)? {
                    *best = best.max(rate);
                    break;
                }
            }
        }
        Ok(())
    }

    fn ratio(self) -> Option<f64> {
        (self.alone > 0.0 && self.together > 0.0).then(|| self.together / self.alone)
    }
}

/// The first member and the one on the CPU with the next number: if any two share a core, these do. Threads that follow one another
/// may lie in different caches.
fn pair(team: &Team) -> Members {
    let cpus: Vec<u32> = team.cores().iter().map(|core| core.id as u32).collect();
    let first = cpus.first().copied().unwrap_or(0);
    let near = cpus.iter().copied().filter(|&cpu| cpu != first).min_by_key(|&cpu| cpu.abs_diff(first));
    near.and_then(|near| team.on(&[first, near])).unwrap_or_else(|| team.first(2))
}

/// Rounds per second of `active` members together; `None` when a thread was interrupted or its result wrong.
fn rate(team: &Team, teller: Teller, active: &Members) -> Result<Option<f64>, Refusal> {
    let prepare = move |worker: &mut WorkerState| {
        if let Teller::Arithmetic(kernel) = teller {
            worker.prepare_chain(kernel);
        }
    };
    let run = move |worker: &mut WorkerState, (), _: &SpinBarrier| match teller {
        Teller::Arithmetic(kernel) => {
            worker.chain(kernel, ROUNDS);
            true
        }
        Teller::Latency => dependent_adds(ROUNDS * ADDS_OF_ROUND).is_some(),
    };
    let conclude = move |worker: &mut WorkerState, ran: bool| Seen {
        clock_hz: None,
        right: match teller {
            Teller::Arithmetic(kernel) => worker.verify_chain(kernel, ROUNDS),
            Teller::Latency => ran,
        },
    };
    let pass = timed(team, active, prepare, run, conclude)?.pass(ROUNDS, Work::default());
    let pass = pass.filter(|pass| !pass.disturbed);
    Ok(pass.map(|pass| ROUNDS as f64 * active.count() as f64 / pass.seconds.0))
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
        let pair = Pair { alone: 1e18, together: 1.9e18 };
        let unreachable = Scaling { arithmetic: pair, latency: pair };
        let mut scaling = unreachable;
        scaling.look(&team, kernel).unwrap();
        assert_eq!((scaling, scaling.ratio()), (unreachable, Some(1.9)));
    }
}
