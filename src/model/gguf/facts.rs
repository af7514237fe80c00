//! From metadata and tensor table to a [`Model`]: meaning from the keys, shapes from the table.
//!
//! A model is made from the keys and from which tensors are there; then every tensor must be one of its own, of the
//! extent that it has there: a file with more than is understood here, or that contradicts itself, is refused with the
//! names of both.

use super::compressed;
use super::file::Gguf;
use super::keys::Keys;
use super::layers::{Blocks, layers};
use super::metadata::Metadata;
use super::reader::quoted;
use super::table::Table;
use crate::error::{Error, Result};
use crate::model::family::{Caps, Facts, Family, HeadBias, MixerRule, PerLayer, Recurrence, WindowRule};
use crate::model::language_model::{Model, Source};
use crate::model::layer::{FeedForward, Layer};
use crate::model::layout::TensorLayout;
use crate::model::limits;
use crate::model::nearest;
use crate::model::shape::{LayerInputs, ModelShape, Predictors, Streams};
use crate::model::storage::{Storage, Stored};
use crate::model::weights::recipe::Recipe;

/// The model of a file, which is called `name`.
///
/// # Errors
/// Misuse, naming keys and tensors: an unknown architecture or tensor, a missing one, or metadata and table
/// that contradict each other.
pub fn model(gguf: &Gguf, name: &str) -> Result<Model> {
    let mut table = Table::of(gguf);
    let (arch, family) = family(&gguf.metadata, &table)?;
    let keys = Keys { metadata: &gguf.metadata, arch };
    refuse_foreign(&keys, family)?;
    let count = keys.required("block_count", limits::LAYERS)?;
    table.check_blocks(count, &keys)?;
    let apart = keys.count("nextn_predict_layers")?.unwrap_or(0);
    let Some(own) = count.checked_sub(apart).filter(|own| *own > 0) else {
        let words = format_args!("{apart} of {} {count} are none of the model's own", keys.named("block_count"));
        return Err(keys.error("nextn_predict_layers", words));
    };
    let [hidden, vocabulary, _] = table.extent("token_embd.weight")?;
    keys.agrees("embedding_length", "token_embd.weight", hidden)?;
    keys.vocabulary(vocabulary)?;
    let facts = family.facts();
    let position_rows = match facts.position_rows {
        Some(_) => Some(table.extent("position_embd.weight")?[1]),
        None => None,
    };
    let layout = layout(facts, &table);
    let blocks = Blocks { keys: &keys, table: &table, family, count, hidden };
    let (layers, predictors) = parted(layers(&blocks)?, own, &keys)?;
    let shape = ModelShape {
        hidden,
        vocabulary,
        tied: !table.has("output.weight"),
        embedding_width: None,
        position_rows,
        embedding_norm: facts.embedding_norm.then_some(facts.norm),
        final_norm: Some(facts.norm),
        layer_inputs: layer_inputs(&keys, &table)?,
        streams: streams(&keys, &table)?,
        connections: compressed::connections(&keys, facts)?,
        head_bias: matches!(facts.head_bias, HeadBias::Always) || table.has("output.bias"),
        head_soft_cap: super::layers::soft_cap(&keys, "final_logit_softcapping", facts.caps),
        layers,
        predictors,
        joined: false,
    };
    let storage = Storage { gguf: Some(stored(gguf, layout)?), rope_factors: table.rotary, ..Storage::default() };
    let max_positions = keys.count("context_length")?;
    let name = name.to_owned();
    let source = Source { name, family, origin: None, published: None, max_positions, remarks: Vec::new() };
    let model = Model { shape, storage, source };
    model.validate()?;
    let is_mixture = |layer: &Layer| matches!(layer.feed_forward, Some(FeedForward::Mixture(_)));
    if keys.metadata.is_on(&keys.named("expert_count")) && !model.shape.layers.iter().any(is_mixture) {
        let words = "announces a mixture of experts, and no block has one; the file contradicts itself";
        return Err(keys.error("expert_count", words));
    }
    let apart = table.take_predictors(&model, layout, &keys)? + table.take_unread(&model);
    table.holds(&model, layout, &keys)?;
    adds_up(&model, gguf, apart)?;
    Ok(model)
}

/// The model's `own` layers, and those behind them, which are for multi-token prediction.
fn parted(layers: Vec<Layer>, own: u64, keys: &Keys) -> Result<(Vec<Layer>, Option<Predictors>)> {
    let (mut kept, mut apart) = (Vec::new(), Vec::new());
    for layer in layers {
        let (places, behind): (Vec<u64>, Vec<u64>) = layer.places.iter().partition(|place| **place < own);
        if !behind.is_empty() {
            apart.push((behind.len() as u64, Layer { places: vec![0], ..layer.clone() }));
        }
        if !places.is_empty() {
            kept.push(Layer { places, ..layer });
        }
    }
    let mut apart = apart.into_iter();
    match (apart.next(), apart.next()) {
        (_, Some(_)) => Err(keys.error("nextn_predict_layers", "are of several kinds, which is not supported")),
        (first, None) => Ok((kept, first.map(|(count, layer)| Predictors { count, layer }))),
    }
}

/// Embeddings of each layer, of Gemma 3n and 4.
fn layer_inputs(keys: &Keys, table: &Table) -> Result<Option<LayerInputs>> {
    if !table.has("per_layer_token_embd.weight") {
        return Ok(None);
    }
    let width = keys.required("embedding_length_per_layer_input", limits::HEAD_DIM)?;
    Ok(Some(LayerInputs { width, vocabulary: table.extent("per_layer_token_embd.weight")?[1] }))
}

/// Parallel residual streams, of Gemma 3n.
fn streams(keys: &Keys, table: &Table) -> Result<Option<Streams>> {
    if !table.has("altup_proj.weight") {
        return Ok(None);
    }
    let count = keys.required("altup.num_inputs", limits::STREAMS)?;
    Ok(Some(Streams { count, rank: table.extent("blk.0.laurel_l.weight")?[1] }))
}

fn stored(gguf: &Gguf, layout: TensorLayout) -> Result<Stored> {
    let types = gguf.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.kind)).collect();
    let (tensor_bytes, params_total) = (gguf.tensor_bytes()?, gguf.params_total()?);
    Ok(Stored { tensor_bytes, params_total, format: format(gguf)?, layout, types })
}

/// `general.file_type` in words.
fn format(gguf: &Gguf) -> Result<String> {
    const GUESSED: u64 = 1024;
    let plain = [(0, "f32"), (1, "f16"), (32, "bf16"), (39, "nvfp4")];
    let id = gguf.metadata.count("general.file_type")?.map(|id| id & !GUESSED);
    let recipe = |id| Recipe::ALL.iter().find(|(number, _)| *number == id).map(|(_, recipe)| recipe.name());
    let name = id.and_then(|id| plain.iter().find(|(number, _)| *number == id).map(|(_, name)| *name).or(recipe(id)));
    Ok(name.unwrap_or("gguf").to_owned())
}

/// What is counted is what the table holds, or something was misunderstood.
fn adds_up(model: &Model, gguf: &Gguf, apart: u64) -> Result<()> {
    let (counted, found) = (model.parameters()?, gguf.params_total()? - model.storage.rope_factors - apart);
    if counted == found {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "general.architecture: as {} it would have {counted} parameters, and the tensor table has {found}",
        model.family()
    )))
}

fn layout(facts: &Facts, table: &Table) -> TensorLayout {
    let has = |name| table.has_in_some_block(name);
    TensorLayout {
        // Recurrent blocks may have a matrix of that name beside attention in three.
        fused_attention: has("attn_qkv.weight") && !has("attn_q.weight"),
        fused_gate: facts.gated && has("ffn_up.weight") && !has("ffn_gate.weight"),
        parted_latents: has("attn_k_b.weight"),
        fused_experts: has("ffn_gate_up_exps.weight"),
    }
}

/// Families that llama.cpp calls alike are distinguished by what they have: mixtures in llama, corrected choices in
/// deepseek2. Mistral's files call themselves llama.
fn family<'a>(metadata: &'a Metadata, table: &Table) -> Result<(&'a str, Family)> {
    let Some(arch) = metadata.text("general.architecture")? else {
        return Err(Error::misuse("general.architecture: is missing, so what the tensors mean is unknown"));
    };
    let mixture = metadata.is_on(&format!("{arch}.expert_count"));
    let corrected = table.has_in_some_block("exp_probs_b.bias");
    let family = match arch {
        "llama" if mixture => Family::of("mixtral"),
        // The third OLMo is the second with windows.
        "olmo2" if metadata.is_on("olmo2.attention.sliding_window") => Family::of("olmo3"),
        "nemotron_h_moe" => Family::of("nemotron_h"),
        "deepseek2" if corrected => Family::of("deepseek_v3"),
        _ => Family::of_gguf(arch).next(),
    };
    family.map(|family| (arch, family)).ok_or_else(|| {
        let remedy = nearest::remedy(arch, Family::all().filter_map(|family| family.facts().gguf), nearest::FAMILIES);
        Error::misuse(format!("general.architecture: {} is not supported; {remedy}", quoted(arch)))
    })
}

/// Keys that announce what the family does not have.
fn refuse_foreign(keys: &Keys, family: Family) -> Result<()> {
    let Facts { mixture, mixer, caps, .. } = family.facts();
    let latent = family.latent().is_some();
    let compressed = matches!(mixer, MixerRule::Compressed(_));
    let indexed = compressed
        || family.facts().per_layer == PerLayer::ChosenBlocks
        || family.latent().is_some_and(|rule| rule.indexer.is_some());
    let recurrence = match mixer {
        MixerRule::Recurrent(rule) => Some(rule.recurrence),
        _ => None,
    };
    let [gemma3n, gemma4] = [PerLayer::Gemma3n, PerLayer::Gemma4].map(|rule| family.facts().per_layer == rule);
    let convolves = matches!(recurrence, Some(Recurrence::ShortConvolution));
    for (key, what, supported) in [
        ("expert_count", "a mixture of experts", mixture.is_some() || gemma4),
        ("attention.kv_lora_rank", "multi-head latent attention", latent),
        ("attention.q_lora_rank", "multi-head latent attention", latent || compressed),
        ("ssm.state_size", "state-space layers", recurrence.is_some() && !convolves),
        ("shortconv.l_cache", "short convolutions", convolves),
        ("attn_logit_softcapping", "capped scores", matches!(caps, Caps::Absent(_))),
        ("final_logit_softcapping", "capped logits", matches!(caps, Caps::Absent(_) | Caps::Head(_))),
        ("nextn_predict_layers", "multi-token prediction", !family.facts().uncounted.is_empty()),
        ("attention.shared_kv_layers", "layers that share keys and values", gemma3n || gemma4),
        ("attention.key_length_swa", "heads of two sizes", gemma4),
        ("attention.indexer.head_count", "sparse attention", indexed),
        ("embedding_length_per_layer_input", "embeddings of each layer", gemma3n || gemma4),
    ] {
        if !supported && keys.metadata.is_on(&keys.named(key)) {
            return Err(keys.error(key, format_args!("announces {what}, which is not supported for {}", keys.arch)));
        }
    }
    let has_windows = compressed
        || matches!(
            family.facts().window,
            WindowRule::Every(_)
                | WindowRule::Alternate(_)
                | WindowRule::Period(..)
                | WindowRule::Listed(_)
                | WindowRule::FirstOfFour(_)
                | WindowRule::Chunks(_)
        );
    // A window that no context reaches is none.
    let window = keys.count("attention.sliding_window")?.filter(|window| *window != 0);
    let context = keys.count("context_length")?.unwrap_or(u64::MAX);
    match window.filter(|window| !has_windows && *window < context) {
        None => Ok(()),
        Some(window) => Err(Error::misuse(format!(
            "{}: {window}, with {} {context}: files of {} have no window that is understood here",
            keys.named("attention.sliding_window"),
            keys.named("context_length"),
            keys.arch
        ))),
    }
}
