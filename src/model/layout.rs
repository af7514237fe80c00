//! Which tensors hold a model's weights, and what they are called: steps are named alike in all families, files are not.

use super::attention_form::Form;
use super::family::Family;
use super::layer::{FeedForward, Latents, Mixer};
use super::shape::ModelShape;
use super::steps::{Forward, Step};
use crate::error::Result;
use roofprobe_kernels::Op;
use std::collections::BTreeMap;

/// Which matrices are stored as one, and which one as two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TensorLayout {
    /// Queries, keys and values in `attn_qkv`.
    pub(super) fused_attention: bool,
    /// `ffn_gate` within `ffn_up`.
    pub(super) fused_gate: bool,
    /// `attn_kv_b` in two, for keys and for values.
    pub(super) parted_latents: bool,
    /// `ffn_gate_exps` and `ffn_up_exps` in `ffn_gate_up_exps`.
    pub(super) fused_experts: bool,
}

impl TensorLayout {
    /// Every matrix by itself.
    pub(super) const UNFUSED: TensorLayout =
        TensorLayout { fused_attention: false, fused_gate: false, parted_latents: false, fused_experts: false };

    /// As the makers of a family store it.
    pub(super) const fn of_checkpoint(family: Family) -> TensorLayout {
        let facts = family.facts();
        TensorLayout { fused_attention: facts.fused_attention, fused_gate: facts.fused_gate, ..TensorLayout::UNFUSED }
    }

    /// As llama.cpp converts it.
    pub(super) const fn of_gguf(family: Family) -> TensorLayout {
        TensorLayout { parted_latents: family.latents_in_llama_cpp(), ..TensorLayout::of_checkpoint(family) }
    }
}

/// A tensor of weights, and who reads it.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Its name, within its block if it is of one.
    pub(super) name: String,
    pub(super) block: Option<u64>,
    pub(super) rows: u64,
    pub(super) row: u64,
    /// Matrices that are stored as one tensor: experts, or heads of latent attention.
    pub(super) stack: u64,
    /// 1 for a vector, 3 for a stack of matrices.
    pub(super) dimensions: usize,
    /// The layer's kind and the step's name; none for a bias that a norm reads beside its weights.
    pub(super) readers: Vec<(Option<usize>, &'static str)>,
}

impl Tensor {
    /// The full name.
    pub(super) fn full(&self) -> String {
        match self.block {
            Some(block) => format!("blk.{block}.{}", self.name),
            None => self.name.clone(),
        }
    }

    pub(super) fn elements(&self) -> u64 {
        self.rows * self.row
    }
}

/// Every tensor of weights, by block and name.
pub(super) fn tensors(model: &ModelShape, family: Family, layout: TensorLayout) -> Result<Vec<Tensor>> {
    let latents = if layout.parted_latents { Latents::Absorbed } else { Latents::Naive };
    let mut all: BTreeMap<(Option<u64>, String), Tensor> = BTreeMap::new();
    for step in model.forward(&Forward { latents, ..Forward::ONE_TOKEN })? {
        for (part, read) in stored_as(model, family, layout, &step).into_iter().zip([true, false]) {
            for index in 0..step.repeat {
                let block = step.kind.map(|kind| model.layers[kind].places[index as usize]);
                let tensor =
                    all.entry((block, part.name.clone())).or_insert_with(|| Tensor { block, rows: 0, ..part.clone() });
                match (part.dimensions, tensor.rows) {
                    // Vectors that are stored as one stand behind each other.
                    (1, 1..) => tensor.row += part.row,
                    _ => tensor.rows += part.rows,
                }
                if read {
                    tensor.readers.push((step.kind, step.name));
                }
            }
        }
    }
    Ok(all.into_values().collect())
}

/// The tensors that one layer's step reads: a norm with a bias reads two, a tied head none of its own.
fn stored_as(model: &ModelShape, family: Family, layout: TensorLayout, step: &Step) -> Vec<Tensor> {
    let Some(stored) = step.stored.filter(|_| step.stored_elements() > 0) else { return Vec::new() };
    let stack = stack(model, step);
    let (rows, row, dimensions) = match step.op {
        _ if stack > 1 => (stored.n, stored.k, 3),
        // A gate of one row is a vector.
        Op::Matmul | Op::Conv => (stored.n, stored.k, if stored.n > 1 { 2 } else { 1 }),
        Op::Gather => (stored.m, stored.n, 2),
        _ => (1, stored.n, 1),
    };
    let tensor = |name| Tensor { name, block: None, rows, row, stack, dimensions, readers: Vec::new() };
    let normalises = matches!(step.op, Op::RmsNorm | Op::LayerNorm | Op::GatedNorm);
    if normalises && stored.k > 1 {
        let name = renamed(family, step.name);
        return vec![tensor(format!("{name}.weight")), tensor(format!("{name}.bias"))];
    }
    vec![tensor(name_of(family, layout, step.name))]
}

fn name_of(family: Family, layout: TensorLayout, step: &str) -> String {
    // Two that files keep without an ending, and one that is a bias to them.
    match step {
        "ssm_a" | "ssm_d" => return step.to_owned(),
        "exp_probs_b" if renamed(family, step) == step => return "exp_probs_b.bias".to_owned(),
        _ => {}
    }
    let (name, ending) = match step.strip_suffix(".bias") {
        Some(name) => (name, "bias"),
        None => (step, "weight"),
    };
    let name = match name {
        "attn_q" | "attn_k" | "attn_v" if layout.fused_attention => "attn_qkv",
        "ffn_gate" if layout.fused_gate => "ffn_up",
        "ffn_gate_exps" | "ffn_up_exps" if layout.fused_experts => "ffn_gate_up_exps",
        name => renamed(family, name),
    };
    match name.strip_suffix('!') {
        Some(bare) => bare.to_owned(),
        None => format!("{name}.{ending}"),
    }
}

fn renamed(family: Family, name: &str) -> &str {
    let other = family.facts().tensors.iter().find(|(usual, _)| *usual == name);
    other.map_or(name, |(_, own)| own)
}

fn stack(model: &ModelShape, step: &Step) -> u64 {
    if step.op != Op::Matmul {
        return 1;
    }
    if let (Some(streams), "altup_proj" | "altup_unembd_proj") = (model.streams, step.name) {
        return streams.count - 1;
    }
    let layer = step.kind.map(|kind| &model.layers[kind]);
    match (layer.map(|layer| (&layer.mixer, &layer.feed_forward)), step.name) {
        (Some((Mixer::GroupedQuery(attention), _)), "attn_q_exps" | "attn_output_exps") => match attention.form {
            Form::Routed(heads) => heads.experts,
            _ => 1,
        },
        (Some((Mixer::Latent(latent), _)), "attn_k_b" | "attn_v_b") => latent.heads,
        (Some((_, Some(FeedForward::Mixture(mixture)))), "ffn_gate_exps" | "ffn_up_exps" | "ffn_down_exps") => {
            mixture.experts
        }
        _ => 1,
    }
}
