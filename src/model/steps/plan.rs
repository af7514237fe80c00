//! A forward pass laid out, step by step.

use super::super::layer::{Layer, Mixer, Norm};
use super::super::shape::ModelShape;
use super::super::tensor_type::TensorType;
use super::class::Class;
use super::forward::{Among, Forward, too_large};
use super::step::{Reads, Step, weighs};
use super::unit::Unit;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl ModelShape {
    /// The operations of `forward`, in the order of a pass, alike layers counted together, every operand taken for f32:
    /// [`Demand`](super::super::Demand) knows how they are stored.
    ///
    /// Counts are exact sums over all passes. Each pass reads every weight matrix once, of routed experts those that are
    /// expected to be visited; attention reads each visible cached key and value once per pass and sequence.
    ///
    /// # Errors
    /// Misuse when a number lies beyond the limits of configurations and workloads, or when an extent does not fit 64
    /// bits.
    pub fn forward(&self, forward: &Forward) -> Result<Vec<Step>> {
        self.validate()?;
        let mut steps = Vec::new();
        self.each_step(forward, |_, step| steps.push(*step))?;
        Ok(steps)
    }

    /// Gives each operation of `forward` to `take`, with its place in the plan. Places depend on the model, on how latent
    /// attention is done and on whether rows are left out, on nothing else. The architecture must be valid.
    pub(crate) fn each_step(&self, forward: &Forward, take: impl FnMut(usize, &Step)) -> Result<()> {
        forward.validate()?;
        let rows = product(&[forward.batch, forward.tokens])?;
        let (kind, among) = (None, Among::All);
        let (hidden, lent) = (self.hidden, false);
        let mut plan = Plan { forward, model: self, hidden, rows, layers: 1, kind, among, lent, place: 0, take };
        plan.embedding(self)?;
        let last = forward.prunes().then(|| self.last_layer()).flatten();
        for (kind, layer) in self.layers.iter().enumerate() {
            plan.kind = Some(kind);
            plan.layer(layer, last == Some(kind))?;
        }
        (plan.layers, plan.kind) = (1, None);
        plan.head(self)
    }
}

/// A forward pass laid out.
pub(super) struct Plan<'a, Take> {
    pub(super) forward: &'a Forward,
    model: &'a ModelShape,
    pub(super) hidden: u64,
    /// Tokens of one pass, all sequences together.
    pub(super) rows: u64,
    /// Alike layers that the next steps stand for, and which entry of the architecture they are.
    pub(super) layers: u64,
    kind: Option<usize>,
    among: Among,
    /// Whether weights are stored with another layer, and read here again.
    pub(super) lent: bool,
    /// Steps so far, those without rows included.
    place: usize,
    take: Take,
}

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    /// A step in every pass and layer.
    pub(super) fn step(&self, name: &'static str, class: Class, op: Op, shape: Shape) -> Step {
        let stored = (weighs(op) && !self.lent).then_some(shape);
        let repeat = self.layers * self.forward.passes;
        let (operand, unit) = (TensorType::F32, Unit::F32);
        let (kind, among, reads) = (self.kind, self.among, Reads::exactly(repeat));
        Step { name, class, op, shape, stored, operand, unit, kind, among, repeat, reads }
    }

    /// Gives a step away; without rows it is none.
    pub(super) fn add(&mut self, step: Step) {
        let place = self.place;
        self.place += 1;
        if step.shape.m > 0 {
            (self.take)(place, &step);
        }
    }

    pub(super) fn push(&mut self, name: &'static str, class: Class, op: Op, shape: Shape) {
        self.add(self.step(name, class, op, shape));
    }

    /// Executions of all passes are in the shape already: only layers repeat, though weights are read in every pass.
    pub(super) fn push_summed(&mut self, name: &'static str, class: Class, op: Op, shape: Shape) {
        self.add(Step { repeat: self.layers, ..self.step(name, class, op, shape) });
    }

    fn embedding(&mut self, model: &ModelShape) -> Result<()> {
        let vocabulary = model.vocabulary;
        let width = model.embedding_width.unwrap_or(self.hidden);
        let shape = Shape::gather(self.rows, width, vocabulary);
        let table = Shape::gather(vocabulary, width, vocabulary);
        self.add(Step { stored: Some(table), ..self.step("token_embd", Class::Embed, Op::Gather, shape) });
        if let Some(inputs) = model.layer_inputs {
            self.layer_embeddings(inputs, model.layer_count())?;
        }
        if let Some(streams) = model.streams {
            self.spread(streams, "altup_proj", self.rows)?;
        }
        if model.embedding_width.is_some() {
            self.linear(Class::AttnProj, "project_in", None, self.hidden, width);
        }
        if let Some(norm) = model.embedding_norm {
            self.norm("token_embd_norm", norm, self.rows, self.hidden);
        }
        if model.joined {
            let norm = model.final_norm.unwrap_or(Norm::Rms);
            self.norm("nextn.enorm", norm, self.rows, self.hidden);
            self.norm("nextn.hnorm", norm, self.rows, self.hidden);
            self.linear(Class::AttnProj, "nextn.eh_proj", None, self.hidden, 2 * self.hidden);
        }
        if let Some(positions) = model.position_rows {
            // All sequences of a batch look at the same rows.
            let shape = Shape::gather(self.forward.tokens, self.hidden, positions);
            let table = Shape::gather(positions, self.hidden, positions);
            self.add(Step { stored: Some(table), ..self.step("position_embd", Class::Norm, Op::Gather, shape) });
            self.residual();
        }
        Ok(())
    }

    /// All layers of a kind; `ends` where the model's last one is among them, and leaves rows out.
    fn layer(&mut self, layer: &Layer, ends: bool) -> Result<()> {
        self.layers = layer.count();
        if let Some(streams) = self.model.streams {
            self.predict(streams)?;
        }
        let mixes = layer.mixer != Mixer::Nothing;
        if let Some(streams) = self.model.connections {
            self.connect_mixer(streams)?;
        }
        self.norm_if(layer.norms.before_mixer && mixes, "attn_norm", layer.norms.kind);
        match &layer.mixer {
            Mixer::GroupedQuery(attention) => self.grouped_query(attention)?,
            Mixer::Latent(attention) => self.latent(attention)?,
            Mixer::Compressed(attention) => self.compressed(attention)?,
            Mixer::Recurrent(recurrent) => self.recurrent(recurrent)?,
            Mixer::Both(attention, recurrent) => {
                self.grouped_query(attention)?;
                self.recurrent(recurrent)?;
                self.residual();
            }
            Mixer::Linear => self.linear(Class::AttnProj, "attn_output", None, self.hidden, self.hidden),
            Mixer::Nothing => {}
        }
        if !ends {
            return self.behind_mixer(layer);
        }
        let (layers, rows) = (self.layers, self.rows);
        if layers > 1 {
            (self.layers, self.among) = (layers - 1, Among::Earlier);
            self.behind_mixer(layer)?;
        }
        (self.layers, self.among, self.rows) = (1, Among::Last, self.logit_rows()?);
        self.behind_mixer(layer)?;
        (self.layers, self.among, self.rows) = (layers, Among::All, rows);
        Ok(())
    }

    fn behind_mixer(&mut self, layer: &Layer) -> Result<()> {
        let (norms, ModelShape { streams, layer_inputs, .. }) = (layer.norms, self.model);
        if let Some(streams) = *streams {
            self.low_rank_residual(streams);
        }
        if layer.mixer != Mixer::Nothing {
            self.norm_if(norms.after_mixer, "post_attention_norm", norms.kind);
            self.residual();
        }
        if let Some(feed_forward) = &layer.feed_forward {
            if let Some(streams) = self.model.connections {
                self.connect_feed_forward(streams)?;
            }
            self.norm_if(norms.before_feed_forward, "ffn_norm", norms.kind);
            self.feed_forward(feed_forward)?;
            self.norm_if(norms.after_feed_forward, "post_ffw_norm", norms.kind);
            self.residual();
        }
        if let Some(streams) = *streams {
            self.correct(streams)?;
        }
        if let Some(inputs) = *layer_inputs {
            self.layer_input(inputs);
        }
        Ok(())
    }

    fn head(&mut self, model: &ModelShape) -> Result<()> {
        let rows = self.logit_rows()?;
        if let Some(streams) = model.streams {
            let left = if self.forward.prunes() { rows } else { self.rows };
            self.spread(streams, "altup_unembd_proj", left)?;
        }
        if let Some(streams) = model.connections {
            self.collapse(streams)?;
        }
        if let Some(norm) = model.final_norm {
            let normed = if self.forward.prunes() { rows } else { self.rows };
            self.norm("output_norm", norm, normed, self.hidden);
        }
        let vocabulary = model.vocabulary;
        let width = model.embedding_width.unwrap_or(self.hidden);
        if model.embedding_width.is_some() {
            let shape = Shape::matmul(rows, width, self.hidden);
            self.push("project_out", Class::AttnProj, Op::Matmul, shape);
        }
        let head = self.step("output", Class::LmHead, Op::Matmul, Shape::matmul(rows, vocabulary, width));
        self.add(Step { stored: head.stored.filter(|_| !model.tied), ..head });
        if model.head_bias {
            self.push("output.bias", Class::Norm, Op::Bias, Shape::rows(rows, vocabulary));
        }
        if model.head_soft_cap {
            self.push("logit_cap", Class::LmHead, Op::SoftCap, Shape::rows(rows, vocabulary));
        }
        Ok(())
    }

    /// Rows of one pass whose logits are needed, all sequences together.
    fn logit_rows(&self) -> Result<u64> {
        product(&[self.forward.batch, self.forward.logits])
    }

    /// Every token through a matrix, and its bias where that has a name.
    pub(super) fn linear(
        &mut self,
        class: Class,
        name: &'static str,
        bias: Option<&'static str>,
        out: u64,
        inner: u64,
    ) {
        self.push(name, class, Op::Matmul, Shape::matmul(self.rows, out, inner));
        if let Some(name) = bias {
            self.bias(name, out);
        }
    }

    pub(super) fn bias(&mut self, name: &'static str, row: u64) {
        self.push(name, Class::Norm, Op::Bias, Shape::rows(self.rows, row));
    }

    fn norm_if(&mut self, there: bool, name: &'static str, kind: Norm) {
        if there {
            self.norm(name, kind, self.rows, self.hidden);
        }
    }

    pub(super) fn norm(&mut self, name: &'static str, kind: Norm, rows: u64, row: u64) {
        let (op, weights) = match kind {
            Norm::Rms => (Op::RmsNorm, 1),
            Norm::RmsWithoutWeights => (Op::RmsNorm, 0),
            Norm::Layer => (Op::LayerNorm, 2),
            Norm::LayerWithoutBias => (Op::LayerNorm, 1),
            Norm::LayerWithoutWeights => (Op::LayerNorm, 0),
        };
        self.push(name, Class::Norm, op, Shape::norm(rows, row, weights));
    }

    pub(super) fn residual(&mut self) {
        self.push("residual", Class::Norm, Op::Residual, Shape::rows(self.rows, self.hidden));
    }
}

pub(super) fn product(factors: &[u64]) -> Result<u64> {
    factors.iter().try_fold(1_u64, |all, &factor| all.checked_mul(factor)).ok_or_else(too_large)
}

pub(super) fn widen(factors: &[u64], sum: u128) -> Result<u64> {
    u64::try_from(sum).ok().and_then(|sum| sum.checked_mul(product(factors).ok()?)).ok_or_else(too_large)
}
