//! Whether two logical CPUs that the system calls cores are two cores: virtual machines may show two hardware threads of
//! one core as two. Arithmetic that fills a core's pipes tells: siblings share them.

use super::team::{SpinBarrier, Team};
use roofprobe_kernels::ops::chain::ChainKernel;
use std::time::Instant;

/// The best that was seen of the first thread alone and of the first two together. Interruptions only ever slow a pass, so
/// that the best of each is the nearest to the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scaling {
    /// Rounds per second.
    alone: f64,
    together: f64,
}

impl Scaling {
    /// Looks once more: some ten milliseconds.
    ///
    /// # Errors
    /// When a member of the team has died.
    pub(super) fn look(&mut self, team: &Team, kernel: ChainKernel, rounds: u64) -> Result<(), String> {
        self.alone = self.alone.max(rate(team, kernel, rounds, 1)?);
        self.together = self.together.max(rate(team, kernel, rounds, 2)?);
        Ok(())
    }

    /// Two together against one alone; `None` before the first look.
    pub(super) fn ratio(self) -> Option<f64> {
        (self.alone > 0.0 && self.together > 0.0).then(|| self.together / self.alone)
    }
}

/// Rounds per second of the first `active` members together; 0 when a result was wrong.
fn rate(team: &Team, kernel: ChainKernel, rounds: u64, active: usize) -> Result<f64, String> {
    let origin = Instant::now();
    let spans = team.run(move |bench, barrier: &SpinBarrier| {
        bench.prepare_chain(kernel);
        barrier.wait();
        if bench.index() >= active {
            return None;
        }
        let begun = origin.elapsed().as_secs_f64();
        bench.chain(kernel, rounds);
        let ended = origin.elapsed().as_secs_f64();
        Some((begun, if bench.verify_chain(kernel, rounds) { ended } else { f64::INFINITY }))
    })?;
    Ok(rounds as f64 * per_second(&spans))
}

/// How many were done per second, from the first start to the last end: threads that took turns on one core did not do more.
fn per_second(spans: &[Option<(f64, f64)>]) -> f64 {
    let spans: Vec<(f64, f64)> = spans.iter().flatten().copied().collect();
    let begun = spans.iter().map(|span| span.0).fold(f64::INFINITY, f64::min);
    let ended = spans.iter().map(|span| span.1).fold(0.0, f64::max);
    spans.len() as f64 / (ended - begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::{Dtype, Isa};

    #[test]
    fn threads_that_took_turns_did_not_do_more() {
        assert_eq!(per_second(&[Some((1.0, 3.0)), None]), 0.5);
        assert_eq!(per_second(&[Some((1.0, 3.0)), Some((1.0, 3.0))]), 1.0);
        assert_eq!(per_second(&[Some((1.0, 3.0)), Some((3.0, 5.0))]), 0.5);
        assert_eq!(per_second(&[Some((1.0, f64::INFINITY))]), 0.0);
    }

    #[test]
    fn the_best_of_each_side_counts() {
        let core = core_affinity::get_core_ids().unwrap()[0];
        let team = Team::new(&[core, core]).unwrap();
        let kernel = ChainKernel::find(Dtype::F32, Isa::Portable).unwrap();
        let mut scaling = Scaling::default();
        assert_eq!(scaling.ratio(), None);
        scaling.look(&team, kernel, 20).unwrap();
        assert!(scaling.ratio().is_some_and(f64::is_finite));
        let unreachable = Scaling { alone: 1e18, together: 1.9e18 };
        let mut scaling = unreachable;
        scaling.look(&team, kernel, 20).unwrap();
        assert_eq!((scaling, scaling.ratio()), (unreachable, Some(1.9)));
    }
}
