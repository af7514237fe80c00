//! Who works on what: every thread has its own share of the items, in order, and helps the others when it is through.
//!
//! Shares keep a thread's memory accesses sequential and its own; helping keeps a slow thread from holding up the rest.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

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

#[cfg(test)]
mod tests {
    use super::*;

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
