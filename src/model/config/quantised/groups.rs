//! Checkpoints whose block names groups of modules: compressed-tensors (llm-compressor, vLLM) and modelopt (TensorRT).

use super::{Block, linear};
use crate::error::Result;
use crate::model::keys::quoted;
use crate::model::tensor_type::{Scaled, TensorType};
use crate::model::weights::Weights;
use crate::model::weights::checkpoint::{Checkpoint, Exception, Modules};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bytes of `weight_shape`: two integers of 64 bits.
const SHAPE_BYTES: u32 = 16;
/// Formats whose weights are stored as numbers of their own.
const NUMBERS: [&str; 4] = ["int-quantized", "float-quantized", "naive-quantized", "mxfp8-quantized"];

/// Who wrote the block: parts are stored otherwise.
#[derive(Clone, Copy, PartialEq)]
enum Writer {
    CompressedTensors,
    ModelOpt,
}

impl<'a> Block<'a> {
    pub(super) fn compressed_tensors(self, notes: &mut Vec<String>) -> Result<Checkpoint> {
        if self
            .map
            .get("sparsity_config")
            .and_then(|sparsity| sparsity.get("format"))
            .is_some_and(|format| format != "dense")
        {
            return Err(self.error("sparsity_config", "is not supported: its files are smaller than their shapes"));
        }
        let checkpoint = self.groups(Writer::CompressedTensors, notes)?;
        self.kept_by_name("ignore", checkpoint)
    }

    /// `exclude_modules` of old blocks is `ignore` of new ones.
    pub(super) fn modelopt(self, notes: &mut Vec<String>) -> Result<Checkpoint> {
        // Older files have the block of hf_quant_config.json.
        if let Some(Value::Object(inner)) = self.map.get("quantization") {
            return Block { map: inner, ..self }.modelopt(notes);
        }
        let checkpoint = match self.word("quant_algo")? {
            Some("MIXED_PRECISION") => self.layers_of_modelopt()?,
            Some(algorithm) if !self.map.contains_key("config_groups") => {
                linear(self.by_algorithm(algorithm, self.group_of(16)?)?, Vec::new())
            }
            _ => self.groups(Writer::ModelOpt, notes)?,
        };
        let checkpoint = self.kept_by_name("ignore", checkpoint)?;
        self.kept_by_name("exclude_modules", checkpoint)
    }

    /// Modules with algorithms of their own; all others are not quantised. Experts of a layer, which are one tensor here, are
    /// stored alike.
    fn layers_of_modelopt(self) -> Result<Checkpoint> {
        let Some(Value::Object(modules)) = self.map.get("quantized_layers") else {
            return Err(self.error("quantized_layers", "is missing, so how weights are stored is unknown"));
        };
        let mut kinds: BTreeMap<String, TensorType> = BTreeMap::new();
        for (name, module) in modules {
            let Value::Object(map) = module else { return Err(self.error(name, "must be an object")) };
            let own = Block { map, ..self };
            let Some(algorithm) = own.word("quant_algo")? else {
                return Err(self.error(name, "has no quant_algo, so how it is stored is unknown"));
            };
            let kind = own.by_algorithm(algorithm, own.group_of(16)?)?;
            if kinds.insert(of_all_experts(name), kind).is_some_and(|other| other != kind) {
                return Err(self.error(name, "is stored unlike other experts of its layer, which is not supported"));
            }
        }
        let exceptions =
            kinds.into_iter().map(|(name, kind)| Exception { modules: Modules::of(&name), kind: Some(kind) });
        Ok(Checkpoint { layout: Weights::Linear(TensorType::F16), only: Vec::new(), exceptions: exceptions.collect() })
    }

    fn group_of(&self, otherwise: u32) -> Result<u32> {
        if self.map.get("group_size").is_none_or(Value::is_null) { Ok(otherwise) } else { self.group(None) }
    }

    fn by_algorithm(self, algorithm: &str, group: u32) -> Result<TensorType> {
        let input = 4;
        Ok(TensorType::Scaled(match algorithm {
            "FP8" => Scaled { scale: 4, more: input, ..Scaled::of("modelopt-fp8", 8) },
            "NVFP4" => nvfp4("modelopt-nvfp4", group, 4 + input),
            "W4A16_NVFP4" => nvfp4("modelopt-nvfp4", group, 4),
            "FP8_PER_CHANNEL_PER_TOKEN" => Scaled { tile: [1, Scaled::ALL], scale: 4, ..Scaled::of("modelopt-fp8", 8) },
            "MXFP8" => Scaled { tile: [1, 32], scale: 1, ..Scaled::of("modelopt-mxfp8", 8) },
            other => {
                return Err(self.unknown(
                    "quant_algo",
                    other,
                    "FP8, NVFP4, W4A16_NVFP4, MXFP8 and MIXED_PRECISION are",
                ));
            }
        }))
    }

    /// The first group of every linear layer is the usual one, all others are exceptions.
    fn groups(self, writer: Writer, notes: &mut Vec<String>) -> Result<Checkpoint> {
        let Some(Value::Object(groups)) = self.map.get("config_groups") else {
            return Err(self.error("config_groups", "is missing, so how weights are stored is unknown"));
        };
        let (mut usual, mut exceptions) = (None, Vec::new());
        for (name, group) in groups {
            let Value::Object(map) = group else {
                return Err(self.error(name, "must be an object"));
            };
            let group = Block { map, ..self };
            if map.get("weights").is_none_or(Value::is_null) {
                notes.push(format!("{} of {} quantises no weights", quoted(name), self.key));
                continue;
            }
            let kind = self.group_type(group, writer)?;
            let targets = group.list("targets")?.map_or(&[][..], Vec::as_slice);
            for target in targets.iter().filter_map(Value::as_str).chain(targets.is_empty().then_some("Linear")) {
                match target {
                    "Linear" if usual.is_none() => usual = Some(kind),
                    "Linear" => return Err(self.error(name, "is a second group of all linear layers")),
                    target => exceptions.push(Exception { modules: self.modules(target)?, kind: Some(kind) }),
                }
            }
        }
        let layout = Weights::Linear(usual.unwrap_or(TensorType::F16));
        if usual.is_none() && exceptions.is_empty() {
            return Err(self.error("config_groups", "is empty, so how weights are stored is unknown"));
        }
        Ok(Checkpoint { layout, only: Vec::new(), exceptions })
    }

    /// A module by its name, by a regular expression behind `re:`, or with wildcards.
    pub(super) fn modules(&self, name: &str) -> Result<Modules> {
        let wrong = || self.error("a pattern", format_args!("{} is no regular expression", quoted(name)));
        match name.strip_prefix("re:") {
            Some(pattern) => Modules::of_pattern(pattern).ok_or_else(wrong),
            None if name.contains('*') => Ok(Modules::of_wildcard(name)),
            None => Ok(Modules::of(name)),
        }
    }

    fn kept_by_name(&self, list: &str, mut checkpoint: Checkpoint) -> Result<Checkpoint> {
        for name in self.list(list)?.into_iter().flatten() {
            let wrong = || self.error(list, "must list names of modules");
            let modules = self.modules(name.as_str().ok_or_else(wrong)?)?;
            checkpoint.exceptions.push(Exception { modules, kind: None });
        }
        Ok(checkpoint)
    }

    fn group_type(self, group: Block, writer: Writer) -> Result<TensorType> {
        let Some(Value::Object(weights)) = group.map.get("weights") else {
            return Err(self.error("weights", "must be an object"));
        };
        let weights = Block { map: weights, ..self };
        let format = match group.word("format")? {
            None => self.word("format")?,
            format => format,
        };
        let inputs = match group.map.get("input_activations") {
            Some(Value::Object(inputs)) => Some(inputs),
            _ => None,
        };
        let four = weights.word("type")? == Some("float") && weights.whole("num_bits")? == Some(4);
        match writer {
            Writer::ModelOpt if four => {
                Ok(TensorType::Scaled(nvfp4("modelopt-nvfp4", weights.group_of(16)?, 4 + static_input(inputs))))
            }
            Writer::ModelOpt if weights.word("strategy")? == Some("channel") => {
                self.by_algorithm("FP8_PER_CHANNEL_PER_TOKEN", 0)
            }
            Writer::ModelOpt if weights.map.get("group_size").is_some() => self.by_algorithm("MXFP8", 32),
            Writer::ModelOpt => self.by_algorithm("FP8", 0),
            Writer::CompressedTensors => weights.compressed(format.unwrap_or("pack-quantized"), inputs),
        }
    }

    fn whole(&self, name: &str) -> Result<Option<u64>> {
        self.typed(name, "an integer", Value::as_u64)
    }

    /// As compressed-tensors 0.20 stores it: scales have the model's type, those of activations stand beside.
    fn compressed(self, format: &str, inputs: Option<&Map<String, Value>>) -> Result<TensorType> {
        let bits = match self.whole("num_bits")? {
            Some(bits @ 1..=8) => bits as u32,
            _ => return Err(self.error("num_bits", "must lie in 1..=8")),
        };
        let tile = self.tile()?;
        let asymmetric = !self.typed("symmetric", "true or false", Value::as_bool)?.unwrap_or(true);
        let zero = if asymmetric { bits as u8 } else { 0 };
        let input = if inputs.is_some_and(is_static) { 2 } else { 0 };
        let name = "compressed-tensors";
        let scaled = match format {
            "pack-quantized" => Scaled {
                word: 32,
                tile,
                scale: 2,
                zero,
                zero_word: 32,
                per_input: if self.orders()? { 4 } else { 0 },
                more: SHAPE_BYTES + input,
                ..Scaled::of(name, bits)
            },
            "nvfp4-pack-quantized" => {
                nvfp4("compressed-tensors-nvfp4", self.group_of(16)?, 4 + if inputs.is_some() { 4 } else { 0 })
            }
            "mxfp4-pack-quantized" => Scaled { tile: [1, 32], scale: 1, ..Scaled::of("compressed-tensors-mxfp4", 4) },
            "mxfp6-pack-quantized" => Scaled { tile: [1, 32], scale: 1, ..Scaled::of("compressed-tensors-mxfp6", 6) },
            "mxfp8-quantized" => Scaled { tile: [1, 32], scale: 1, ..Scaled::of("compressed-tensors-mxfp8", 8) },
            format if NUMBERS.contains(&format) => {
                let zero = if asymmetric { 8 } else { 0 };
                Scaled { tile, scale: 2, zero, more: input, ..Scaled::of(name, 8) }
            }
            other => {
                return Err(self.unknown(
                    "format",
                    other,
                    "pack-, int-, float-, nvfp4-, mxfp4-, mxfp6- and mxfp8-quantized are",
                ));
            }
        };
        Ok(TensorType::Scaled(scaled))
    }

    fn tile(&self) -> Result<[u32; 2]> {
        let group = match self.map.get("group_size") {
            None | Some(Value::Null) => Scaled::ALL,
            Some(_) => self.group(None)?,
        };
        match self.word("strategy")? {
            Some("tensor") => Ok([Scaled::ALL, Scaled::ALL]),
            Some("channel") => Ok([1, Scaled::ALL]),
            Some("block") => {
                let sides = self
                    .list("block_structure")?
                    .map(|sides| sides.iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
                match sides.flatten().as_deref() {
                    Some(&[down @ 1..=65536, across @ 1..=65536]) => Ok([down as u32, across as u32]),
                    _ => Err(self.error("block_structure", "must be two integers in 1..=65536")),
                }
            }
            Some("group" | "tensor_group") => Ok([1, group]),
            None if group != Scaled::ALL => Ok([1, group]),
            None => Ok([Scaled::ALL, Scaled::ALL]),
            Some(other) => Err(self.unknown("strategy", other, "tensor, channel, group, tensor_group and block are")),
        }
    }

    /// Whether an order of the input features is stored: only that by groups is.
    fn orders(&self) -> Result<bool> {
        match self.map.get("actorder") {
            Some(Value::Bool(on)) => Ok(*on),
            _ => Ok(matches!(self.word("actorder")?, Some("group" | "dynamic"))),
        }
    }
}

/// 4-bit floating point, scales of 8 bits, and `more` bytes of the matrix.
pub(super) const fn nvfp4(name: &'static str, group: u32, more: u32) -> Scaled {
    Scaled { tile: [1, group], scale: 1, more, ..Scaled::of(name, 4) }
}

/// Whether a scale of activations is stored.
fn is_static(inputs: &Map<String, Value>) -> bool {
    inputs.get("dynamic").is_none_or(|dynamic| dynamic == &Value::Bool(false) || dynamic.is_null())
}

/// Bytes of modelopt's scale of activations.
fn static_input(inputs: Option<&Map<String, Value>>) -> u32 {
    if inputs.is_some() { 4 } else { 0 }
}

/// A module's name without the number of its expert.
fn of_all_experts(name: &str) -> String {
    match name.split_once(".experts.") {
        Some((layer, rest)) => match rest.split_once('.') {
            Some((number, part)) if number.parse::<u64>().is_ok() => format!("{layer}.experts.{part}"),
            _ => name.to_owned(),
        },
        None => name.to_owned(),
    }
}
