//! What it costs to bring sleeping threads to work. The team's own barrier spins; here threads really sleep, as the workers
//! of a pool do that gives its cores back between tasks.

use super::team::{SpinBarrier, Team};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// The first thread leaves the others this long to fall asleep before it calls them.
const UNTIL_ASLEEP: Duration = Duration::from_micros(20);

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// From waking every sleeper to the caller's own waking by the last one that has done its (empty) task.
    ForkJoin,
    /// From waking one sleeper until it runs.
    Wakeup,
}

/// Where the threads meet: the caller is member 0.
struct Meeting {
    origin: Instant,
    threads: Vec<OnceLock<Thread>>,
    /// Which call it is; sleepers wait for it to change.
    call: AtomicU64,
    /// Sleepers that have not answered the present call.
    pending: AtomicUsize,
    /// When the sleeper ran, ns since the origin.
    awake_ns: AtomicU64,
}

/// Seconds that `calls` calls took in all, without the time in between.
///
/// # Errors
/// When a member of the team has died.
pub(super) fn seconds(team: &Team, what: Call, calls: u64) -> Result<f64, String> {
    let size = match what {
        Call::ForkJoin => team.size(),
        Call::Wakeup => team.size().min(2),
    };
    let meeting = Arc::new(Meeting {
        origin: Instant::now(),
        threads: (0..size).map(|_| OnceLock::new()).collect(),
        call: AtomicU64::new(0),
        pending: AtomicUsize::new(0),
        awake_ns: AtomicU64::new(0),
    });
    let answers = team.run(move |worker, barrier: &SpinBarrier| {
        let index = worker.index();
        if let Some(place) = meeting.threads.get(index) {
            let _ = place.set(std::thread::current());
        }
        barrier.wait();
        match index {
            0 => meeting.call_all(what, calls),
            index if index < size => meeting.answer_all(calls),
            _ => 0.0,
        }
    })?;
    Ok(answers.iter().sum())
}

impl Meeting {
    /// The caller's side. Returns the seconds that its calls took.
    fn call_all(&self, what: Call, calls: u64) -> f64 {
        let mut took = 0.0;
        for call in 1..=calls {
            let pause = Instant::now();
            while pause.elapsed() < UNTIL_ASLEEP {
                std::hint::spin_loop();
            }
            self.pending.store(self.threads.len() - 1, Ordering::Relaxed);
            let begun = self.origin.elapsed();
            self.call.store(call, Ordering::Release);
            for thread in self.threads.iter().skip(1).filter_map(OnceLock::get) {
                thread.unpark();
            }
            while self.pending.load(Ordering::Acquire) > 0 {
                match what {
                    Call::ForkJoin => std::thread::park(),
                    // The caller stays awake: only the way there is timed.
                    Call::Wakeup => std::hint::spin_loop(),
                }
            }
            let ended = match what {
                Call::ForkJoin => self.origin.elapsed(),
                Call::Wakeup => Duration::from_nanos(self.awake_ns.load(Ordering::Relaxed)),
            };
            took += ended.saturating_sub(begun).as_secs_f64();
        }
        took
    }

    /// A sleeper's side: it answers every call and sleeps again.
    fn answer_all(&self, calls: u64) -> f64 {
        for call in 1..=calls {
            while self.call.load(Ordering::Acquire) < call {
                std::thread::park();
            }
            self.awake_ns.store(self.origin.elapsed().as_nanos() as u64, Ordering::Relaxed);
            if self.pending.fetch_sub(1, Ordering::AcqRel) == 1
                && let Some(caller) = self.threads.first().and_then(OnceLock::get)
            {
                caller.unpark();
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_answered_whatever_the_size_of_the_team() {
        let core = core_affinity::get_core_ids().unwrap()[0];
        // All on one core: whoever did not sleep but spin would starve the others.
        for size in [2, 3] {
            let team = Team::new(&vec![core; size]).unwrap();
            for what in [Call::ForkJoin, Call::Wakeup] {
                assert!(seconds(&team, what, 3).unwrap() > 0.0, "{what:?} of {size}");
                assert_eq!(seconds(&team, what, 0).unwrap(), 0.0);
            }
        }
    }
}
