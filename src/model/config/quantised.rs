//! Quantised checkpoints: what `quantization_config`, or MLX's `quantization`, states of how matrices are stored.

mod groups;
mod others;

use super::super::family::Family;
use super::super::keys::{Keys, is_on, quoted, shown};
use super::super::layout::{self, TensorLayout};
use super::super::shape::ModelShape;
use super::super::tensor_type::{Grouped, Scaled, Scheme, TensorType};
use super::super::weights::Weights;
use super::super::weights::checkpoint::{Checkpoint, Exception, Modules};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// Keys of MLX's block that are settings; all others name modules.
const MLX_SETTINGS: [&str; 5] = ["group_size", "bits", "mode", "quant_method", "linear_class_predicate"];
/// Methods that are read, for messages.
const METHODS: &str = "awq, gptq, auto-round, bitsandbytes, compressed-tensors, modelopt, fp8, fbgemm_fp8, mxfp4, torchao, hqq, aqlm, bitnet, \
    exl2, exl3, quanto, eetq, and MLX's block without a quant_method";

/// How the checkpoint is stored, with remarks; none where nothing is quantised.
pub(super) fn checkpoint(keys: &Keys, family: Family) -> Result<Option<(Checkpoint, Vec<String>)>> {
    // MLX writes its block under both names.
    let blocks = ["quantization", "quantization_config"].map(|key| (key, keys.get(key)));
    let mut found: Option<Block> = None;
    for (key, value) in blocks {
        let Some(value) = value.filter(|value| is_on(value)) else { continue };
        let Value::Object(map) = value else {
            return Err(Error::misuse(format!("{key}: must be an object, is {}", shown(value))));
        };
        match &found {
            Some(first) if first.map != map => {
                return Err(Error::misuse(format!("{key}: disagrees with {}; remove one of them", first.key)));
            }
            _ => found = Some(Block { key, map }),
        }
    }
    let Some(block) = found else { return Ok(None) };
    let mut notes = Vec::new();
    let mut checkpoint = match block.word("quant_method")? {
        Some("awq") => block.awq()?,
        Some("gptq") => block.gptq()?,
        Some("bitsandbytes") => block.bits_and_bytes(family)?,
        Some("fp8") => block.fp8(&mut notes)?,
        Some("mxfp4") => block.mxfp4(family)?,
        Some("compressed-tensors") => block.compressed_tensors(&mut notes)?,
        Some("modelopt") => block.modelopt(&mut notes)?,
        Some(method) if others::METHODS.contains(&method) => block.other(method, &mut notes)?,
        // Early files of modelopt name themselves as the producer alone.
        None if block.map.contains_key("quant_algo") && block.map.contains_key("producer") => {
            block.modelopt(&mut notes)?
        }
        None if block.map.contains_key("bits") && block.map.contains_key("group_size") => {
            block.mlx(family, &mut notes)?
        }
        None => return Err(block.error("quant_method", format!("is missing; known: {METHODS}"))),
        Some(other) => return Err(block.unknown("quant_method", other, METHODS)),
    };
    if let Some(kind) = block.own_experts(keys)? {
        // Scales of squares are powers of two there, of 8 bits.
        if let Weights::Linear(TensorType::Grouped(Grouped { scheme: Scheme::Fp8Square, group, .. })) =
            checkpoint.layout
        {
            let squares = Scaled { tile: [group, group], scale: 1, ..Scaled::of("fp8-block", 8) };
            checkpoint.layout = Weights::Linear(TensorType::Scaled(squares));
        }
        let experts = Modules::of_pattern(r".*\.experts\.");
        checkpoint.exceptions.extend(experts.map(|modules| Exception { modules, kind: Some(kind) }));
        notes.push(format!("experts are stored as {kind}"));
    }
    let layout = checkpoint.layout;
    notes.insert(
        0,
        format!("the checkpoint is stored as {layout} ({}), and counted so unless --weights is given", block.key),
    );
    Ok(Some((checkpoint, notes)))
}

/// A remark on modules that the checkpoint treats in their own way and that are no part of what is counted. Norms and parts
/// of other models are expected to be none.
pub(super) fn idle(checkpoint: &Checkpoint, model: &ModelShape, family: Family) -> Result<Option<String>> {
    const EXPECTED: [&str; 9] = ["norm", "gate", "router", "visual", "vision", "projector", "merger", "audio", "embed"];
    let tensors = layout::tensors(model, family, TensorLayout::of_checkpoint(family))?;
    let names: Vec<String> = checkpoint.idle(&tensors).map(Modules::to_string).collect();
    let strange: Vec<&String> = names.iter().filter(|name| !EXPECTED.iter().any(|word| name.contains(word))).collect();
    let Some(first) = strange.first() else { return Ok(None) };
    let more = if strange.len() > 1 { format!(" and {} more", strange.len() - 1) } else { String::new() };
    let first = quoted(first);
    Ok(Some(format!("the checkpoint treats {first}{more} in its own way, which is no part that is counted here")))
}

/// One such block.
#[derive(Clone, Copy)]
struct Block<'a> {
    key: &'static str,
    map: &'a Map<String, Value>,
}

impl<'a> Block<'a> {
    fn error(&self, name: &str, words: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{}: {} {words}", self.key, quoted(name).trim_matches('"')))
    }

    fn unknown(&self, name: &str, word: &str, known: &str) -> Error {
        let remedy = format!("name the folder of its safetensors files, which say it, or remove {}", self.key);
        self.error(name, format_args!("{} is not supported ({known}); {remedy}", quoted(word)))
    }

    fn word(&self, name: &str) -> Result<Option<&'a str>> {
        self.typed(name, "a string", Value::as_str)
    }

    fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.typed(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>> {
        self.typed(name, "a list", Value::as_array)
    }

    /// What `of` makes of a value, which must be `what`.
    fn typed<T>(&self, name: &str, what: &str, of: fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.map.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let wrong = || self.error(name, format_args!("must be {what}, is {}", shown(value)));
        of(value).map(Some).ok_or_else(wrong)
    }

    fn bits(&self, known: &[u8]) -> Result<u8> {
        let name = if self.map.contains_key("w_bit") { "w_bit" } else { "bits" };
        let given = self.map.get(name).map(|value| (value, value.as_u64().and_then(|bits| u8::try_from(bits).ok())));
        match given {
            Some((_, Some(bits))) if known.contains(&bits) => Ok(bits),
            given => {
                let is = given.map_or("missing".to_owned(), |(value, _)| shown(value));
                Err(self.error(name, format_args!("must be one of {known:?}, is {is}")))
            }
        }
    }

    /// Weights that share a scale; −1 is a whole row.
    fn group(&self, otherwise: Option<u32>) -> Result<u32> {
        let name = if self.map.contains_key("q_group_size") { "q_group_size" } else { "group_size" };
        let number = match (self.map.get(name), otherwise) {
            (None | Some(Value::Null), Some(group)) => return Ok(group),
            (given, _) => given,
        };
        let group = number.and_then(Value::as_i64).and_then(|group| match group {
            -1 => Some(Grouped::WHOLE_ROW),
            8..=65536 => u32::try_from(group).ok(),
            _ => None,
        });
        let is = || number.map_or("missing".to_owned(), shown);
        group.ok_or_else(|| self.error(name, format_args!("must be −1 or an integer in 8..=65536, is {}", is())))
    }

    /// Keys that change what is stored in ways that are not counted.
    fn without(&self, names: &[&str]) -> Result<()> {
        match names.iter().find(|name| self.map.get(**name).is_some_and(is_on)) {
            None => Ok(()),
            Some(name) => Err(self.error(name, "is not supported: it changes what is stored, module by module")),
        }
    }

    /// The modules that any of these lists leave out.
    fn kept(&self, lists: &[&str]) -> Result<Vec<Exception>> {
        let mut exceptions = Vec::new();
        for name in lists {
            let wrong =
                |value: &Value| self.error(name, format_args!("must list names of modules, holds {}", shown(value)));
            let items = match self.map.get(*name) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(items)) => items,
                Some(other) => return Err(wrong(other)),
            };
            for item in items {
                let modules = Modules::of(item.as_str().ok_or_else(|| wrong(item))?);
                if modules.is_one_expert() {
                    return Err(self.error(name, "leaves out single experts of a layer, which is not supported"));
                }
                exceptions.push(Exception { modules, kind: None });
            }
        }
        Ok(exceptions)
    }

    /// The modules of each layer that are quantised, in groups; none where all are.
    fn only(&self, name: &str) -> Result<Vec<Modules>> {
        let groups = self.list(name)?.into_iter().flatten();
        let words = groups.flat_map(|group| group.as_array().map_or(std::slice::from_ref(group), Vec::as_slice));
        let module = |word: &Value| match word.as_str() {
            Some(word) => Ok(Modules::of_all_experts(word)),
            None => Err(self.error(name, format_args!("must list names of modules, holds {}", shown(word)))),
        };
        words.map(module).collect()
    }

    fn awq(self) -> Result<Checkpoint> {
        if let Some(other) = self.word("version")?.filter(|version| !version.eq_ignore_ascii_case("gemm")) {
            return Err(self.unknown("version", other, "gemm is"));
        }
        let layout = Grouped { scheme: Scheme::Awq, bits: self.bits(&[4])?, group: self.group(None)? };
        let exceptions = self.kept(&["modules_to_not_convert"])?;
        Ok(linear(TensorType::Grouped(layout), exceptions))
    }

    /// Zero points and group indices are stored whether or not `sym` and `desc_act` need them.
    fn gptq(self) -> Result<Checkpoint> {
        self.without(&["is_marlin_format"])?;
        for name in ["checkpoint_format", "format"] {
            if let Some(other) = self.word(name)?.filter(|word| !["gptq", "gptq_v2"].contains(word)) {
                return Err(self.unknown(name, other, "gptq and gptq_v2 are"));
            }
        }
        let layout = Grouped { scheme: Scheme::Gptq, bits: self.bits(&[2, 3, 4, 8])?, group: self.group(Some(128))? };
        let kind = TensorType::Grouped(layout);
        let head = Exception { modules: Modules::of("lm_head"), kind: Some(kind) };
        let mut exceptions = if self.flag("lm_head")? { vec![head] } else { Vec::new() };
        exceptions.extend(self.dynamic(layout)?);
        Ok(Checkpoint { layout: Weights::Linear(kind), only: self.only("modules_in_block_to_quantize")?, exceptions })
    }

    fn bits_and_bytes(self, family: Family) -> Result<Checkpoint> {
        if family.name() == "gpt_oss" {
            return Err(
                self.error("quant_method", "bitsandbytes is not supported for gpt_oss, whose experts it leaves alone")
            );
        }
        let (four, eight) = (self.flag("load_in_4bit")?, self.flag("load_in_8bit")?);
        let scheme = match (four, eight) {
            (true, false) => match self.word("bnb_4bit_quant_type")? {
                Some("nf4" | "fp4") | None if self.flag("bnb_4bit_use_double_quant")? => Scheme::Nf4Double,
                // The two have the same size.
                Some("nf4" | "fp4") | None => Scheme::Nf4,
                Some(other) => return Err(self.unknown("bnb_4bit_quant_type", other, "nf4 and fp4 are")),
            },
            (false, true) => Scheme::Int8,
            _ => return Err(self.error("load_in_4bit", "and load_in_8bit: one of them must be true")),
        };
        let layout = match scheme {
            Scheme::Int8 => Grouped { scheme, bits: 8, group: Grouped::WHOLE_ROW },
            scheme => Grouped { scheme, bits: 4, group: 64 },
        };
        let exceptions = self.kept(&["llm_int8_skip_modules"])?;
        Ok(linear(TensorType::Grouped(layout), exceptions))
    }

    fn fp8(self, notes: &mut Vec<String>) -> Result<Checkpoint> {
        let layout = match self.map.get("weight_block_size") {
            None | Some(Value::Null) => Grouped { scheme: Scheme::Fp8Matrix, bits: 8, group: 1 },
            Some(size) => {
                let sides: Option<Vec<u64>> = size.as_array().and_then(|s| s.iter().map(Value::as_u64).collect());
                match sides.as_deref() {
                    Some(&[rows, columns]) if rows == columns && (8..=65536).contains(&rows) => {
                        let group = u32::try_from(rows).unwrap_or(Grouped::WHOLE_ROW);
                        Grouped { scheme: Scheme::Fp8Square, bits: 8, group }
                    }
                    _ => return Err(self.error("weight_block_size", "must be two equal integers in 8..=65536")),
                }
            }
        };
        if self.word("activation_scheme")? == Some("static") {
            notes.push("scales of activations, 4 bytes per matrix, are not counted".to_owned());
        }
        let exceptions = self.kept(&["modules_to_not_convert", "ignored_layers"])?;
        Ok(linear(TensorType::Grouped(layout), exceptions))
    }

    /// How experts are stored where all else is in FP8: DeepSeek-V4's are in FP4 with a scale of 8 bits for each 32 elements of a
    /// row (`expert_dtype`), or were converted by modelopt (`moe_quant_algo`).
    fn own_experts(&self, keys: &Keys) -> Result<Option<TensorType>> {
        let dtype = self.word("expert_dtype")?.or(keys.word("expert_dtype")?);
        if self.word("quant_method")? != Some("fp8") {
            return Ok(None);
        }
        match (self.word("moe_quant_algo")?, dtype) {
            (Some("NVFP4"), _) => Ok(Some(TensorType::Scaled(groups::nvfp4("modelopt-nvfp4", 16, 8)))),
            (Some(other), _) => Err(self.unknown("moe_quant_algo", other, "NVFP4 is")),
            (None, Some("fp4")) => {
                Ok(Some(TensorType::Scaled(Scaled { tile: [1, 32], scale: 1, ..Scaled::of("fp4", 4) })))
            }
            (None, None | Some("fp8")) => Ok(None),
            (None, Some(other)) => Err(self.unknown("expert_dtype", other, "fp8 and fp4 are")),
        }
    }

    fn mxfp4(self, family: Family) -> Result<Checkpoint> {
        if family.facts().mixture.is_none() {
            return Err(self.error("quant_method", format_args!("mxfp4 is for experts, and {family} has none")));
        }
        let exceptions = self.kept(&["modules_to_not_convert"])?;
        Ok(linear(TensorType::Mxfp4, exceptions))
    }

    fn mlx(self, family: Family, notes: &mut Vec<String>) -> Result<Checkpoint> {
        let layout = Weights::LinearAndEmbedding(self.mlx_type()?);
        let mut exceptions = Vec::new();
        for (name, value) in self.map.iter().filter(|(name, _)| !MLX_SETTINGS.contains(&name.as_str())) {
            let kind = match value {
                Value::Bool(false) => None,
                Value::Object(map) => Some(Block { map, ..self }.mlx_type()?),
                // As the block itself has it.
                Value::Bool(true) => Some(self.mlx_type()?),
                other => return Err(self.error(name, format_args!("must be an object or false, is {}", shown(other)))),
            };
            exceptions.push(Exception { modules: Modules::of(name), kind });
        }
        if family.facts().mixture.is_some() {
            notes.push("routers are counted with 16 bits where the block does not name them".to_owned());
        }
        Ok(Checkpoint { layout, only: Vec::new(), exceptions })
    }

    fn mlx_type(self) -> Result<TensorType> {
        let (bits, group) = (self.bits(&[2, 3, 4, 5, 6, 8])?, self.group(None)?);
        match self.word("mode")? {
            None | Some("affine") => Ok(TensorType::Grouped(Grouped { scheme: Scheme::Mlx, bits, group })),
            Some("mxfp4") if (bits, group) == (4, 32) => Ok(TensorType::Mxfp4),
            // Scales alone: 8-bit floating point, and powers of two.
            Some("nvfp4") if (bits, group) == (4, 16) => Ok(TensorType::Scaled(groups::nvfp4("mlx-nvfp4", group, 0))),
            Some("mxfp8") if (bits, group) == (8, 32) => {
                Ok(TensorType::Scaled(Scaled { tile: [1, group], scale: 1, ..Scaled::of("mlx-mxfp8", 8) }))
            }
            Some(other) => Err(self.unknown(
                "mode",
                other,
                "affine, mxfp4 of 4 bits by 32, nvfp4 of 4 by 16 and mxfp8 of 8 by 32 are",
            )),
        }
    }
}

/// Every linear layer in one type, but for the exceptions.
fn linear(kind: TensorType, exceptions: Vec<Exception>) -> Checkpoint {
    Checkpoint { layout: Weights::Linear(kind), only: Vec::new(), exceptions }
}
