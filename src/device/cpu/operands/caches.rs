//! Keys and values of an attention: made by all threads, each some of the heads, then read by all.

use super::Give;
use crate::device::Refusal;
use crate::device::cpu::worker_state::WorkerState;
use crate::device::cpu::{Cpu, arena, skipped};
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::attention::Head;
use roofprobe_kernels::reference::{Random, attention as oracle};
use std::ops::Range;

/// Halves that are made up for one head's cache; a prime number, so that no two rows are alike.
const STRETCH_HALVES: usize = 16_381;
/// Halves of a page.
const PAGE_HALVES: usize = 2048;

/// Keys and values of one attention after another: a stretch of tokens is a cache, whatever its length.
pub(in crate::device::cpu) struct Pool {
    head_dim: usize,
    pages: Pages,
    /// Tokens of each head.
    tokens: usize,
    kv_heads: usize,
    /// By thread: the keys and values of its heads.
    shares: Vec<Share>,
    /// Whether a row is key and value.
    shared: bool,
}

/// How keys and values lie.
#[derive(Clone, Copy)]
pub(in crate::device::cpu) struct Lying {
    /// On such pages.
    pub(in crate::device::cpu) pages: Pages,
    /// A row is key and value, as the latents of multi-head latent attention are.
    pub(in crate::device::cpu) shared: bool,
    /// In memory of this kind.
    pub(in crate::device::cpu) give: Give,
}

/// The heads whose work is a thread's share, each written by it.
struct Share {
    heads: Range<usize>,
    memory: Buffer,
    /// Where keys and values of each head begin, halves.
    keys_and_values: Vec<[usize; 2]>,
    huge_share: Option<f64>,
}

impl Cpu {
    /// Keys and values of as many tokens as the context of `head`.
    ///
    /// # Errors
    /// Skipped, when there is too little memory.
    pub(in crate::device::cpu) fn make_pool(&self, head: Head, kv_heads: usize, lying: Lying) -> Result<Pool, Refusal> {
        let size = self.team.size();
        let made = self.all(move |worker, _| {
            let own = kv_heads * worker.index() / size..kv_heads * (worker.index() + 1) / size;
            Share::new(worker, &head, own, lying)
        })?;
        let shares: Vec<Share> = made
            .into_iter()
            .collect::<std::io::Result<_>>()
            .map_err(|e| skipped(&format!("keys and values could not be allocated: {e}")))?;
        let Head { head_dim, context: tokens, .. } = head;
        Ok(Pool { head_dim, pages: lying.pages, tokens, kv_heads, shares, shared: lying.shared })
    }
}

impl Share {
    /// Random halves, written by the thread that calls: for each head a stretch of them again and again, of a length that no row of a
    /// head has.
    fn new(worker: &mut WorkerState, head: &Head, heads: Range<usize>, lying: Lying) -> std::io::Result<Share> {
        let mut at = 0;
        let mut next = |elements: usize| {
            // Each begins at another page, so that they do not compete for the same cache sets.
            let from = at;
            at = (at + elements).next_multiple_of(PAGE_HALVES) + PAGE_HALVES;
            from
        };
        let keys_and_values: Vec<[usize; 2]> =
            heads.clone().map(|_| [next(head.key_elements()), next(own_values(head, lying.shared))]).collect();
        let mut memory = (lying.give)(worker, lying.pages, at * 2)?;
        for (kv, [keys, values]) in heads.clone().zip(&keys_and_values) {
            let mut random = Random::new(kv as u64);
            let stretch: Vec<u16> = (0..STRETCH_HALVES).map(|_| oracle::random_half(&mut random)).collect();
            for (from, elements) in [(*keys, head.key_elements()), (*values, own_values(head, lying.shared))] {
                for part in memory.as_mut_halves()[from..][..elements].chunks_mut(stretch.len()) {
                    part.copy_from_slice(&stretch[..part.len()]);
                }
            }
        }
        let huge_share = arena::huge_share(&memory);
        Ok(Share { heads, memory, keys_and_values, huge_share })
    }
}

/// Halves of values that are not their keys.
fn own_values(head: &Head, shared: bool) -> usize {
    if shared { 0 } else { head.value_elements() }
}

impl Pool {
    /// Whether `kv_heads` heads with caches of as many tokens as the context of `head` are in it, on such pages.
    pub(super) fn serves(&self, head: Head, shared: bool, kv_heads: usize, pages: Pages) -> bool {
        let alike = (self.head_dim, self.kv_heads, self.pages, self.shared) == (head.head_dim, kv_heads, pages, shared);
        alike && self.tokens >= head.context
    }

    /// Key/value heads.
    pub(in crate::device::cpu) fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// The share of huge pages.
    pub(in crate::device::cpu) fn huge_share(&self) -> Option<f64> {
        self.shares.iter().filter_map(|share| share.huge_share).reduce(f64::min)
    }

    /// The memory that they lie in, by thread.
    pub(super) fn into_memory(self) -> (Pages, Vec<Buffer>) {
        (self.pages, self.shares.into_iter().map(|share| share.memory).collect())
    }

    /// The keys and the values of one key/value head: `head`'s cache, from a token of the pool on that begins a block of keys.
    pub(in crate::device::cpu) fn cache(&self, head: &Head, kv: usize, from_token: usize) -> (&[u16], &[u16]) {
        let share = &self.shares[self.shares.partition_point(|share| share.heads.end <= kv)];
        let [keys, values] = share.keys_and_values[kv - share.heads.start].map(|at| at + self.head_dim * from_token);
        let values = if self.shared { keys } else { values };
        let halves = share.memory.as_halves();
        (&halves[keys..][..head.key_elements()], &halves[values..][..head.value_elements()])
    }
}
