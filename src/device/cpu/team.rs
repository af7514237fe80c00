//! A team of threads, each pinned to its core, that does one task at a time together.
//!
//! Each member owns its memory and touches it first. No thread is made or pinned while anything is timed; members sleep
//! between tasks and spin only at the barrier inside one.

use super::pinning;
use super::worker_state::WorkerState;
use core_affinity::CoreId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

type Task = Box<dyn FnOnce(&mut WorkerState) + Send>;

/// Pinned threads with their states.
pub(super) struct Team {
    cores: Vec<CoreId>,
    pinned: bool,
    members: Vec<Member>,
    barrier: Arc<SpinBarrier>,
}

struct Member {
    tasks: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Team {
    /// One thread per core named. Where the system refuses to pin one, all go where it wants.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn new(cores: &[CoreId]) -> Result<Team, String> {
        let barrier = Arc::new(SpinBarrier::new(cores.len()));
        let (pinned, answers) = channel();
        let mut members = Vec::with_capacity(cores.len());
        for (index, &core) in cores.iter().enumerate() {
            let (tasks, inbox): (Sender<Task>, Receiver<Task>) = channel();
            let pinned = pinned.clone();
            let guard = Poison(Arc::clone(&barrier));
            let work = move || {
                let _guard = guard;
                let mut worker = WorkerState::new(index);
                // The receiver may be gone when another member failed; then there is nothing left to do.
                let _ = pinned.send(pinning::pin(core));
                for task in inbox {
                    task(&mut worker);
                }
            };
            let thread = std::thread::Builder::new()
                .name(format!("roofprobe-{index}"))
                .spawn(work)
                .map_err(|e| format!("thread {index} cannot be started: {e}"))?;
            members.push(Member { tasks: Some(tasks), thread: Some(thread) });
        }
        let all_pinned = cores.iter().all(|_| answers.recv() == Ok(true));
        Ok(Team { cores: cores.to_vec(), pinned: all_pinned || !pinning::is_binding(), members, barrier })
    }

    /// The number of threads.
    pub(super) fn size(&self) -> usize {
        self.members.len()
    }

    /// Whether each member stays on its core.
    pub(super) fn pinned(&self) -> bool {
        self.pinned
    }

    /// The core of each member.
    pub(super) fn cores(&self) -> &[CoreId] {
        &self.cores
    }

    /// All members.
    pub(super) fn all(&self) -> Members {
        self.first(self.size())
    }

    /// The first `count` members.
    pub(super) fn first(&self, count: usize) -> Members {
        Members::of(&(0..count.min(self.size())).collect::<Vec<_>>(), self.size())
    }

    /// The members on these CPUs, in this order; `None` where one of the CPUs has none.
    pub(super) fn on(&self, cpus: &[u32]) -> Option<Members> {
        let member = |&cpu: &u32| self.cores.iter().position(|core| core.id == cpu as usize);
        let indices: Option<Vec<usize>> = cpus.iter().map(member).collect();
        Some(Members::of(&indices?, self.size()))
    }

    /// A barrier for so many members of this team.
    pub(super) fn barrier_of(&self, count: usize) -> SpinBarrier {
        SpinBarrier { poisoned: Arc::clone(&self.barrier.poisoned), ..SpinBarrier::new(count) }
    }

    /// Runs `task` on every member at once and collects the answers in the order of the members.
    ///
    /// # Errors
    /// When a member has died.
    pub(super) fn run<T: Send + 'static>(
        &self,
        task: impl Fn(&mut WorkerState, &SpinBarrier) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, String> {
        let task = Arc::new(task);
        let inboxes: Vec<Receiver<T>> = self
            .members
            .iter()
            .filter_map(|member| {
                let (answer, inbox) = channel();
                let (task, barrier) = (Arc::clone(&task), Arc::clone(&self.barrier));
                let work: Task = Box::new(move |worker| {
                    let said = task(worker, &barrier);
                    // What the task holds is given back before it is called done: its memory may be wanted again.
                    drop(task);
                    let _ = answer.send(said);
                });
                member.tasks.as_ref()?.send(work).ok()?;
                Some(inbox)
            })
            .collect();
        if inboxes.len() != self.members.len() {
            return Err("a measuring thread has died".to_owned());
        }
        inboxes.iter().map(|inbox| inbox.recv().map_err(|_| "a measuring thread has died".to_owned())).collect()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.tasks = None;
        }
        for member in &mut self.members {
            if let Some(thread) = member.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// Which members of a team take part in a job, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Members {
    /// Of each member of the team.
    ranks: Arc<[Option<usize>]>,
    count: usize,
}

impl Members {
    fn of(indices: &[usize], size: usize) -> Members {
        let rank = |index: usize| indices.iter().position(|&known| known == index);
        Members { ranks: (0..size).map(rank).collect(), count: indices.len() }
    }

    /// How many take part.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The place of that member among those that take part.
    pub(super) fn rank(&self, index: usize) -> Option<usize> {
        self.ranks.get(index).copied().flatten()
    }

    /// Whether that member takes part.
    pub(super) fn has(&self, index: usize) -> bool {
        self.rank(index).is_some()
    }
}

/// Held by every member: one that dies lets the others go instead of leaving them at the barrier for ever.
struct Poison(Arc<SpinBarrier>);

impl Drop for Poison {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poisoned.store(true, Ordering::Release);
        }
    }
}

/// A barrier that spins: its cost is tens of nanoseconds where a sleeping one costs tens of microseconds.
pub(super) struct SpinBarrier {
    size: usize,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    /// Of all barriers of a team.
    poisoned: Arc<AtomicBool>,
}

/// Spins before giving the core away once: only a machine with fewer cores than threads gets that far.
const SPINS_MAX: u32 = 1 << 20;

impl SpinBarrier {
    fn new(size: usize) -> SpinBarrier {
        SpinBarrier { size, arrived: AtomicUsize::new(0), generation: AtomicUsize::new(0), poisoned: Arc::default() }
    }

    /// Returns when all members have called it.
    ///
    /// # Panics
    /// Silently, when another member has died: this one ends too, and [`Team::run`] reports it.
    pub(super) fn wait(&self) {
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            std::hint::spin_loop();
            spins += 1;
            if self.poisoned.load(Ordering::Relaxed) {
                std::panic::resume_unwind(Box::new("another member of the team died"));
            }
            if spins == SPINS_MAX {
                std::thread::yield_now();
                spins = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_answers_in_order_and_waits_for_the_others() {
        let cores: Vec<_> = core_affinity::get_core_ids().unwrap().into_iter().take(2).collect();
        let team = Team::new(&cores).unwrap();
        let counter = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&counter);
        let size = team.size();
        let seen = team
            .run(move |_, barrier| {
                shared.fetch_add(1, Ordering::SeqCst);
                barrier.wait();
                shared.load(Ordering::SeqCst)
            })
            .unwrap();
        assert_eq!(seen, vec![size; size]);
        assert_eq!(counter.load(Ordering::SeqCst), size);
    }

    #[test]
    fn a_dead_member_is_reported() {
        let cores: Vec<_> = core_affinity::get_core_ids().unwrap().into_iter().take(1).collect();
        let team = Team::new(&cores).unwrap();
        let died = team.run(|_, _| -> () { std::panic::resume_unwind(Box::new("on purpose")) });
        assert!(died.is_err());
        assert!(team.run(|_, _| ()).is_err());
    }

    #[test]
    fn a_dead_member_does_not_keep_the_others_waiting() {
        let core = core_affinity::get_core_ids().unwrap()[0];
        // Two members on one core: also a machine with a single core has this test.
        let team = Team::new(&[core, core]).unwrap();
        let died = team.run(|worker, barrier| {
            if worker.index() == 0 {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            barrier.wait();
        });
        assert!(died.is_err());
    }
}
