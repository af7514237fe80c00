//! One pass of the team: when each thread began and ended, and what it saw.

use super::team::{Members, SpinBarrier, Team};
use super::topology::Taken;
use super::worker_state::{WorkerState, clock_hz, waited_s};
use crate::device::{Refusal, Timing};
use crate::units::Seconds;
use crate::work::Work;
use std::time::Instant;

/// What one thread saw of one pass.
struct Span {
    start_s: f64,
    end_s: f64,
    /// How long it waited for its core meanwhile.
    waited_s: f64,
    seen: Seen,
}

/// What one thread saw after a pass.
pub(super) struct Seen {
    pub(super) clock_hz: Option<f64>,
    pub(super) right: bool,
}

/// A thread that waits for its core longer than this share of a pass shares it with somebody.
const WAITED_SHARE_MAX: f64 = 0.02;

/// Times `run` on `active` members of `team` at once, from the barrier to the end of the last one. What `prepare`
/// gives goes to `run`, and what that gives to `conclude`; neither of the outer two is timed, nor are the readings that `run` takes
/// of the worker's paired clock.
///
/// # Errors
/// Skipped when a member of the team has died.
pub(super) fn timed<A, B>(
    team: &Team,
    active: &Members,
    prepare: impl Fn(&mut WorkerState) -> A + Send + Sync + 'static,
    run: impl Fn(&mut WorkerState, A, &SpinBarrier) -> B + Send + Sync + 'static,
    conclude: impl Fn(&mut WorkerState, B) -> Seen + Send + Sync + 'static,
) -> Result<Spans, Refusal> {
    let origin = Instant::now();
    let active = active.clone();
    let before = Taken::now();
    let spans = team.run(move |worker, barrier| {
        if !active.has(worker.index()) {
            barrier.wait();
            return None;
        }
        let prepared = prepare(worker);
        let waited_before = waited_s();
        worker.clock().begin();
        barrier.wait();
        let start_s = origin.elapsed().as_secs_f64();
        let result = run(worker, prepared, barrier);
        let end_s = origin.elapsed().as_secs_f64() - worker.clock().seconds();
        let waited_s = waited_s() - waited_before;
        Some(Span { start_s, end_s, waited_s, seen: conclude(worker, result) })
    });
    let spans = spans.map_err(Refusal::Skipped)?.into_iter().flatten().collect();
    Ok(Spans { spans, taken: Taken::now().more_than(before) })
}

/// The clock of a pass, from a reading before it and one taken now. Interruptions only ever make the clock look slower: the
/// faster reading is the nearer one.
pub(super) fn clock_around(before: Option<f64>) -> Option<f64> {
    before.zip(clock_hz()).map(|(before, after)| before.max(after))
}

/// What all threads saw of one pass.
pub(super) struct Spans {
    spans: Vec<Span>,
    /// The hypervisor or the quota took CPU time meanwhile.
    taken: bool,
}

impl Spans {
    /// The pass; `None` when a thread's result was wrong.
    pub(super) fn pass(&self, repetitions: u64, work: Work) -> Option<Timing> {
        let spans = &self.spans;
        if spans.is_empty() || spans.iter().any(|span| !span.seen.right) {
            return None;
        }
        let start = spans.iter().map(|s| s.start_s).fold(f64::INFINITY, f64::min);
        let end = spans.iter().map(|s| s.end_s).fold(0.0, f64::max);
        let waited = spans.iter().map(|s| s.waited_s).fold(0.0, f64::max);
        let clocks: Option<Vec<f64>> = spans.iter().map(|s| s.seen.clock_hz).collect();
        Some(Timing {
            seconds: Seconds(end - start),
            repetitions,
            work,
            clock_hz: clocks.map(|all| all.iter().sum::<f64>() / all.len() as f64),
            disturbed: self.taken || waited > WAITED_SHARE_MAX * (end - start),
            ..Timing::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_lasts_from_the_first_start_to_the_last_end() {
        let span = |(start_s, end_s): (f64, f64)| Span {
            start_s,
            end_s,
            waited_s: 0.0,
            seen: Seen { clock_hz: None, right: true },
        };
        for (spans, seconds) in [
            (vec![(1.0, 3.0)], 2.0),
            (vec![(1.0, 3.0), (1.0, 3.0)], 2.0),
            // Threads that took turns on one core did not do more.
            (vec![(1.0, 3.0), (3.0, 5.0)], 4.0),
        ] {
            let spans = Spans { spans: spans.into_iter().map(span).collect(), taken: false };
            assert_eq!(spans.pass(1, Work::default()).unwrap().seconds, Seconds(seconds));
        }
    }
}
