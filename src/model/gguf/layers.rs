//! The layers of a file, block by block.

use super::keys::Keys;
use super::metadata::Value;
use super::table::Table;
use crate::error::{Error, Result};
use crate::model::attention_form::Form;
use crate::model::family::{
    Attends, Caps, Facts, Family, GateRule, HeadNormRule, LatentRule, MixerRule, NormPlaces, NormsRule, PerLayer,
    RecurrentRule, RotaryRule, WindowRule,
};
use crate::model::layer::{
    Activation, Biases, ChosenBlocks, Dense, FeedForward, Gate, GroupedQuery, HeadNorm, Indexer, Latent, Layer, Mixer,
    Mixture, Norms, Shared,
};
use crate::model::limits;

/// What blocks are read from.
pub(super) struct Blocks<'a> {
    pub(super) keys: &'a Keys<'a>,
    pub(super) table: &'a Table<'a>,
    pub(super) family: Family,
    pub(super) count: u64,
    pub(super) hidden: u64,
}

/// All layers, alike ones together.
pub(super) fn layers(blocks: &Blocks) -> Result<Vec<Layer>> {
    let stated = LayerKeys::read(blocks)?;
    Layer::grouped((0..blocks.count).map(|place| {
        let block = Block { blocks, stated: &stated, place };
        Ok((block.mixer()?, block.feed_forward()?, block.norms()))
    }))
}

/// Whether a cap is on: it is a number, or, where the key is absent, the family's default.
pub(super) fn soft_cap(keys: &Keys, key: &str, caps: Caps) -> bool {
    let named = keys.named(key);
    match caps {
        Caps::Foreign | Caps::HeadBy(_) => false,
        Caps::Absent(on) | Caps::Head(on) if keys.metadata.get(&named).is_none() => on,
        Caps::Absent(_) | Caps::Head(_) => keys.metadata.is_on(&named),
    }
}

/// Whether no layer attends or feeds forward.
fn is_recurrent(facts: &Facts) -> bool {
    matches!(facts.mixer, MixerRule::Recurrent(RecurrentRule { attends: Attends::Never, .. }))
}

/// What the keys state of each layer.
struct LayerKeys {
    heads: Vec<u64>,
    kv_heads: Vec<u64>,
    widths: Option<Vec<u64>>,
    slides: Vec<bool>,
    window: Option<u64>,
}

impl LayerKeys {
    fn read(blocks: &Blocks) -> Result<LayerKeys> {
        let Blocks { keys, family, count, .. } = *blocks;
        let recurrent = is_recurrent(family.facts());
        let per_layer = |key: &str| keys.metadata.per_layer(&keys.named(key), count);
        let heads = if recurrent { Vec::new() } else { keys.of_layers("attention.head_count", count)? };
        let kv_heads = per_layer("attention.head_count_kv")?.unwrap_or_else(|| heads.clone());
        let window = keys.count("attention.sliding_window")?.filter(|window| *window != 0);
        let (window, slides) = windows(blocks, window)?;
        Ok(LayerKeys { heads, kv_heads, widths: per_layer("feed_forward_length")?, slides, window })
    }
}

/// The window, and which layers have it: the file's own pattern, or that of llama.cpp for the family.
fn windows(blocks: &Blocks, stated: Option<u64>) -> Result<(Option<u64>, Vec<bool>)> {
    let Blocks { keys, family, count, .. } = *blocks;
    let sees_all_first = family.facts().per_layer == PerLayer::Laguna;
    let (window, period) = match family.facts().window {
        WindowRule::Listed(_) if sees_all_first => (stated, 4),
        WindowRule::Every(_) | WindowRule::Listed(_) => (stated, 1),
        WindowRule::Alternate(absent) => (stated.or(Some(absent)), 2),
        WindowRule::Period(_, period) => (stated, period),
        // llama.cpp reads no size of chunks; a window of 0 says that there are none.
        WindowRule::Chunks(chunk) => (Some(chunk).filter(|_| keys.count("attention.sliding_window") != Ok(Some(0))), 4),
        _ => return Ok((None, (0..count).map(|_| false).collect())),
    };
    let key = keys.named("attention.sliding_window_pattern");
    let start = if sees_all_first { 0 } else { 1 };
    let periodic = |period: u64| (0..count).map(|layer| period < 2 || (layer + start) % period != 0).collect();
    let slides: Vec<bool> = match keys.metadata.get(&key) {
        None => periodic(period),
        Some(Value::Array(array)) => {
            let on = |value: &Value| match value {
                Value::Bool(on) => Some(*on),
                Value::Unsigned(number) => Some(*number != 0),
                Value::Signed(number) => Some(*number != 0),
                _ => None,
            };
            let pattern: Option<Vec<bool>> = array.values.as_ref().and_then(|all| all.iter().map(on).collect());
            pattern.filter(|pattern| pattern.len() as u64 == count).ok_or_else(|| {
                Error::misuse(format!("{key}: must be a period, or a list of {count} switches, one for each layer"))
            })?
        }
        Some(_) => periodic(keys.required("attention.sliding_window_pattern", limits::LAYERS)?),
    };
    Ok((window, slides))
}

/// One block.
pub(super) struct Block<'a> {
    blocks: &'a Blocks<'a>,
    stated: &'a LayerKeys,
    place: u64,
}

impl Block<'_> {
    fn facts(&self) -> &'static Facts {
        self.blocks.family.facts()
    }

    fn full(&self, name: &str) -> String {
        format!("blk.{}.{name}", self.place)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.blocks.table.has(&self.full(name))
    }

    fn extent(&self, name: &str) -> Result<[u64; 3]> {
        self.blocks.table.extent(&self.full(name))
    }

    fn of_layer(&self, all: &[u64]) -> u64 {
        usize::try_from(self.place).ok().and_then(|place| all.get(place)).copied().unwrap_or_default()
    }

    /// A size that a key states.
    pub(super) fn size(&self, key: &str) -> Result<u64> {
        self.blocks.keys.required(key, limits::HEAD_DIM)
    }

    fn size_or(&self, keys: &[&str], absent: impl FnOnce() -> Result<u64>) -> Result<u64> {
        for key in keys {
            if let Some(size) = self.blocks.keys.count(key)? {
                return self.blocks.keys.within(key, size, limits::HEAD_DIM);
            }
        }
        absent()
    }

    fn mixer(&self) -> Result<Mixer> {
        match self.facts().mixer {
            // Blocks of a searched architecture may have one matrix instead of attention, or nothing.
            MixerRule::GroupedQuery { .. }
                if self.facts().per_layer == PerLayer::Blocks && !self.has("attn_q.weight") =>
            {
                Ok(if self.has("attn_output.weight") { Mixer::Linear } else { Mixer::Nothing })
            }
            MixerRule::GroupedQuery { .. } => self.grouped_query().map(Mixer::GroupedQuery),
            MixerRule::Compressed(_) => self.compressed().map(Mixer::Compressed),
            MixerRule::Latent(ref rule) => self.latent(Some(rule)).map(Mixer::Latent),
            MixerRule::Recurrent(ref rule) => self.hybrid(rule),
        }
    }

    pub(super) fn heads(&self) -> Result<u64> {
        self.blocks.keys.within("attention.head_count", self.of_layer(&self.stated.heads), limits::HEADS)
    }

    /// Where keys do not state the size of a head.
    fn part_of_hidden(&self, heads: u64, key: &str) -> Result<u64> {
        let (hidden, keys) = (self.blocks.hidden, self.blocks.keys);
        if hidden.is_multiple_of(heads) {
            return Ok(hidden / heads);
        }
        let (whole, key) = (keys.named("embedding_length"), keys.named(key));
        let words = format_args!("{heads} does not divide {whole} {hidden}, and {key} is missing");
        Err(keys.error("attention.head_count", words))
    }

    pub(super) fn grouped_query(&self) -> Result<GroupedQuery> {
        let (keys, facts) = (self.blocks.keys, self.facts());
        let heads = self.heads()?;
        let kv_heads = keys.within("attention.head_count_kv", self.of_layer(&self.stated.kv_heads), limits::HEADS)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(keys.no_divisor(("attention.head_count_kv", kv_heads), ("attention.head_count", heads)));
        }
        let length = "attention.key_length";
        let slides = self.stated.slides.get(self.place as usize).copied().unwrap_or_default();
        // Gemma 4 has heads of two sizes.
        let lengths = match slides && facts.per_layer == PerLayer::Gemma4 {
            true => ["attention.key_length_swa", "attention.value_length_swa"],
            false => [length, "attention.value_length"],
        };
        let head_dim = self.size_or(&lengths[..1], || self.part_of_hidden(heads, length))?;
        let value_dim = self.size_or(&lengths[1..], || Ok(head_dim))?;
        if value_dim != head_dim && facts.per_layer != PerLayer::Mimo {
            let (key, arch) = (keys.named(length), keys.arch);
            let words = format_args!("differs from {key} {head_dim}, which is not supported for {arch}");
            return Err(keys.error("attention.value_length", words));
        }
        let (sees, chunked) = (self.stated.window.filter(|_| slides), matches!(facts.window, WindowRule::Chunks(_)));
        let rotary = self.rotary(head_dim, slides)?;
        let shares = self.shares()?;
        Ok(GroupedQuery {
            heads,
            kv_heads,
            head_dim,
            value_dim,
            rotary,
            window: sees.filter(|_| !chunked),
            chunk: sees.filter(|_| chunked),
            gate: self.gate(heads)?,
            output_norm: facts.inner_norms.then_some(facts.norm),
            chosen: self.chosen()?,
            biases: self.biases(),
            head_norm: self.head_norm(head_dim)?,
            value_norm: matches!(facts.per_layer, PerLayer::Gemma3n | PerLayer::Gemma4),
            keys_are_values: facts.per_layer == PerLayer::Gemma4 && !slides && !shares && !self.has("attn_v.weight"),
            shares,
            sinks: match facts.mixer {
                MixerRule::GroupedQuery { sinks } => sinks || (slides && facts.per_layer == PerLayer::Mimo),
                _ => false,
            },
            soft_cap: matches!(facts.caps, Caps::Absent(_)) && soft_cap(keys, "attn_logit_softcapping", facts.caps),
            form: Form::Usual,
        })
    }

    /// Whether keys and values are those of an earlier layer: in the last ones of a Gemma 3n or 4.
    fn shares(&self) -> Result<bool> {
        // As many as llama.cpp takes where a Gemma 3n does not say: all but the first twenty.
        let absent = match self.facts().per_layer {
            PerLayer::Gemma3n => self.blocks.count.saturating_sub(20),
            PerLayer::Gemma4 => 0,
            _ => return Ok(false),
        };
        let shared = self.keys().count("attention.shared_kv_layers")?.unwrap_or(absent);
        Ok(self.place >= self.blocks.count.saturating_sub(shared))
    }

    /// What chooses blocks of keys, in blocks that have it.
    fn chosen(&self) -> Result<Option<ChosenBlocks>> {
        if self.facts().per_layer != PerLayer::ChosenBlocks || !self.has("indexer.q_proj.weight") {
            return Ok(None);
        }
        let block = self.size("attention.indexer.block_size")?;
        Ok(Some(ChosenBlocks { block, blocks: self.size("attention.indexer.top_k")?, indexer: self.indexer()? }))
    }

    /// A gate apart has a row for each element, or for each head.
    fn gate(&self, heads: u64) -> Result<Gate> {
        let rule = match self.facts().per_layer {
            PerLayer::Laguna => GateRule::Always(Gate::PerHead),
            _ => self.facts().gate,
        };
        let (GateRule::Always(usual) | GateRule::Switch(_, _, usual)) = rule;
        Ok(match usual {
            Gate::None | Gate::WithQueries => usual,
            _ if matches!(rule, GateRule::Switch(..)) && !self.has("attn_gate.weight") => Gate::None,
            Gate::Apart | Gate::PerHead if self.extent("attn_gate.weight")?[1] == heads => Gate::PerHead,
            Gate::Apart | Gate::PerHead => Gate::Apart,
        })
    }

    /// Files do not state which layers of a SmolLM3 rotate: all but every fourth.
    fn rotary(&self, head_dim: u64, slides: bool) -> Result<u64> {
        match self.facts().rotary {
            RotaryRule::Nothing => Ok(0),
            RotaryRule::IfStated
                if !self.blocks.keys.metadata.is_on(&self.blocks.keys.named("rope.scaling.finetuned")) =>
            {
                Ok(0)
            }
            RotaryRule::Windowed if self.stated.window.is_some() && !slides => Ok(0),
            // A quarter of the larger heads of a Gemma 4 is rotated.
            _ if self.facts().per_layer == PerLayer::Gemma4 => Ok(if slides { head_dim } else { head_dim / 4 }),
            RotaryRule::WholeExcept if (self.place + 1).is_multiple_of(4) => Ok(0),
            _ if slides => self.size_or(&["rope.dimension_count_swa", "rope.dimension_count"], || Ok(head_dim)),
            _ => self.size_or(&["rope.dimension_count"], || Ok(head_dim)),
        }
    }

    fn biases(&self) -> Biases {
        let projections = ["attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_qkv.bias"];
        match (projections.iter().any(|name| self.has(name)), self.has("attn_output.bias")) {
            (false, false) => Biases::None,
            (false, true) => Biases::Output,
            (true, false) => Biases::QueryKeyValue,
            (true, true) => Biases::All,
        }
    }

    fn head_norm(&self, head_dim: u64) -> Result<HeadNorm> {
        let usual = match self.facts().head_norm {
            HeadNormRule::Always(norm) => return Ok(norm),
            HeadNormRule::Switch(_, _, norm) => norm,
        };
        if !self.has("attn_q_norm.weight") {
            return Ok(HeadNorm::None);
        }
        let [row, rows, _] = self.extent("attn_q_norm.weight")?;
        Ok(match usual {
            HeadNorm::PerHead(_) if row * rows != head_dim => HeadNorm::None,
            usual => usual,
        })
    }

    pub(super) fn place(&self) -> u64 {
        self.place
    }

    pub(super) fn keys(&self) -> &Keys<'_> {
        self.blocks.keys
    }

    pub(super) fn hidden(&self) -> u64 {
        self.blocks.hidden
    }

    pub(super) fn latent(&self, rule: Option<&LatentRule>) -> Result<Latent> {
        let heads = self.heads()?;
        let rotary_dim = self.size("rope.dimension_count")?;
        let key = self.size_or(&["attention.key_length_mla"], || self.size("attention.key_length"))?;
        let (short, whole) = ("attention.value_length", "attention.value_length_mla");
        let value_dim = self.size_or(&[whole, short], || self.part_of_hidden(heads, short))?;
        let Some(plain_dim) = key.checked_sub(rotary_dim).filter(|plain| *plain > 0) else {
            let whole = self.blocks.keys.named("attention.key_length");
            let words = format_args!("{rotary_dim} is not below {whole} {key}; the file contradicts itself");
            return Err(self.blocks.keys.error("rope.dimension_count", words));
        };
        let indexed = rule.is_some_and(|rule| rule.indexer.is_some());
        let query_rank = if self.has("attn_q_a.weight") { Some(self.size("attention.q_lora_rank")?) } else { None };
        Ok(Latent {
            heads,
            query_rank,
            rank: self.size("attention.kv_lora_rank")?,
            plain_dim,
            rotary_dim,
            value_dim,
            bias: self.has("attn_output.bias"),
            gate: Gate::None,
            selected: indexed
                .then(|| self.blocks.keys.required("attention.indexer.top_k", limits::POSITIONS))
                .transpose()?,
            // Blocks without one take an earlier one's choice.
            indexer: (indexed && self.has("indexer.proj.weight")).then(|| self.indexer()).transpose()?,
        })
    }

    pub(super) fn indexer(&self) -> Result<Indexer> {
        Ok(Indexer {
            heads: self.blocks.keys.required("attention.indexer.head_count", limits::HEADS)?,
            head_dim: self.size("attention.indexer.key_length")?,
        })
    }

    fn norms(&self) -> Norms {
        let Facts { norm, norms, tensors, .. } = self.facts();
        let own = tensors.iter().find(|(usual, _)| *usual == "ffn_norm").map_or("ffn_norm", |(_, own)| own);
        let places = match *norms {
            NormsRule::Always(places) => places,
            NormsRule::OneIf(_) | NormsRule::Falcon | NormsRule::Opt if self.has(&format!("{own}.weight")) => {
                NormPlaces::Inputs
            }
            NormsRule::OneIf(_) | NormsRule::Falcon | NormsRule::Opt => NormPlaces::One,
            NormsRule::BothIf(_) | NormsRule::AfterExperts | NormsRule::OutputsIfAttends => NormPlaces::Inputs,
        };
        places.norms(*norm)
    }

    fn feed_forward(&self) -> Result<Option<FeedForward>> {
        let parted = self.facts().per_layer == PerLayer::Blocks
            || matches!(self.facts().mixer, MixerRule::Recurrent(RecurrentRule { attends: Attends::Nemotron, .. }));
        let feeds = ["ffn_down.weight", "ffn_down_exps.weight"].iter().any(|name| self.has(name));
        if is_recurrent(self.facts()) || (parted && !feeds) {
            return Ok(None);
        }
        if self.has("ffn_gate_inp.weight") {
            return self.mixture().map(FeedForward::Mixture).map(Some);
        }
        let dense = self.dense("", self.facts().gated)?;
        let stated = self.stated.widths.as_ref().map(|widths| self.of_layer(widths));
        self.agrees("feed_forward_length", stated, "ffn_down.weight", dense.width)?;
        Ok(Some(FeedForward::Dense(dense)))
    }

    /// The width that a key states is that of the table.
    fn agrees(&self, key: &str, stated: Option<u64>, tensor: &str, width: u64) -> Result<()> {
        match stated.filter(|stated| *stated != width) {
            None => Ok(()),
            Some(stated) => Err(Error::misuse(format!(
                "tensor {}: has rows of {width}, where {} is {stated}; the file contradicts itself",
                self.full(tensor),
                self.blocks.keys.named(key)
            ))),
        }
    }

    fn dense(&self, ending: &str, gated: bool) -> Result<Dense> {
        Ok(Dense {
            width: self.extent(&format!("ffn_down{ending}.weight"))?[0],
            gated,
            // Files keep the learned numbers of xIELU among their keys.
            activation: match self.facts().activation {
                Activation::Xielu => Activation::Gelu,
                usual => usual,
            },
            bias: self.has(&format!("ffn_down{ending}.bias")),
            norm: self.facts().inner_norms.then_some(self.facts().norm),
        })
    }

    fn mixture(&self) -> Result<Mixture> {
        let keys = self.blocks.keys;
        if !self.has("ffn_down_exps.weight") && self.has("ffn_down.0.weight") {
            return Err(Error::misuse(format!(
                "tensor {}: experts stand apart, as before April 2024; convert the model again with a current tool",
                self.full("ffn_down.0.weight")
            )));
        }
        let expert = self.dense("_exps", self.facts().gated)?;
        let (width, tensor) = ("expert_feed_forward_length", "ffn_down_exps.weight");
        self.agrees(width, keys.count(width)?, tensor, expert.width)?;
        // Experts of a Gemma 4 stand beside the plain feed-forward.
        let beside = self.facts().per_layer == PerLayer::Gemma4;
        let shared = if self.has("ffn_down_shexp.weight") {
            let dense = self.dense("_shexp", self.facts().gated)?;
            let (width, tensor) = ("expert_shared_feed_forward_length", "ffn_down_shexp.weight");
            self.agrees(width, keys.count(width)?, tensor, dense.width)?;
            Some(Shared { dense, gate: self.has("ffn_gate_inp_shexp.weight") })
        } else if beside {
            Some(Shared { dense: self.dense("", self.facts().gated)?, gate: false })
        } else {
            None
        };
        let experts = keys.required("expert_count", limits::EXPERTS)?;
        let latent =
            if self.has("ffn_latent_down.weight") { Some(self.extent("ffn_latent_down.weight")?[1]) } else { None };
        Ok(Mixture {
            experts,
            used: keys.required("expert_used_count", experts)?,
            scores: experts,
            expert,
            router_bias: self.has("ffn_gate_inp.bias"),
            correction: self.has("exp_probs_b.bias") || self.has("exp_probs_b"),
            shared,
            latent,
            normed_apart: beside,
            output_bias: false,
        })
    }
}
