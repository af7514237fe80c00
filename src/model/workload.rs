//! How a model is used: prompt, context, generation, batch, and the types its operands are stored in.

use super::language_model::Model;
use super::layer::Latents;
use super::limits::{self, BATCH_MAX};
use super::steps::Forward;
use super::tensor_type::TensorType;
use super::weights::Weights;
use crate::error::{Error, Result};
use roofprobe_kernels::named_enum;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// How a model is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Tokens of the prompt of each sequence.
    pub prompt: u64,
    /// Keys that the token of a decode step sees, itself included; by default one more than the prompt and
    /// what was cached before it.
    pub context: Option<u64>,
    /// Tokens to generate for each sequence; none to look at prefill and one decode step only.
    pub generate: Option<u64>,
    /// Sequences processed together.
    pub batch: u64,
    /// How weights are stored; none for as the model's file has them, and f16 for a mere shape.
    pub weights: Option<Weights>,
    /// How the key/value cache is stored.
    pub kv: TensorType,
    /// Tokens in the cache of each sequence before the prompt comes.
    pub cached: u64,
    /// Whose way of doing latent attention is counted.
    pub runtime: Runtime,
    /// Tokens that a prefill takes in at once, all sequences together; none for the whole prompt.
    pub micro_batch: Option<u64>,
    /// Whether a prefill goes on, behind the last layer's mixer, with the rows whose logits are needed, as llama.cpp does.
    pub prune_last_layer: bool,
}

/// A whole number of a workload, as options, axes of sweeps and records name it. [`Knob::ALL`] is what all of them are made
/// from.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// The name of its option and of its axis.
    pub name: &'static str,
    /// Its key in records.
    pub key: &'static str,
    /// Its value; none where it is not given.
    pub get: fn(&Workload) -> Option<u64>,
    /// Gives it a value.
    pub set: fn(&mut Workload, u64),
}

impl Knob {
    /// Tokens of the prompt.
    pub const PROMPT: Knob = Knob { name: "prompt", key: "prompt", get: |w| Some(w.prompt), set: |w, n| w.prompt = n };
    /// Tokens in the cache before the prompt.
    pub const CACHED: Knob = Knob { name: "cached", key: "cached", get: |w| Some(w.cached), set: |w, n| w.cached = n };
    /// Keys that the decode step sees.
    pub const CONTEXT: Knob =
        Knob { name: "context", key: "context", get: |w| w.context, set: |w, n| w.context = Some(n) };
    /// Tokens generated.
    pub const GENERATE: Knob =
        Knob { name: "generate", key: "generate", get: |w| w.generate, set: |w, n| w.generate = Some(n) };
    /// Sequences.
    pub const BATCH: Knob = Knob { name: "batch", key: "batch", get: |w| Some(w.batch), set: |w, n| w.batch = n };
    /// Tokens that a prefill takes in at once.
    pub const MICRO_BATCH: Knob =
        Knob { name: "micro-batch", key: "micro_batch", get: |w| w.micro_batch, set: |w, n| w.micro_batch = Some(n) };

    /// All of them, in the order of records.
    pub const ALL: [Knob; 6] =
        [Knob::PROMPT, Knob::CACHED, Knob::CONTEXT, Knob::GENERATE, Knob::BATCH, Knob::MICRO_BATCH];
}

impl PartialEq for Knob {
    /// A key is one knob's.
    fn eq(&self, other: &Knob) -> bool {
        self.key == other.key
    }
}

impl Eq for Knob {}

/// A workload as records write it: every knob under its key, the context as it follows from the others. The format of the
/// weights is not there: that of a file comes with its model.
impl Serialize for Workload {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let settled = self.settled();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kv", &self.kv.to_string())?;
        for knob in Knob::ALL {
            map.serialize_entry(knob.key, &(knob.get)(&settled))?;
        }
        map.serialize_entry("prune_last_layer", &self.prune_last_layer)?;
        map.end()
    }
}

impl JsonSchema for Workload {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Workload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let knobs = Knob::ALL
            .map(|knob| (knob.key.to_owned(), serde_json::json!({ "type": ["integer", "null"], "minimum": 0 })));
        let mut properties = serde_json::Map::from_iter(knobs);
        properties.insert("kv".to_owned(), serde_json::json!({ "type": "string" }));
        properties.insert("prune_last_layer".to_owned(), serde_json::json!({ "type": "boolean" }));
        let required: Vec<String> = properties.keys().cloned().collect();
        json_schema!({ "type": "object", "properties": properties, "required": required })
    }
}

named_enum! {
    /// An inference engine, as far as its choices change what is counted: today, how it does multi-head latent attention.
    #[derive(Default)]
    pub enum Runtime: "runtime" {
        /// llama.cpp: keeps latents for DeepSeek models and attends to them in prefill and decode alike; for others
        /// (MiniCPM3, PLM) it keeps expanded keys and values.
        LlamaCpp = "llama.cpp",
        /// vLLM and SGLang: keep latents; a prefill expands them, a decode step attends to them.
        #[default]
        Vllm = "vllm",
        /// Hugging Face transformers 5: keeps latents, and expands all of them in every pass.
        HuggingFace = "hf",
    }
}

impl Serialize for Runtime {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl JsonSchema for Runtime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Runtime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Runtime::ALL.map(Runtime::name) })
    }
}

impl Runtime {
    /// How it does latent attention in this model and kind of pass.
    pub fn latents(self, model: &Model, pass: Pass) -> Latents {
        match (self, pass) {
            (Runtime::LlamaCpp, _) if model.family().latents_in_llama_cpp() => Latents::Absorbed,
            (Runtime::LlamaCpp, _) => Latents::Expanded,
            (Runtime::Vllm, Pass::Decode) => Latents::Absorbed,
            (Runtime::Vllm, Pass::Prefill) | (Runtime::HuggingFace, _) => Latents::Naive,
        }
    }
}

impl Default for Workload {
    /// A prompt of 512 tokens, 128 tokens generated, one sequence, f16 cache, weights as the model has them.
    fn default() -> Workload {
        Workload {
            prompt: 512,
            context: None,
            generate: Some(128),
            batch: 1,
            weights: None,
            kv: TensorType::F16,
            cached: 0,
            runtime: Runtime::default(),
            micro_batch: None,
            prune_last_layer: false,
        }
    }
}

named_enum! {
    /// A part of a model's use that has a time of its own.
    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Phase: "phase" {
        /// The whole prompt, in one pass or in micro-batches; logits for the last token of each sequence only.
        Prefill = "prefill",
        /// One more token, given the context.
        Decode = "decode",
        /// Prefill, whose logits give the first token, then a decode step for each further one.
        Generation = "generation",
    }
}

/// The two kinds of forward passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// Many tokens at once.
    Prefill,
    /// One token per sequence.
    Decode,
}

impl Workload {
    /// The types that a cache can be stored in.
    pub const CACHES: [TensorType; 10] = {
        use TensorType::{Bf16, F16, F32, Fp8, Iq4Nl, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
        [F32, F16, Bf16, Fp8, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0, Iq4Nl]
    };

    /// Keys that the token of a decode step sees, itself included.
    pub fn decode_context(&self) -> u64 {
        self.context.unwrap_or(self.filled().saturating_add(1))
    }

    /// The same workload with its context written out.
    pub fn settled(&self) -> Workload {
        Workload { context: Some(self.decode_context()), ..*self }
    }

    /// Tokens that the cache of one sequence must hold at the longest.
    pub fn longest(&self) -> u64 {
        self.decode_context().max(self.filled().saturating_add(self.generate.unwrap_or(0)))
    }

    /// Tokens in the cache of each sequence once the prompt is processed.
    pub fn filled(&self) -> u64 {
        self.cached.saturating_add(self.prompt)
    }

    /// The phases that the workload has.
    pub fn phases(&self) -> Vec<Phase> {
        let mut phases = vec![Phase::Prefill, Phase::Decode];
        phases.extend(self.generate.map(|_| Phase::Generation));
        phases
    }

    /// Checks every number against its limits.
    ///
    /// # Errors
    /// Misuse, naming the option: no tokens, no sequences, more than 2²⁴ tokens or 2¹⁶ sequences, a micro-batch that is
    /// less than a token of each sequence, or a type in which no weights or caches are stored.
    pub fn validate(&self) -> Result<()> {
        within("--prompt", self.prompt, limits::TOKENS)?;
        within("--cached and --prompt together", self.filled(), limits::TOKENS)?;
        within("--context", self.decode_context(), limits::TOKENS + 1)?;
        within("--generate", self.generate.unwrap_or(1), limits::TOKENS)?;
        within("--batch", self.batch, BATCH_MAX)?;
        if self.micro_batch.is_some_and(|tokens| tokens < self.batch) {
            return Err(Error::misuse(
                "--micro-batch: must have a token for each sequence; raise it, or lower --batch",
            ));
        }
        self.weights.map_or(Ok(()), Weights::validate)?;
        storable("--kv", self.kv)
    }

    /// The passes of one phase. A generation of `G` tokens is a prefill and `G − 1` decode steps.
    ///
    /// # Errors
    /// As [`Workload::validate`].
    pub fn forwards(&self, model: &Model, phase: Phase) -> Result<impl Iterator<Item = (Pass, Forward)> + use<>> {
        self.validate()?;
        let [earlier, last] = match phase {
            Phase::Prefill | Phase::Generation => self.prefill(model),
            Phase::Decode => [None, None],
        };
        let decode = match phase {
            Phase::Prefill => None,
            Phase::Decode => Some(self.decode(model, 1)),
            Phase::Generation => {
                let more = self.generate.unwrap_or(1) - 1;
                (more > 0).then(|| Forward { past: self.filled(), passes: more, ..self.decode(model, 1) })
            }
        };
        let prefill = [earlier, last].map(|forward| forward.map(|forward| (Pass::Prefill, forward)));
        Ok(prefill.into_iter().flatten().chain(decode.map(|forward| (Pass::Decode, forward))))
    }

    /// One pass over the context of the decode step that judges `tokens` tokens of each sequence at once, its own among
    /// them: the draft of another model is verified so.
    ///
    /// # Errors
    /// As [`Workload::validate`].
    pub fn verification(&self, model: &Model, tokens: u64) -> Result<Forward> {
        self.validate()?;
        within("tokens to verify", tokens, limits::TOKENS)?;
        Ok(self.decode(model, tokens))
    }

    fn decode(&self, model: &Model, tokens: u64) -> Forward {
        let latents = self.runtime.latents(model, Pass::Decode);
        let past = self.decode_context() - 1;
        Forward { tokens, past, batch: self.batch, logits: tokens, latents, ..Forward::ONE_TOKEN }
    }

    /// Full chunks that others follow, and the last one, full or not, whose last tokens get logits.
    fn prefill(&self, model: &Model) -> [Option<Forward>; 2] {
        let Workload { prompt, batch, cached, prune_last_layer: pruned, .. } = *self;
        let latents = self.runtime.latents(model, Pass::Prefill);
        let chunk = self.micro_batch.map_or(prompt, |tokens| (tokens / batch).min(prompt));
        let earlier = (prompt - 1) / chunk;
        let past = cached + earlier * chunk;
        let last = Forward { tokens: prompt - earlier * chunk, past, batch, pruned, latents, ..Forward::ONE_TOKEN };
        let others = Forward { tokens: chunk, past: cached, passes: earlier, logits: 0, ..last };
        [(earlier > 0).then_some(others), Some(last)]
    }
}

fn within(option: &str, value: u64, most: u64) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::misuse(format!("{option}: must lie in 1..={most}, is {value}")))
}

fn storable(option: &str, kind: TensorType) -> Result<()> {
    if Workload::CACHES.contains(&kind) {
        return Ok(());
    }
    let known = Workload::CACHES.map(|kind| kind.to_string()).join(", ");
    Err(Error::misuse(format!("{option}: no cache is stored as {kind}; choose one of {known}")))
}
