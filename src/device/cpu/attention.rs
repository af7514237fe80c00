//! Attention jobs: one query token, or a whole prompt, over a key/value cache that lives in memory.
//!
//! A copy of the cache stands for a layer. Work is cut by key/value head and by parts of the context (decode) or of the prompt (prefill).

use super::Cpu;
use super::attended::Attended;
use super::operands::Pool;
use super::team::SpinBarrier;
use super::team_job::{TeamJob, extent};
use super::work_queue::WorkQueue;
use crate::device::Refusal;
use crate::profile::Attention;
use crate::work::Work;
use roofprobe_kernels::ops::attention::{KEY_BLOCK, PREFILL_ROWS, Partial};
use roofprobe_kernels::reference::{attention as oracle, matmul::tokens};
use roofprobe_kernels::{Dtype, Op};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Items for each thread, so that the last ones end nearly together.
const ITEMS_PER_THREAD: usize = 8;
/// The same of a prompt, whose later parts see more: four times as many items even that out.
const PROMPT_ITEMS_PER_THREAD: usize = 4 * ITEMS_PER_THREAD;
/// The oracle's answer and the kernel's agree within this share of the largest value in the cache, which is 1; in binary16 and bfloat16
/// within what the oracle says of it.
const TOLERANCE: f64 = 1e-4;
/// And within this relative error, which in binary16 is four times the usual one, and in bfloat16 three times: long contexts have small means.
const ERROR_MAX: f64 = 1e-3;
const ERROR_MAX_ROUNDED: f64 = 5e-3;

/// One attention job made ready.
pub(super) struct PreparedAttention {
    attended: Attended,
    /// Tokens whose queries attend: 1 for decode.
    queries: usize,
    pool: Arc<Pool>,
    /// How many caches of the job's length the pool is used as, one after another.
    copies: usize,
    /// Queries of each key/value head.
    asked: Vec<Vec<f32>>,
    /// Tokens of each item of a head.
    parts: Vec<Range<usize>>,
    partials: Vec<RwLock<Partial>>,
    /// What each item (prefill) or some query rows of each head (decode) come to.
    answers: Vec<Mutex<Vec<f32>>>,
    queue: WorkQueue,
    /// Keys that a token of a prompt sees at most, kept to whole blocks of keys.
    window: usize,
    relative_error: OnceLock<f64>,
}

impl Cpu {
    /// The job made ready: its keys and values may be those of the job before.
    pub(super) fn prepare_attention(
        &mut self,
        variant: &Attention,
        threads: usize,
    ) -> Result<PreparedAttention, Refusal> {
        let (attended, kv_heads) = Attended::of(variant)?;
        let queries = extent(variant.m, "m")?;
        let copies = variant.copies.max(1) as usize;
        // A pool for so many caches; the last one if it will do.
        let tokens = copies * attended.context().next_multiple_of(KEY_BLOCK);
        let whole = attended.with_context(tokens);
        let pool = self.caches(whole.as_head(), whole.is_latent(), kv_heads, variant.pages)?;
        Ok(PreparedAttention::new(attended, queries, pool, copies, threads))
    }
}

impl PreparedAttention {
    /// The same where a token of a prompt sees so many keys at most.
    pub(super) fn within(self, window: usize) -> PreparedAttention {
        PreparedAttention { window, ..self }
    }

    pub(super) fn new(
        attended: Attended,
        queries: usize,
        pool: Arc<Pool>,
        copies: usize,
        threads: usize,
    ) -> PreparedAttention {
        let kv_heads = pool.kv_heads();
        let decode = queries == 1;
        let parts = parts(&attended, queries, kv_heads, threads);
        let items = kv_heads * parts.len();
        let rows = attended.scratch_rows(decode);
        let answers = if decode {
            let of_head = attended.answers().map(|rows| attended.output_elements(1) / attended.group() * rows.len());
            let of_head: Vec<usize> = of_head.collect();
            (0..kv_heads).flat_map(|_| of_head.clone()).collect()
        } else {
            (0..items).map(|item| attended.output_elements(parts[item % parts.len()].len())).collect::<Vec<usize>>()
        };
        PreparedAttention {
            attended,
            queries,
            asked: (0..kv_heads).map(|kv| tokens(queries, attended.query_elements(1), kv as u64)).collect(),
            partials: (0..items).map(|_| RwLock::new(attended.partial(rows))).collect(),
            answers: answers.into_iter().map(|elements| Mutex::new(vec![f32::NAN; elements])).collect(),
            queue: WorkQueue::new(items, threads),
            parts,
            pool,
            copies,
            window: usize::MAX,
            relative_error: OnceLock::new(),
        }
    }

    /// Memory that a job takes beside its cache, bytes: queries, what they come to, and the state of each item.
    pub(super) fn bytes(variant: &Attention, threads: usize) -> Result<u128, Refusal> {
        let (attended, kv_heads) = Attended::of(variant)?;
        let queries = extent(variant.m, "m")?;
        let items = kv_heads * parts(&attended, queries, kv_heads, threads).len();
        let ends = |tokens: usize| (attended.query_elements(tokens) + attended.output_elements(tokens)) as u128;
        let (rows, all) = (attended.scratch_rows(queries == 1), kv_heads as u128 * ends(queries));
        // Scores of a tile and alignment come on top.
        let state = ends(1) / attended.group() as u128 * rows as u128 + attended.packed_words() as u128 + (1 << 13);
        Ok(4 * (all + items as u128 * state))
    }

    fn attend_item(&self, item: usize, repetition: usize) {
        let (kv, part) = (item / self.parts.len(), &self.parts[item % self.parts.len()]);
        let mut partial = self.partials[item].write().unwrap_or_else(PoisonError::into_inner);
        if self.queries == 1 {
            let cache = self.cache(&self.attended, kv, repetition, 0);
            self.attended.decode(&self.asked[kv], cache, part.clone(), &mut partial);
        } else {
            let (attended, queries, from) = self.prompt_part(kv, part);
            let cache = self.cache(&attended, kv, repetition, from);
            attended.prefill(queries, cache, &mut partial, &mut locked(&self.answers[item]));
        }
    }

    /// The keys and values of one head that a repetition reads, from a token on that begins a block of keys.
    fn cache(&self, attended: &Attended, kv: usize, repetition: usize, from: usize) -> (&[u16], &[u16]) {
        let start = repetition % self.copies * self.attended.context().next_multiple_of(KEY_BLOCK);
        self.pool.cache(&attended.as_head(), kv, start + from)
    }

    /// How far an answer may be from the oracle's.
    fn tolerance(&self, attended: &Attended, queries: &[f32]) -> f64 {
        oracle::tolerance(&attended.as_head(), queries, self.attended.arithmetic()).max(TOLERANCE)
    }

    /// The answers of one head to a decode step, by their places.
    fn answers_of(&self, kv: usize) -> Range<usize> {
        let each = self.attended.answers().count();
        kv * each..(kv + 1) * each
    }

    /// Part of a prompt as the last tokens of a shorter context, its queries, and the token that this context begins with.
    fn prompt_part(&self, kv: usize, part: &Range<usize>) -> (Attended, &[f32], usize) {
        let attended = &self.attended;
        let before = attended.context() - self.queries;
        let from = (before + part.start + 1).saturating_sub(self.window) / KEY_BLOCK * KEY_BLOCK;
        let queries = &self.asked[kv][attended.query_elements(part.start)..attended.query_elements(part.end)];
        (attended.with_context(before + part.end - from), queries, from)
    }
}

/// Tokens of the context (decode) or of the prompt (prefill) of each item of a head.
fn parts(attended: &Attended, queries: usize, kv_heads: usize, threads: usize) -> Vec<Range<usize>> {
    let parts_of = |items_per_thread: usize| (items_per_thread * threads).div_ceil(kv_heads.max(1));
    let (all, part) = if queries == 1 {
        let part = attended.context().div_ceil(parts_of(ITEMS_PER_THREAD)).max(attended.part_tokens_min());
        (attended.context(), part.next_multiple_of(KEY_BLOCK))
    } else {
        let block = (PREFILL_ROWS / attended.group()).max(1);
        (queries, queries.div_ceil(parts_of(PROMPT_ITEMS_PER_THREAD)).next_multiple_of(block))
    };
    (0..all).step_by(part).map(|start| start..(start + part).min(all)).collect()
}

impl TeamJob for PreparedAttention {
    fn huge_share(&self) -> Option<f64> {
        self.pool.huge_share()
    }

    /// The arithmetic of the visible pairs, and the bytes of the cache.
    fn work(&self) -> Work {
        Work::of_attention(Op::Attention.cost(self.attended.shape(self.queries)), Dtype::F16) * self.asked.len() as f64
    }

    fn spoil(&self) {
        self.answers.iter().for_each(|answer| locked(answer).fill(f32::NAN));
    }

    fn repeat(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier) {
        if index == 0 {
            self.queue.reset();
        }
        barrier.wait();
        while let Some(item) = self.queue.claim(index) {
            self.attend_item(item, repetition);
        }
        barrier.wait();
        if self.queries == 1 {
            let each = self.attended.answers().count();
            for (place, answer) in self.answers.iter().enumerate().skip(index).step_by(size) {
                let (kv, rows) = (place / each, self.attended.answers().nth(place % each).unwrap_or_default());
                let partials: Vec<_> = (0..self.parts.len())
                    .map(|part| self.partials[kv * self.parts.len() + part].read())
                    .map(|partial| partial.unwrap_or_else(PoisonError::into_inner))
                    .collect();
                let parts: Vec<&Partial> = partials.iter().map(|partial| &**partial).collect();
                Partial::merge_rows(&parts, rows, &mut locked(answer));
            }
            barrier.wait();
        }
    }

    /// The sample is the first and the last head, of latents some rows; of a prompt its first part, where the mask cuts most, and its last one,
    /// which sees the most.
    fn verified(&self, repetition: usize) -> bool {
        let heads = self.asked.len();
        let looked_at = |kv: usize, part: usize| {
            let (attended, queries, from, answers) = if self.queries == 1 {
                (self.attended, self.asked[kv].as_slice(), 0, self.answers_of(kv))
            } else {
                let (attended, queries, from) = self.prompt_part(kv, &self.parts[part]);
                let answer = kv * self.parts.len() + part;
                (attended, queries, from, answer..answer + 1)
            };
            let got: Vec<f32> = self.answers[answers].iter().flat_map(|answer| locked(answer).clone()).collect();
            let cache = self.cache(&attended, kv, repetition, from);
            let (got, want) = attended.beside_oracle(queries, cache, got);
            (got, want, self.tolerance(&attended, queries))
        };
        let samples = [looked_at(0, 0), looked_at(heads - 1, self.parts.len() - 1)];
        // NaN agrees with nothing.
        let near = |(got, want, most): &(Vec<f32>, Vec<f64>, f64)| {
            got.iter().zip(want).all(|(&got, want)| (f64::from(got) - want).abs() <= *most)
        };
        let right = samples.iter().all(near);
        let (got, want) = samples.into_iter().fold((Vec::new(), Vec::new()), |(mut got, mut want), sample| {
            got.extend(sample.0);
            want.extend(sample.1);
            (got, want)
        });
        let error = oracle::relative_error(&got, &want);
        let rounded = self.attended.arithmetic() != Dtype::F32;
        let most = if rounded { ERROR_MAX_ROUNDED } else { ERROR_MAX };
        let _ = self.relative_error.set(error);
        let written = |answer: &Mutex<Vec<f32>>| locked(answer).iter().all(|value| value.is_finite());
        self.answers.iter().all(written) && right && error <= most
    }

    fn relative_error(&self) -> Option<f64> {
        self.relative_error.get().copied()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
