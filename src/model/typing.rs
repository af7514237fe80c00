//! Types of a plan's steps, looked up once: the steps of one model have the same names in the same order in every pass.

use super::language_model::Model;
use super::layer::{Latents, Mixer};
use super::limits;
use super::shape::ModelShape;
use super::steps::{Forward, Step, Unit};
use super::tensor_type::TensorType;
use super::tensor_types::TensorTypes;
use crate::error::{Error, Result};
use roofprobe_kernels::{Op, Shape};
use std::ops::Range;

/// The types of every step of one model, for one way of doing latent attention, with or without rows left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Typing {
    /// By the step's place in the plan: its name, and its shares.
    places: Vec<(&'static str, Range<usize>)>,
    shares: Vec<Share>,
}

/// What is stored in one type, of all that a step of the plan stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    operand: TensorType,
    unit: Unit,
    /// So many layers.
    layers: u64,
    /// Of so many.
    of: u64,
    /// The name and the rows of its matrix, where that is stored in two.
    half: Option<(&'static str, u64)>,
}

/// The matrix that expands latents, and the two in which files may store it.
const EXPANSION: &str = "attn_kv_b";
const HALVES: [&str; 2] = ["attn_k_b", "attn_v_b"];

impl Typing {
    /// Looks up the types of every step, those of the cache included.
    ///
    /// # Errors
    /// As [`ModelShape::forward`]; misuse when a step has no type, or rows of the cache are no whole number of blocks.
    pub(super) fn of(
        model: &ModelShape,
        types: &TensorTypes,
        latents: Latents,
        prunes: bool,
        cache: TensorType,
    ) -> Result<Typing> {
        check_cache(model, latents, cache)?;
        let mut typing = Typing { places: Vec::new(), shares: Vec::new() };
        let mut plan = Vec::new();
        // So many tokens that every window of keys closes, and logits for one: no step is without rows.
        let forward = Forward { tokens: limits::HEAD_DIM, pruned: prunes, latents, ..Forward::ONE_TOKEN };
        model.each_step(&forward, |_, step| plan.push(*step))?;
        for step in plan {
            let first = typing.shares.len();
            if matches!(step.op, Op::Attention | Op::Append | Op::Fetch) {
                typing.add(step, &[(cache, 1)], 1, None)?;
            } else if step.op.cost(step.shape).weights_read == 0 {
                typing.add(step, &[(step.operand, 1)], 1, None)?;
            } else {
                typing.weights(model, types, step)?;
            }
            typing.places.push((step.name, first..typing.shares.len()));
        }
        Ok(typing)
    }

    fn weights(&mut self, model: &ModelShape, types: &TensorTypes, step: Step) -> Result<()> {
        let found = |name| types.within(step.kind, name, step.among);
        if let Some(kinds) = found(step.name) {
            return self.by_type(step, &kinds, None);
        }
        let mixer = step.kind.map(|kind| &model.layers[kind].mixer);
        let (Some(Mixer::Latent(latent)), expansion) = (mixer, found(EXPANSION)) else {
            return Err(step_of_no_type(step.name));
        };
        match (expansion, types.apart()) {
            // Engines expand what they take ashare.
            (Some(kinds), Some(kind)) => self.by_type(step, &[(kind, layers_of(&kinds))], None),
            (Some(kinds), None) => self.by_type(step, &kinds, None),
            // Stored apart, and expanded from both.
            (None, _) => {
                for (name, size) in HALVES.into_iter().zip([latent.plain_dim, latent.value_dim]) {
                    let kinds = found(name).ok_or_else(|| step_of_no_type(name))?;
                    self.by_type(step, &kinds, Some((name, latent.heads * size)))?;
                }
                Ok(())
            }
        }
    }

    /// A share for each type of a step's layers.
    fn by_type(&mut self, step: Step, kinds: &[(TensorType, u64)], half: Option<(&'static str, u64)>) -> Result<()> {
        let layers = layers_of(kinds);
        if layers == 0 || !step.repeat.is_multiple_of(layers) {
            return Err(step_of_no_type(step.name));
        }
        self.add(step, kinds, layers, half)
    }

    fn add(
        &mut self,
        step: Step,
        kinds: &[(TensorType, u64)],
        of: u64,
        half: Option<(&'static str, u64)>,
    ) -> Result<()> {
        let step = half.map_or(step, |half| halved(step, half));
        for &(operand, layers) in kinds {
            let unit = Unit::of(operand, step.matrix()).ok_or_else(|| step_of_no_type(step.name))?;
            self.shares.push(Share { operand, unit, layers, of, half });
        }
        Ok(())
    }

    /// A step with its types: one for each of them. A plan's place has the name that it had when types were looked up.
    pub(super) fn each(&self, place: usize, step: &Step, mut take: impl FnMut(&Step)) {
        let (name, range) = &self.places[place];
        debug_assert_eq!(*name, step.name);
        let mut typed = *step;
        for share in &self.shares[range.clone()] {
            (typed.operand, typed.unit) = (share.operand, share.unit);
            if share.layers != share.of {
                typed.repeat = step.repeat / share.of * share.layers;
                typed.reads = step.reads.share(share.layers, share.of);
            }
            if let Some(half) = share.half {
                typed = halved(typed, half);
            }
            take(&typed);
        }
    }
}

/// One of the two matrices in which an expansion of latents is stored.
fn halved(step: Step, (name, rows): (&'static str, u64)) -> Step {
    let shape = Shape { n: rows, ..step.shape };
    Step { name, shape, stored: None, ..step }
}

fn layers_of(kinds: &[(TensorType, u64)]) -> u64 {
    kinds.iter().map(|(_, layers)| layers).sum()
}

impl TensorTypes {
    /// The steps of `forward` with every tensor, and the cache, as it is stored. Where layers that are otherwise alike
    /// store a tensor in several types, each has a step of its own. For many forwards, ask a [`Demand`](super::Demand).
    ///
    /// # Errors
    /// As [`ModelShape::forward`]; misuse when rows of the cache are no whole number of blocks.
    pub fn steps(&self, model: &Model, forward: &Forward, cache: TensorType) -> Result<Vec<Step>> {
        model.validate()?;
        let typing = Typing::of(&model.shape, self, forward.latents, forward.prunes(), cache)?;
        let mut steps = Vec::new();
        model.shape.each_step(forward, |place, step| typing.each(place, step, |typed| steps.push(*typed)))?;
        Ok(steps)
    }
}

fn step_of_no_type(name: &str) -> Error {
    Error::misuse(format!("{name}: is stored in no known type"))
}

/// Blocks of the cache lie within what is kept of a head, or of the latent.
fn check_cache(model: &ModelShape, latents: Latents, cache: TensorType) -> Result<()> {
    let block = cache.block().map_or(1, |block| block.elements);
    let whole = |key: &str, row: u64| {
        if row.is_multiple_of(block) {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "{key}: rows of {row} elements are no whole number of {cache} blocks of {block}; choose another --kv"
        )))
    };
    for layer in &model.layers {
        if let Some(attention) = layer.mixer.grouped_query() {
            whole("head_dim", attention.head_dim)?;
            whole("v_head_dim", attention.value_dim)?;
            if let Some(chosen) = attention.chosen {
                whole("index_head_dim", chosen.indexer.head_dim)?;
            }
        }
        if let Mixer::Compressed(attention) = &layer.mixer {
            whole("head_dim", attention.head_dim)?;
        }
        let Mixer::Latent(latent) = &layer.mixer else { continue };
        if let Some(indexer) = latent.indexer {
            whole("index_head_dim", indexer.head_dim)?;
        }
        if latents == Latents::Expanded {
            whole("qk_nope_head_dim + qk_rope_head_dim", latent.plain_dim + latent.rotary_dim)?;
            whole("v_head_dim", latent.value_dim)?;
        } else {
            whole("kv_lora_rank + qk_rope_head_dim", latent.row())?;
        }
    }
    Ok(())
}
