//! Keys and values of an attention: made by all threads, each some of the heads, then read by all.

use crate::device::Refusal;
use crate::device::cpu::{Cpu, arena, skipped};
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::attention::Head;
use roofprobe_kernels::reference::{Random, attention as oracle};

/// Halves that are made up for one head's cache; a prime number, so that no two rows are alike.
const STRETCH_HALVES: usize = 16_381;

/// Keys and values of one attention after another: a stretch of tokens is a cache, whatever its length.
pub(in crate::device::cpu) struct Pool {
    head_dim: usize,
    pages: Pages,
    /// Tokens of each head.
    tokens: usize,
    /// By key/value head, each written by the thread that has the head's share of the work.
    heads: Vec<Cache>,
    huge_share: Option<f64>,
}

struct Cache {
    keys: Buffer,
    values: Buffer,
}

impl Cache {
    /// Random halves, written by the thread that calls: a stretch of them again and again, of a length that no head shares.
    fn new(head: &Head, pages: Pages, seed: u64) -> std::io::Result<Cache> {
        let mut random = Random::new(seed);
        let stretch: Vec<u16> = (0..STRETCH_HALVES).map(|_| oracle::random_half(&mut random)).collect();
        let filled = |elements: usize| {
            let mut buffer = Buffer::new(elements.div_ceil(4), pages, (seed as usize % 16) * 4096)?;
            for part in buffer.as_mut_halves().chunks_mut(stretch.len()) {
                part.copy_from_slice(&stretch[..part.len()]);
            }
            Ok::<Buffer, std::io::Error>(buffer)
        };
        Ok(Cache { keys: filled(head.key_elements())?, values: filled(head.value_elements())? })
    }
}

impl Cpu {
    /// Keys and values of as many tokens as the context of `head`.
    ///
    /// # Errors
    /// Skipped, when there is too little memory.
    pub(in crate::device::cpu) fn make_pool(&self, head: Head, kv_heads: usize, pages: Pages) -> Result<Pool, Refusal> {
        let size = self.team.size();
        let made = self.all(move |worker, _| {
            worker.clear_chases();
            let own = kv_heads * worker.index() / size..kv_heads * (worker.index() + 1) / size;
            own.map(|kv| Cache::new(&head, pages, kv as u64)).collect::<std::io::Result<Vec<Cache>>>()
        })?;
        let mut heads = Vec::with_capacity(kv_heads);
        for own in made {
            heads.extend(own.map_err(|e| skipped(&format!("keys and values could not be allocated: {e}")))?);
        }
        let huge_share = heads.first().and_then(|cache| arena::huge_share(&cache.keys));
        let Head { head_dim, context: tokens, .. } = head;
        Ok(Pool { head_dim, pages, tokens, heads, huge_share })
    }
}

impl Pool {
    /// Whether `kv_heads` heads with caches of `tokens` tokens are in it, on such pages.
    pub(in crate::device::cpu) fn serves(&self, head_dim: usize, kv_heads: usize, tokens: usize, pages: Pages) -> bool {
        (self.head_dim, self.heads.len(), self.pages) == (head_dim, kv_heads, pages) && self.tokens >= tokens
    }

    /// Key/value heads.
    pub(in crate::device::cpu) fn kv_heads(&self) -> usize {
        self.heads.len()
    }

    /// The share of huge pages.
    pub(in crate::device::cpu) fn huge_share(&self) -> Option<f64> {
        self.huge_share
    }

    /// The keys and the values of one key/value head: `head`'s cache, from a token of the pool on that begins a block of keys.
    pub(in crate::device::cpu) fn cache(&self, head: &Head, kv: usize, from_token: usize) -> (&[u16], &[u16]) {
        let Cache { keys, values } = &self.heads[kv];
        let from = self.head_dim * from_token;
        (&keys.as_halves()[from..][..head.key_elements()], &values.as_halves()[from..][..head.value_elements()])
    }
}
