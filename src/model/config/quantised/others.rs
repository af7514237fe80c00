//! Checkpoints of further libraries, and GPTQ's rules for single modules.

use super::{Block, linear};
use crate::error::Result;
use crate::model::keys::quoted;
use crate::model::tensor_type::{Grouped, Scaled, Scheme, TensorType};
use crate::model::weights::checkpoint::{Checkpoint, Exception, Modules};
use serde_json::Value;

/// The methods that are read here.
pub(super) const METHODS: [&str; 11] = [
    "auto-round",
    "intel/auto-round",
    "torchao",
    "hqq",
    "aqlm",
    "bitnet",
    "exl2",
    "exl3",
    "fbgemm_fp8",
    "quanto",
    "eetq",
];

/// Settings that HQQ stores beside each matrix of a model in bf16: two extents, three numbers, nine switches and three words.
const HQQ_SETTINGS_BYTES: u32 = 16 + 12 + 9 + 14 + 7 + 11;

impl Block<'_> {
    pub(super) fn other(self, method: &str, notes: &mut Vec<String>) -> Result<Checkpoint> {
        match method {
            "torchao" => self.torchao(),
            "hqq" => self.hqq(),
            "aqlm" => self.aqlm(),
            "bitnet" => self.bitnet(),
            "exl2" | "exl3" => self.exl(method == "exl3", notes),
            // `FbgemmFp8Linear` of transformers (integrations/fbgemm_fp8.py): elements, a scale in f32 for each row, and one number
            // in f32, `input_scale_ub`, which transformers stored before its fifth version, as Meta's own files do.
            "fbgemm_fp8" => {
                let rows = Scaled { tile: [1, Scaled::ALL], scale: 4, more: 4, ..Scaled::of("fbgemm-fp8", 8) };
                self.all_but("modules_to_not_convert", rows)
            }
            // `EetqLinear` of transformers (integrations/eetq.py): elements, and a scale in f16 for each row.
            "eetq" => self.all_but(
                "modules_to_not_convert",
                Scaled { tile: [1, Scaled::ALL], scale: 2, ..Scaled::of("eetq", 8) },
            ),
            "quanto" => self.quanto(),
            _ => self.auto_round(),
        }
    }

    fn all_but(&self, list: &str, kind: Scaled) -> Result<Checkpoint> {
        Ok(linear(TensorType::Scaled(kind), self.kept(&[list])?))
    }

    fn fixed(&self, name: &str, otherwise: u64, known: &[u64]) -> Result<u32> {
        let value = self.typed(name, "an integer", Value::as_u64)?.unwrap_or(otherwise);
        match u32::try_from(value) {
            Ok(value) if known.contains(&u64::from(value)) => Ok(value),
            _ => Err(self.error(name, format_args!("must be one of {known:?}, is {value}"))),
        }
    }

    /// Exported as GPTQ, AWQ or by groups as llm-compressor does; modules with bits of their own in `extra_config`.
    fn auto_round(self) -> Result<Checkpoint> {
        let packing = self.word("packing_format")?.unwrap_or("auto_round:auto_gptq");
        let scheme = match packing {
            "auto_round:auto_gptq" | "auto_round" | "auto_gptq" | "auto_round:gptq" => {
                Some((Scheme::Gptq, &[2, 3, 4, 8][..]))
            }
            "auto_round:auto_awq" | "auto_awq" | "auto_round:awq" => Some((Scheme::Awq, &[4][..])),
            "auto_round:gptqmodel" => None,
            other => {
                return Err(self.unknown("packing_format", other, "those of auto_gptq, gptqmodel and auto_awq are"));
            }
        };
        let of = |block: &Block, usual: Option<(u8, u32)>| -> Result<Option<TensorType>> {
            let stated = block.typed("bits", "an integer", Value::as_u64)?;
            if stated.is_some_and(|bits| bits >= 16) {
                return Ok(None);
            }
            let bits = match (stated, usual) {
                (None, Some((bits, _))) => bits,
                _ => block.bits(scheme.map_or(&[2, 3, 4, 8], |(_, known)| known))?,
            };
            let group = block.group(usual.map(|(_, group)| group).or(Some(128)))?;
            Ok(Some(match scheme {
                Some((scheme, _)) => TensorType::Grouped(Grouped { scheme, bits, group }),
                None => TensorType::Scaled(unordered(bits, group)),
            }))
        };
        let Some(kind) = of(&self, None)? else {
            return Err(self.error("bits", "must be below 16"));
        };
        let usual = match kind {
            TensorType::Grouped(layout) => Some((layout.bits, layout.group)),
            TensorType::Scaled(layout) => Some(((layout.millibits / 1000) as u8, layout.tile[1])),
            _ => None,
        };
        let mut exceptions = Vec::new();
        for (name, value) in self.object("extra_config")? {
            let Value::Object(map) = value else { return Err(self.error(name, "must be an object")) };
            let kind = of(&Block { map, ..self }, usual)?;
            exceptions.push(Exception { modules: self.named(name)?, kind });
        }
        Ok(linear(kind, exceptions))
    }

    fn object(&self, name: &str) -> Result<impl Iterator<Item = (&String, &Value)>> {
        Ok(self.typed(name, "an object", Value::as_object)?.into_iter().flatten())
    }

    /// A module by its name or by a regular expression, told apart by the signs of one.
    fn named(&self, name: &str) -> Result<Modules> {
        if name.contains(['\\', '(', '[', '*', '+', '$', '^', '|']) {
            let wrong = || self.error("a pattern", format_args!("{} is no regular expression", quoted(name)));
            return Modules::of_pattern(name).ok_or_else(wrong);
        }
        Ok(Modules::of(name))
    }

    /// GPTQModel's rules: `+:` or nothing in front of a pattern gives other bits or groups, `-:` leaves modules out.
    pub(super) fn dynamic(self, usual: Grouped) -> Result<Vec<Exception>> {
        let mut exceptions = Vec::new();
        for (name, value) in self.object("dynamic")? {
            let (out, pattern) = match name.strip_prefix("-:") {
                Some(pattern) => (true, pattern),
                None => (false, name.strip_prefix("+:").unwrap_or(name)),
            };
            let wrong = || self.error("dynamic", format_args!("{} is no regular expression", quoted(name)));
            let modules = Modules::of_pattern(pattern).ok_or_else(wrong)?;
            let Value::Object(map) = value else { return Err(self.error("dynamic", "must hold objects")) };
            let block = Block { map, ..self };
            let bits = if map.contains_key("bits") { block.bits(&[2, 3, 4, 8])? } else { usual.bits };
            let layout = Grouped { bits, group: block.group(Some(usual.group))?, ..usual };
            let kind = (!out).then_some(TensorType::Grouped(layout));
            exceptions.push(Exception { modules, kind });
        }
        // The first that fits decides there.
        exceptions.reverse();
        Ok(exceptions)
    }

    /// torchao's configuration has its class in `_type`; older files a word in `quant_type`.
    fn torchao(self) -> Result<Checkpoint> {
        let given = self.map.get("quant_type");
        let inner = given.and_then(|value| value.get("default")).or(given);
        let class = match inner {
            Some(Value::String(word)) => word.as_str(),
            Some(value) => value.get("_type").and_then(Value::as_str).unwrap_or_default(),
            None => "",
        };
        let settings = [inner.and_then(|value| value.get("_data")), self.map.get("quant_type_kwargs")];
        let group = settings.into_iter().flatten().find_map(|data| data.get("group_size")).and_then(Value::as_u64);
        let group = group.and_then(|group| u32::try_from(group).ok()).filter(|group| *group > 0);
        let kind = match class {
            // A scale and a zero point in bf16 for each group.
            "Int4WeightOnlyConfig" | "int4_weight_only" => {
                Scaled { tile: [1, group.unwrap_or(128)], scale: 4, ..Scaled::of("torchao", 4) }
            }
            "Int8WeightOnlyConfig"
            | "int8_weight_only"
            | "Int8DynamicActivationInt8WeightConfig"
            | "int8_dynamic_activation_int8_weight" => {
                Scaled { tile: [1, Scaled::ALL], scale: 4, zero: 8, ..Scaled::of("torchao-int", 8) }
            }
            "Float8WeightOnlyConfig"
            | "float8_weight_only"
            | "Float8DynamicActivationFloat8WeightConfig"
            | "float8_dynamic_activation_float8_weight" => {
                Scaled { tile: [1, Scaled::ALL], scale: 4, ..Scaled::of("torchao-fp8", 8) }
            }
            other => {
                return Err(self.unknown("quant_type", other, "weights of int4, int8 and float8 are"));
            }
        };
        self.all_but("modules_to_not_convert", kind)
    }

    /// Scales and zero points of 16 bits.
    fn hqq(self) -> Result<Checkpoint> {
        let inner =
            ["quant_config", "weight_quant_params"].into_iter().fold(self, |block, name| match block.map.get(name) {
                Some(Value::Object(map)) => Block { map, ..block },
                _ => block,
            });
        if !inner.map.contains_key("nbits") {
            return Err(self.error("quant_config.weight_quant_params.nbits", format_args!("is missing")));
        }
        let bits = inner.fixed("nbits", 4, &[1, 2, 4, 8])?;
        let group = inner.typed("group_size", "an integer", Value::as_u64)?.and_then(|group| u32::try_from(group).ok());
        let tile = [1, group.filter(|group| *group > 0).unwrap_or(Scaled::ALL)];
        let kind = Scaled { tile, scale: 4, more: HQQ_SETTINGS_BYTES, ..Scaled::of("hqq", bits) };
        self.all_but("skip_modules", kind)
    }

    /// Codes of groups of inputs, codebooks of 16 bits for each matrix, a scale of 16 bits for each group of outputs.
    fn aqlm(self) -> Result<Checkpoint> {
        let inputs = self.fixed("in_group_size", 8, &[4, 8, 16, 32])?;
        self.fixed("out_group_size", 1, &[1])?;
        let books = self.fixed("num_codebooks", 1, &[1, 2, 3, 4, 8])?;
        let bits = self.fixed("nbits_per_codebook", 16, &[8, 16])?;
        let millibits = 1000 * books * bits / inputs;
        let more = books * (1 << bits) * inputs * 2;
        let kind = Scaled { millibits, tile: [1, Scaled::ALL], scale: 2, more, ..Scaled::of("aqlm", 0) };
        self.all_but("linear_weights_not_to_quantize", kind)
    }

    /// Four ternary weights to a byte, along the output, and one scale of 16 bits.
    fn bitnet(self) -> Result<Checkpoint> {
        if self.word("quantization_mode")? == Some("online") {
            return self.all_but("modules_to_not_convert", Scaled::of("bitnet-online", 16));
        }
        self.all_but("modules_to_not_convert", Scaled { scale: 2, ..Scaled::of("bitnet", 2) })
    }

    /// As many bits as were asked for, on average over all layers; the head has its own.
    ///
    /// ExLlamaV2 counts all parts of a matrix as its bits (`QParams.total_bits` in conversion/qparams.py: elements, scales and
    /// their maxima, groups, the order of rows). ExLlamaV3 1.6.5 stores beside the elements (`LinearEXL3.get_tensors` in
    /// modules/quant/exl3.py) `suh` and `svh`, signs in f16 of all inputs and outputs, and one word that names the codebook.
    fn exl(self, third: bool, notes: &mut Vec<String>) -> Result<Checkpoint> {
        let bits = |name: &str| -> Result<Option<u32>> {
            let value = self.typed(name, "a number", Value::as_f64)?;
            match value.filter(|bits| !(0.5..=16.0).contains(bits)) {
                None => Ok(value.map(|bits| (bits * 1000.0).round() as u32)),
                Some(bits) => Err(self.error(name, format_args!("must lie in 0.5..=16, is {bits}"))),
            }
        };
        let millibits = bits("bits")?.ok_or_else(|| self.error("bits", "is missing"))?;
        let (name, signs, more) = if third { ("exl3", 2, 4) } else { ("exl2", 0, 0) };
        let kind = |millibits| {
            TensorType::Scaled(Scaled { millibits, per_input: signs, per_output: signs, more, ..Scaled::of(name, 0) })
        };
        let head = bits("head_bits")?.unwrap_or(6000);
        let head = Exception { modules: Modules::of("lm_head"), kind: (head < 16000).then(|| kind(head)) };
        notes.push(format!(
            "{name} gives each matrix its own bits; they are counted by the average that its block states"
        ));
        Ok(linear(kind(millibits), vec![head]))
    }

    /// As optimum-quanto 0.2.7 stores a model in 16 bits (tensor/weights/{qbytes,qbits}.py): a scale for each row, or a scale and
    /// a shift for each group of 128 of it, and beside each matrix the scales of its input and output (nn/qmodule.py). Rows that
    /// are no multiple of 128 have smaller groups there.
    fn quanto(self) -> Result<Checkpoint> {
        let of = |tile, scale, bits| Scaled { tile: [1, tile], scale, more: 4, ..Scaled::of("quanto", bits) };
        let kind = match self.word("weights")?.unwrap_or("int8") {
            "int8" | "float8" => of(Scaled::ALL, 2, 8),
            "int4" => of(128, 4, 4),
            "int2" => of(128, 4, 2),
            other => return Err(self.unknown("weights", other, "int8, int4, int2 and float8 are")),
        };
        self.all_but("modules_to_not_convert", kind)
    }
}

/// GPTQ's layout without the order of input features.
fn unordered(bits: u8, group: u32) -> Scaled {
    Scaled {
        word: 32,
        tile: [1, group],
        scale: 2,
        zero: bits,
        zero_word: 32,
        ..Scaled::of("auto-round", u32::from(bits))
    }
}
