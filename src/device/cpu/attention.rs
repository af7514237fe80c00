//! Attention jobs: one query token, or a whole prompt, over a key/value cache that lives in memory.
//!
//! A copy of the cache stands for a layer. Work is cut by key/value head and by parts of the context (decode) or of the prompt (prefill).

use super::operands::Pool;
use super::team::SpinBarrier;
use super::team_job::{TeamJob, extent};
use super::work_queue::WorkQueue;
use super::{Cpu, skipped, unsupported};
use crate::device::Refusal;
use crate::profile::Attention;
use crate::work::Work;
use roofprobe_kernels::ops::attention::{AttentionKernel, Head, KEY_BLOCK, PREFILL_ROWS, Partial, Ways};
use roofprobe_kernels::reference::{attention as oracle, matmul::tokens};
use roofprobe_kernels::{Dtype, Op};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Items for each thread, so that the last ones end nearly together.
const ITEMS_PER_THREAD: usize = 8;
/// Tokens of a part of the context at least: merging parts costs as much as some tokens.
const PART_TOKENS_MIN: usize = 256;
/// The same of a prompt, whose later parts see more: four times as many items even that out.
const PROMPT_ITEMS_PER_THREAD: usize = 4 * ITEMS_PER_THREAD;
/// The oracle's answer and the kernel's agree within this share of the largest value in the cache, which is 1; in binary16 within what
/// the oracle says of it.
const TOLERANCE: f64 = 1e-4;
/// And within this relative error, which in binary16 is four times the usual one: long contexts have small means.
const ERROR_MAX: f64 = 1e-3;
const ERROR_MAX_F16: f64 = 5e-3;

/// One attention job made ready.
pub(super) struct PreparedAttention {
    kernel: AttentionKernel,
    head: Head,
    /// Tokens whose queries attend: 1 for decode.
    queries: usize,
    pool: Arc<Pool>,
    /// How many caches of the job's length the pool is used as, one after another.
    copies: usize,
    /// Queries of each key/value head.
    asked: Vec<Vec<f32>>,
    /// Tokens of each item of a head.
    parts: Vec<Range<usize>>,
    partials: Vec<Mutex<Partial>>,
    /// What each item (prefill) or each head (decode) comes to.
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
        let kernel = kernel_of(variant)?;
        let (head, kv_heads) = head_of(variant)?;
        let queries = extent(variant.m, "m")?;
        let copies = variant.copies.max(1) as usize;
        // A pool for so many caches; the last one if it will do.
        let tokens = copies * head.context.next_multiple_of(KEY_BLOCK);
        let pool = self.caches(Head { context: tokens, ..head }, kv_heads, variant.pages)?;
        Ok(PreparedAttention::new(kernel, head, queries, pool, copies, threads))
    }
}

/// The head that the variant names, and how many key/value heads there are.
pub(super) fn head_of(variant: &Attention) -> Result<(Head, usize), Refusal> {
    let (heads, kv_heads) = (extent(variant.heads, "heads")?, extent(variant.kv_heads, "kv_heads")?);
    let head = Head {
        head_dim: extent(variant.head_dim, "head_dim")?,
        group: heads / kv_heads,
        context: extent(variant.context, "context")?,
    };
    if head.group * kv_heads != heads {
        return Err(skipped(&format!("{heads} query heads do not share {kv_heads} key/value heads evenly")));
    }
    Ok((head, kv_heads))
}

/// Tokens of a span where the variant does not say in which way the kernel works; a prefetch then runs a span ahead.
const USUAL_SPAN: usize = 4 * KEY_BLOCK;

/// The kernel that the variant names; in its usual way where it does not say in which.
pub(super) fn kernel_of(variant: &Attention) -> Result<AttentionKernel, Refusal> {
    let arithmetic = variant.arithmetic.unwrap_or(Dtype::F32);
    let kernel = AttentionKernel::find(variant.isa).filter(|kernel| kernel.arithmetic() == arithmetic);
    let kernel = kernel.ok_or_else(|| unsupported(variant.isa))?;
    if (variant.streams, variant.span, variant.prefetch_bytes) == (None, None, None) {
        let prefetch_bytes =
            USUAL_SPAN.saturating_mul(extent(variant.head_dim, "head_dim")?).saturating_mul(size_of::<u16>());
        let usual = Ways { span: USUAL_SPAN, prefetch_bytes, ..Ways::PLAIN };
        return Ok(kernel.working(usual).unwrap_or(kernel));
    }
    let Ways { streams, span, prefetch_bytes } = Ways::PLAIN;
    let ways = Ways {
        streams: variant.streams.map_or(streams, |streams| streams as usize),
        span: variant.span.map_or(Some(span), |span| usize::try_from(span).ok()).unwrap_or(0),
        prefetch_bytes: variant.prefetch_bytes.map_or(prefetch_bytes, |bytes| bytes as usize),
    };
    if ways.streams > 1 && (variant.heads, variant.m) != (variant.kv_heads, 1) {
        return Err(Refusal::Unsupported("several streams side by side serve a single query".to_owned()));
    }
    let reason = || Refusal::Unsupported(format!("the attention kernel of {} does not work so: {ways:?}", variant.isa));
    kernel.working(ways).ok_or_else(reason)
}

impl PreparedAttention {
    /// The same where a token of a prompt sees so many keys at most.
    pub(super) fn within(self, window: usize) -> PreparedAttention {
        PreparedAttention { window, ..self }
    }

    pub(super) fn new(
        kernel: AttentionKernel,
        head: Head,
        queries: usize,
        pool: Arc<Pool>,
        copies: usize,
        threads: usize,
    ) -> PreparedAttention {
        let kv_heads = pool.kv_heads();
        let decode = queries == 1;
        let parts_of = |items_per_thread: usize| (items_per_thread * threads).div_ceil(kv_heads.max(1));
        let (tokens_in_all, part) = if decode {
            let part = head.context.div_ceil(parts_of(ITEMS_PER_THREAD)).max(PART_TOKENS_MIN);
            (head.context, part.next_multiple_of(KEY_BLOCK))
        } else {
            let block = (PREFILL_ROWS / head.group).max(1);
            (queries, queries.div_ceil(parts_of(PROMPT_ITEMS_PER_THREAD)).next_multiple_of(block))
        };
        let parts: Vec<Range<usize>> =
            (0..tokens_in_all).step_by(part).map(|start| start..(start + part).min(tokens_in_all)).collect();
        let items = kv_heads * parts.len();
        let rows = if decode { head.group } else { PREFILL_ROWS.max(head.group) };
        let answers = if decode { kv_heads } else { items };
        let answer = |index: usize| {
            let tokens = if decode { 1 } else { parts[index % parts.len()].len() };
            Mutex::new(vec![f32::NAN; head.query_elements(tokens)])
        };
        PreparedAttention {
            kernel,
            head,
            queries,
            asked: (0..kv_heads).map(|kv| tokens(queries, head.query_elements(1), kv as u64)).collect(),
            partials: (0..items).map(|_| Mutex::new(Partial::new(head.head_dim, rows))).collect(),
            answers: (0..answers).map(answer).collect(),
            queue: WorkQueue::new(items, threads),
            parts,
            pool,
            copies,
            window: usize::MAX,
            relative_error: OnceLock::new(),
        }
    }

    fn attend_item(&self, item: usize, repetition: usize) {
        let (kv, part) = (item / self.parts.len(), &self.parts[item % self.parts.len()]);
        let mut partial = locked(&self.partials[item]);
        if self.queries == 1 {
            let (keys, values) = self.cache(&self.head, kv, repetition, 0);
            self.kernel.decode(&self.head, &self.asked[kv], keys, values, part.clone(), &mut partial);
        } else {
            let (head, queries, from) = self.prompt_part(kv, part);
            let (keys, values) = self.cache(&head, kv, repetition, from);
            self.kernel.prefill(&head, queries, keys, values, &mut partial, &mut locked(&self.answers[item]));
        }
    }

    /// The keys and values of one head that a repetition reads, from a token on that begins a block of keys.
    fn cache(&self, head: &Head, kv: usize, repetition: usize, from: usize) -> (&[u16], &[u16]) {
        let start = repetition % self.copies * self.head.context.next_multiple_of(KEY_BLOCK);
        self.pool.cache(head, kv, start + from)
    }

    /// How far an answer may be from the oracle's.
    fn tolerance(&self, head: &Head, queries: &[f32]) -> f64 {
        oracle::tolerance(head, queries, self.kernel.arithmetic()).max(TOLERANCE)
    }

    /// Part of a prompt as the last tokens of a shorter context, its queries, and the token that this context begins with.
    fn prompt_part(&self, kv: usize, part: &Range<usize>) -> (Head, &[f32], usize) {
        let before = self.head.context - self.queries;
        let from = (before + part.start + 1).saturating_sub(self.window) / KEY_BLOCK * KEY_BLOCK;
        let head = Head { context: before + part.end - from, ..self.head };
        let queries = &self.asked[kv][self.head.query_elements(part.start)..self.head.query_elements(part.end)];
        (head, queries, from)
    }
}

impl TeamJob for PreparedAttention {
    fn huge_share(&self) -> Option<f64> {
        self.pool.huge_share()
    }

    /// The arithmetic of the visible pairs, and the bytes of the cache.
    fn work(&self) -> Work {
        Work::of_attention(Op::Attention.cost(self.head.shape(self.queries)), Dtype::F16) * self.asked.len() as f64
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
            for kv in (index..self.asked.len()).step_by(size) {
                let partials: Vec<_> =
                    (0..self.parts.len()).map(|part| locked(&self.partials[kv * self.parts.len() + part])).collect();
                let parts: Vec<&Partial> = partials.iter().map(|partial| &**partial).collect();
                Partial::merge(&parts, &mut locked(&self.answers[kv]));
            }
            barrier.wait();
        }
    }

    /// The sample is the first and the last head; of a prompt its first part, where the mask cuts most, and its last one,
    /// which sees the most.
    fn verified(&self, repetition: usize) -> bool {
        let heads = self.asked.len();
        let looked_at = |kv: usize, part: usize| {
            let (head, queries, from, answer) = if self.queries == 1 {
                (self.head, self.asked[kv].as_slice(), 0, kv)
            } else {
                let (head, queries, from) = self.prompt_part(kv, &self.parts[part]);
                (head, queries, from, kv * self.parts.len() + part)
            };
            let (keys, values) = self.cache(&head, kv, repetition, from);
            let want = oracle::attention(&head, queries, keys, values);
            (locked(&self.answers[answer]).clone(), want, self.tolerance(&head, queries))
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
        let most = if self.kernel.arithmetic() == Dtype::F16 { ERROR_MAX_F16 } else { ERROR_MAX };
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
