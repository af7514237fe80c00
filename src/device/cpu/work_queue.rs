//! Who works on what: every thread has its own share of the items, in order, and helps the others when it is through.
//!
//! Shares keep a thread's memory accesses sequential and its own; helping keeps a slow thread from holding up the rest. Where each
//! thread works on memory of its own, nobody can help; there, threads of unequal speed take repetitions from a common stock instead.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One thread's share, on cache lines of its own.
#[repr(align(128))]
struct Share {
    items: Range<usize>,
    next: AtomicUsize,
}

/// The items of one repetition.
pub(super) struct WorkQueue {
    shares: Vec<Share>,
}

impl WorkQueue {
    /// `items` items, shared out evenly among `threads`.
    pub(super) fn new(items: usize, threads: usize) -> WorkQueue {
        let share = |thread: usize| {
            let items = items * thread / threads..items * (thread + 1) / threads;
            Share { next: AtomicUsize::new(items.start), items }
        };
        WorkQueue { shares: (0..threads).map(share).collect() }
    }

    /// All items are to be done again. For one thread, while the others wait at a barrier.
    pub(super) fn reset(&self) {
        for share in &self.shares {
            share.next.store(share.items.start, Ordering::Relaxed);
        }
    }

    /// The next item for `thread`: its own, then others'; none when all are taken.
    pub(super) fn claim(&self, thread: usize) -> Option<usize> {
        let count = self.shares.len();
        (0..count).find_map(|turn| {
            let share = &self.shares[(thread + turn) % count];
            // A glance first: counting an empty share up for ever would only bother its owner.
            if share.next.load(Ordering::Relaxed) >= share.items.end {
                return None;
            }
            let item = share.next.fetch_add(1, Ordering::Relaxed);
            share.items.contains(&item).then_some(item)
        })
    }
}

/// A thread takes at most this share of what its even share of the stock would be: so long the others wait for it at most.
const TAKEN_SHARE: u64 = 64;

/// Repetitions that threads of unequal speed do together, each as many as it can: all end nearly at once, and what was done in all is
/// known beforehand.
pub(super) struct Stock {
    left: AtomicU64,
    each: u64,
}

impl Stock {
    /// `total` repetitions for so many threads.
    pub(super) fn new(total: u64, threads: usize) -> Stock {
        let each = (total / (threads.max(1) as u64 * TAKEN_SHARE)).max(1);
        Stock { left: AtomicU64::new(total), each }
    }

    /// The next repetitions for the thread that asks; none when all are taken.
    pub(super) fn take(&self) -> Option<u64> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left > 0).then(|| left.saturating_sub(self.each))
        });
        taken.ok().map(|left| left.min(self.each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two fast cores and two that take four times as long, in turns of simulated time: none waits for another for longer than one
    /// taking.
    #[test]
    fn cores_of_unequal_speed_end_together() {
        let seconds_of_one = [1.0, 1.0, 4.0, 4.0];
        let total = 10_000_u64;
        let stock = Stock::new(total, seconds_of_one.len());
        let (mut clock, mut done) = ([0.0_f64; 4], [0_u64; 4]);
        loop {
            let next = (0..4).min_by(|&a, &b| clock[a].total_cmp(&clock[b])).unwrap();
            let Some(taken) = stock.take() else { break };
            clock[next] += taken as f64 * seconds_of_one[next];
            done[next] += taken;
        }
        assert_eq!(done.iter().sum::<u64>(), total);
        let end = clock.iter().copied().fold(0.0, f64::max);
        // Together they do 2.5 in a second; an even share would wait 10 000 seconds for the slow ones.
        let ideal = total as f64 / 2.5;
        assert!(end < ideal * 1.05, "{end} {ideal}");
        assert!(done[0] > 3 * done[2], "{done:?}");
        assert_eq!(stock.take(), None);
    }

    #[test]
    fn a_stock_is_given_out_once() {
        for total in [0, 1, 63, 1000] {
            let stock = Stock::new(total, 3);
            let mut taken = 0;
            std::thread::scope(|scope| {
                let takers: Vec<_> =
                    (0..3).map(|_| scope.spawn(|| std::iter::from_fn(|| stock.take()).sum::<u64>())).collect();
                taken = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
            });
            assert_eq!(taken, total);
        }
    }

    #[test]
    fn every_item_is_given_out_once_own_ones_first() {
        for (items, threads) in [(0, 1), (1, 3), (7, 2), (10, 4)] {
            let queue = WorkQueue::new(items, threads);
            for _ in 0..2 {
                queue.reset();
                let mut given: Vec<usize> = std::iter::from_fn(|| queue.claim(threads - 1)).collect();
                if items >= threads {
                    assert_eq!(given[0], items * (threads - 1) / threads, "the own share comes first");
                }
                assert_eq!(queue.claim(0), None);
                given.sort_unstable();
                assert_eq!(given, (0..items).collect::<Vec<_>>());
            }
        }
    }
}
