//! The operations of a forward pass, each with its exact shape.
//!
//! Formulas are those of the transformer as published (Vaswani et al. 2017 for the layer, Kaplan et al. 2020 for
//! counting 2 FLOP per weight and token), with the causal mask and the window counted exactly
//! ([`visible_pairs`](super::visible_pairs)). Names of steps that read a tensor are the names of GGUF tensors.

use super::architecture::{Architecture, Attention, Biases, FeedForward, GroupedQuery, HeadNorm, Layer};
use super::tensor_type::TensorType;
use super::visible::{keys_read, visible_pairs};
use super::workload::{BATCH_MAX, TOKENS_MAX};
use crate::error::{Error, Result};
use roofprobe_kernels::{Cost, Dtype, Op, Shape};

/// What an operation belongs to. FLOPs and bytes are summed by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Query, key, value and output projections.
    AttnProj,
    /// Scores, softmax and weighted values; rotary embedding; the cache.
    AttnCore,
    /// Dense feed-forward layers.
    Ffn,
    /// Choice of experts.
    Router,
    /// Routed experts.
    Expert,
    /// Experts that every token visits.
    Shared,
    /// Hidden state to vocabulary.
    LmHead,
    /// State-space and other recurrent layers.
    Ssm,
    /// Token to hidden state.
    Embed,
    /// Norms, biases and residual additions.
    Norm,
}

impl Class {
    /// Every class, in the order in which they are reported.
    pub const ALL: [Class; 10] = [
        Class::AttnProj,
        Class::AttnCore,
        Class::Ffn,
        Class::Router,
        Class::Expert,
        Class::Shared,
        Class::LmHead,
        Class::Ssm,
        Class::Embed,
        Class::Norm,
    ];

    /// The name in reports and records.
    pub const fn name(self) -> &'static str {
        match self {
            Class::AttnProj => "attn_proj",
            Class::AttnCore => "attn_core",
            Class::Ffn => "ffn",
            Class::Router => "router",
            Class::Expert => "expert",
            Class::Shared => "shared",
            Class::LmHead => "lm_head",
            Class::Ssm => "ssm",
            Class::Embed => "embed",
            Class::Norm => "norm",
        }
    }

    /// Whether its operations have matmul FLOPs.
    pub const fn computes(self) -> bool {
        !matches!(self, Class::Embed | Class::Norm)
    }

    /// Whether its operations have weights.
    pub const fn weighs(self) -> bool {
        !matches!(self, Class::AttnCore)
    }
}

/// One operation that a model must perform, `repeat` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which one it is: the tensor's name where it reads one.
    pub name: &'static str,
    /// What it belongs to.
    pub class: Class,
    /// The routine.
    pub op: Op,
    /// Its extent, for one execution.
    pub shape: Shape,
    /// The extent at which the routine would touch every weight that it owns; none where it owns none (no weights, or a
    /// tied head, whose weights are the embedding's).
    pub stored: Option<Shape>,
    /// How its weights, or its cache rows, are stored.
    pub operand: TensorType,
    /// The entry of [`Architecture::layers`] that it belongs to; none for embedding, final norm and head.
    pub kind: Option<usize>,
    /// How often it is executed.
    pub repeat: u64,
}

impl Step {
    /// What all executions together cost.
    ///
    /// No overflow: [`Architecture::forward`] holds every number to limits that keep sums within 128 bits.
    pub fn total(&self) -> Cost {
        let cost = self.op.cost(self.shape);
        let times = u128::from(self.repeat);
        Cost {
            flops: cost.flops * times,
            vector_flops: cost.vector_flops * times,
            weights_read: cost.weights_read * times,
            cache_read: cost.cache_read * times,
            cache_written: cost.cache_written * times,
            input_read: cost.input_read * times,
            output_written: cost.output_written * times,
        }
    }

    /// Weights that it owns, elements. Meaningful for a single pass, where `repeat` counts layers.
    pub fn stored_elements(&self) -> u128 {
        self.stored.map_or(0, |shape| self.op.cost(shape).weights_read * u128::from(self.repeat))
    }

    /// Rows and row length of the matrix that it reads; a single row where it reads rows.
    pub fn matrix(&self) -> (u64, u64) {
        match self.op {
            Op::Matmul => (self.shape.n, self.shape.k),
            _ => (1, self.shape.n),
        }
    }

    /// Bytes of `elements` of its stored operand.
    ///
    /// # Errors
    /// Misuse when they are no whole number of blocks; [`Architecture::forward`] has checked every row before.
    pub fn bytes(&self, elements: u128) -> Result<u128> {
        let (rows, row) = self.matrix();
        self.operand.bytes(elements, rows, row).ok_or_else(|| {
            Error::misuse(format!("{}: {elements} elements are no whole number of {} blocks", self.name, self.operand))
        })
    }
}

/// Like forward passes in a row: `tokens` new tokens for each of `batch` sequences, `passes` times.
///
/// The first pass finds `past` tokens in the cache of each sequence, every later one finds what the one before left. A
/// prefill is one pass of many tokens, a decode step one pass of one token, a generation many passes of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// New tokens per sequence and pass.
    pub tokens: u64,
    /// Tokens in the cache of each sequence before the first pass.
    pub past: u64,
    /// Passes.
    pub passes: u64,
    /// Sequences.
    pub batch: u64,
    /// Rows of logits per sequence and pass: 1 to go on from the last token, `tokens` to judge all of them.
    pub logits: u64,
    /// How matrices are stored.
    pub weights: Dtype,
    /// How the key/value cache is stored.
    pub kv: Dtype,
}

impl Forward {
    /// One token into an empty cache, everything in f32: reads each weight of a dense model once.
    pub const ONE_TOKEN: Forward =
        Forward { tokens: 1, past: 0, passes: 1, batch: 1, logits: 1, weights: Dtype::F32, kv: Dtype::F32 };

    /// With these limits and those of [`Architecture`], no sum of costs leaves 128 bits.
    fn validate(&self) -> Result<()> {
        let fits = [(self.tokens, TOKENS_MAX), (self.passes, TOKENS_MAX), (self.batch, BATCH_MAX)]
            .into_iter()
            .all(|(count, most)| (1..=most).contains(&count));
        if fits && self.past <= 2 * TOKENS_MAX && self.logits <= self.tokens { Ok(()) } else { Err(too_large()) }
    }
}

impl Architecture {
    /// The operations of `forward`, in the order of a pass, alike layers counted together.
    ///
    /// Counts are exact sums over all passes. Each pass reads every weight matrix once; attention reads each visible
    /// cached key and value once per pass and sequence.
    ///
    /// # Errors
    /// Misuse when a row is not a whole number of blocks of the type it is to be stored in (the message names the
    /// configuration key), when a number lies beyond the limits of configurations and workloads, or when an extent does
    /// not fit 64 bits.
    pub fn forward(&self, forward: &Forward) -> Result<Vec<Step>> {
        forward.validate()?;
        self.validate()?;
        let rows = product(&[forward.batch, forward.tokens])?;
        let mut plan = Plan { forward, hidden: self.hidden, rows, kind: None, layers: 1, steps: Vec::new() };
        whole_blocks("hidden_size", self.hidden, forward.weights, "--weights")?;
        plan.embedding(self.vocabulary);
        for (kind, layer) in self.layers.iter().enumerate() {
            plan.kind = Some(kind);
            plan.layer(layer)?;
        }
        (plan.kind, plan.layers) = (None, 1);
        plan.head(self)?;
        Ok(plan.steps)
    }
}

/// Steps in the making.
struct Plan<'a> {
    forward: &'a Forward,
    hidden: u64,
    /// Tokens of one pass, all sequences together.
    rows: u64,
    /// Alike layers that the next steps stand for, and which entry of the architecture they are.
    layers: u64,
    kind: Option<usize>,
    steps: Vec<Step>,
}

impl Plan<'_> {
    fn push(&mut self, name: &'static str, class: Class, op: Op, shape: Shape, operand: Dtype) {
        let stored = (op.cost(shape).weights_read > 0).then_some(shape);
        let repeat = self.layers * self.forward.passes;
        let (operand, kind) = (operand.into(), self.kind);
        self.steps.push(Step { name, class, op, shape, stored, operand, kind, repeat });
    }

    fn embedding(&mut self, vocabulary: u64) {
        let shape = Shape::gather(self.rows, self.hidden, vocabulary);
        self.push("token_embd", Class::Embed, Op::Gather, shape, self.forward.weights);
        self.owns(Shape::gather(vocabulary, self.hidden, vocabulary));
    }

    fn owns(&mut self, stored: impl Into<Option<Shape>>) {
        if let Some(step) = self.steps.last_mut() {
            step.stored = stored.into();
        }
    }

    fn layer(&mut self, layer: &Layer) -> Result<()> {
        self.layers = layer.count;
        self.norm("attn_norm", self.rows, self.hidden);
        match &layer.attention {
            Attention::GroupedQuery(attention) => self.grouped_query(attention)?,
        }
        self.residual();
        self.norm("ffn_norm", self.rows, self.hidden);
        match layer.feed_forward {
            FeedForward::Gated { width, bias } => self.gated(width, bias)?,
        }
        self.residual();
        Ok(())
    }

    fn grouped_query(&mut self, attention: &GroupedQuery) -> Result<()> {
        let GroupedQuery { heads, kv_heads, head_dim, window, biases, head_norm } = *attention;
        let forward = self.forward;
        let (queries, keys) = (product(&[heads, head_dim])?, product(&[kv_heads, head_dim])?);
        let hidden = self.hidden;
        whole_blocks("num_attention_heads × head_dim", queries, forward.weights, "--weights")?;
        whole_blocks("head_dim", head_dim, forward.kv, "--kv")?;
        let query_bias = matches!(biases, Biases::QueryKeyValue | Biases::All);
        self.linear(Class::AttnProj, ("attn_q", query_bias.then_some("attn_q.bias")), queries, hidden);
        self.linear(Class::AttnProj, ("attn_k", query_bias.then_some("attn_k.bias")), keys, hidden);
        self.linear(Class::AttnProj, ("attn_v", query_bias.then_some("attn_v.bias")), keys, hidden);
        if head_norm == HeadNorm::PerHead {
            self.norm("attn_q_norm", product(&[self.rows, heads])?, head_dim);
            self.norm("attn_k_norm", product(&[self.rows, kv_heads])?, head_dim);
        }
        let turned = Shape::rows(product(&[self.rows, heads + kv_heads])?, head_dim);
        self.push("rope", Class::AttnCore, Op::Rope, turned, Dtype::F32);
        self.push("kv_append", Class::AttnCore, Op::Append, Shape::rows(self.rows, 2 * keys), forward.kv);
        self.attend(heads, kv_heads, head_dim, window)?;
        let output_bias = (biases == Biases::All).then_some("attn_output.bias");
        self.linear(Class::AttnProj, ("attn_output", output_bias), hidden, queries);
        Ok(())
    }

    /// All passes in one step: pairs and keys are summed in closed form, so only layers repeat.
    fn attend(&mut self, heads: u64, kv_heads: u64, head_dim: u64, window: Option<u64>) -> Result<()> {
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let new = product(&[tokens, passes])?;
        let pairs = widen(&[heads, batch], visible_pairs(new, past, window))?;
        let cached = widen(&[kv_heads, batch], keys_read(tokens, past, passes, window))?;
        let shape = Shape::attention(product(&[heads, batch, new])?, cached, 2 * head_dim, pairs);
        self.push("attention", Class::AttnCore, Op::Attention, shape, self.forward.kv);
        if let Some(step) = self.steps.last_mut() {
            step.repeat = self.layers;
        }
        Ok(())
    }

    fn gated(&mut self, width: u64, bias: bool) -> Result<()> {
        whole_blocks("intermediate_size", width, self.forward.weights, "--weights")?;
        let hidden = self.hidden;
        self.linear(Class::Ffn, ("ffn_gate", bias.then_some("ffn_gate.bias")), width, hidden);
        self.linear(Class::Ffn, ("ffn_up", bias.then_some("ffn_up.bias")), width, hidden);
        self.push("swiglu", Class::Ffn, Op::SwiGlu, Shape::rows(self.rows, width), Dtype::F32);
        self.linear(Class::Ffn, ("ffn_down", bias.then_some("ffn_down.bias")), hidden, width);
        Ok(())
    }

    fn head(&mut self, model: &Architecture) -> Result<()> {
        self.norm("output_norm", self.rows, self.hidden);
        let rows = product(&[self.forward.batch, self.forward.logits])?;
        let shape = Shape::matmul(rows, model.vocabulary, self.hidden);
        self.push("output", Class::LmHead, Op::Matmul, shape, self.forward.weights);
        if model.tied {
            self.owns(None);
        }
        Ok(())
    }

    fn linear(&mut self, class: Class, (name, bias): (&'static str, Option<&'static str>), out: u64, inner: u64) {
        self.push(name, class, Op::Matmul, Shape::matmul(self.rows, out, inner), self.forward.weights);
        if let Some(name) = bias {
            self.push(name, Class::Norm, Op::Bias, Shape::rows(self.rows, out), Dtype::F32);
        }
    }

    fn norm(&mut self, name: &'static str, rows: u64, row: u64) {
        self.push(name, Class::Norm, Op::RmsNorm, Shape::rows(rows, row), Dtype::F32);
    }

    fn residual(&mut self) {
        self.push("residual", Class::Norm, Op::Residual, Shape::rows(self.rows, self.hidden), Dtype::F32);
    }
}

fn whole_blocks(key: &str, row: u64, dtype: Dtype, option: &str) -> Result<()> {
    let block = dtype.block().elements;
    if row.is_multiple_of(block) {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "{key}: rows of {row} elements are no whole number of {dtype} blocks of {block}; choose another {option}"
    )))
}

fn product(factors: &[u64]) -> Result<u64> {
    factors.iter().try_fold(1_u64, |all, &factor| all.checked_mul(factor)).ok_or_else(too_large)
}

fn widen(factors: &[u64], sum: u128) -> Result<u64> {
    u64::try_from(sum).ok().and_then(|sum| sum.checked_mul(product(factors).ok()?)).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::misuse("the workload counts beyond 64 bits; lower --prompt, --context, --generate or --batch")
}

/// An exact count for each [`Class`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByClass([u128; Class::ALL.len()]);

impl ByClass {
    /// The count of one class.
    pub fn get(&self, class: Class) -> u128 {
        self.0[class as usize]
    }

    /// All classes together.
    pub fn total(&self) -> u128 {
        self.0.iter().sum()
    }

    fn add(&mut self, class: Class, count: u128) {
        self.0[class as usize] += count;
    }
}

/// What a list of steps adds up to, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Matmul FLOPs.
    pub flops: ByClass,
    /// Elementwise FLOPs.
    pub vector_flops: u128,
    /// Weight elements read.
    pub weight_elements: ByClass,
    /// Weight bytes read.
    pub weight_bytes: ByClass,
    /// Cache elements read.
    pub kv_read_elements: u128,
    /// Cache elements written.
    pub kv_write_elements: u128,
    /// Cache bytes read.
    pub kv_read_bytes: u128,
    /// Cache bytes written.
    pub kv_write_bytes: u128,
    /// Activation elements read and written between routines.
    pub act_elements: u128,
}

impl Totals {
    /// Adds up.
    ///
    /// # Errors
    /// As [`Step::bytes`].
    pub fn of<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Result<Totals> {
        let mut totals = Totals::default();
        for step in steps {
            let cost = step.total();
            totals.flops.add(step.class, cost.flops);
            totals.vector_flops += cost.vector_flops;
            totals.weight_elements.add(step.class, cost.weights_read);
            totals.weight_bytes.add(step.class, step.bytes(cost.weights_read)?);
            totals.kv_read_elements += cost.cache_read;
            totals.kv_write_elements += cost.cache_written;
            totals.kv_read_bytes += step.bytes(cost.cache_read)?;
            totals.kv_write_bytes += step.bytes(cost.cache_written)?;
            totals.act_elements += cost.input_read + cost.output_written;
        }
        Ok(totals)
    }

    /// Bytes that come from and go to memory: weights and cache, not activations.
    pub fn memory_bytes(&self) -> u128 {
        self.weight_bytes.total() + self.kv_read_bytes + self.kv_write_bytes
    }
}
