//! From metadata and tensor table to an [`Architecture`]: meaning from the keys, shapes from the table.
//!
//! Every tensor must be asked for by someone, and every shape that a key states must be the table's: a file that says
//! more than is understood here, or two things at once, is refused with the names of both.

use super::Gguf;
use super::metadata::Metadata;
use super::reader::quoted;
use super::tensors::Tensor;
use crate::error::{Error, Result};
use crate::model::architecture::{Architecture, Attention, Biases, FeedForward, GroupedQuery, HeadNorm, Layer, limits};
use crate::model::family::Family;
use crate::model::stored::Stored;
use std::collections::BTreeMap;

/// Names of architectures and the family whose layers they have. Mistral's files call themselves llama.
const ARCHITECTURES: [(&str, Family); 3] =
    [("llama", Family::Llama), ("qwen2", Family::Qwen2), ("qwen3", Family::Qwen3)];

/// Tensors that hold no weights: frequencies of the rotary embedding.
const TABLES: [&str; 3] = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/// Keys that announce what these families do not have, and what.
const FOREIGN: [(&str, &str); 4] = [
    ("expert_count", "a mixture of experts"),
    ("attention.kv_lora_rank", "multi-head latent attention"),
    ("ssm.state_size", "state-space layers"),
    ("nextn_predict_layers", "multi-token prediction"),
];

/// How many foreign keys are listed in a message.
const LISTED_KEYS: usize = 24;

/// The architecture of a file, which is called `name`.
///
/// # Errors
/// Misuse, naming keys and tensors: an architecture or a tensor that is not known, a missing one, or metadata and table
/// that contradict each other.
pub fn architecture(gguf: &Gguf, name: &str) -> Result<Architecture> {
    let metadata = &gguf.metadata;
    let (arch, family) = family(metadata)?;
    let keys = Keys { metadata, arch };
    keys.refuse_foreign()?;
    let count = keys.required("block_count", limits::LAYERS)?;
    let (mut globals, blocks) = Tensors::sorted(gguf, count, &keys)?;
    let (hidden, vocabulary) = globals.matrix("token_embd.weight")?;
    keys.agrees("embedding_length", "token_embd.weight", hidden)?;
    keys.vocabulary(vocabulary)?;
    globals.vector("output_norm.weight", hidden, &keys.named("embedding_length"))?;
    let tied = !globals.has("output.weight");
    if !tied {
        globals.shape("output.weight", [hidden, vocabulary], "token_embd.weight")?;
    }
    globals.all_taken(arch)?;
    let heads = Heads::of(&keys, count)?;
    let mut layers: Vec<Layer> = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        let (attention, feed_forward) = layer(block, &heads.at(index), hidden, &keys)?;
        match layers.iter_mut().find(|layer| layer.attention == attention && layer.feed_forward == feed_forward) {
            Some(layer) => layer.count += 1,
            None => layers.push(Layer { count: 1, attention, feed_forward }),
        }
    }
    let model = Architecture {
        name: name.to_owned(),
        family,
        source: None,
        published_parameters: None,
        published_dtype: None,
        max_positions: keys.count("context_length")?,
        hidden,
        vocabulary,
        tied,
        layers,
        rope_factors: gguf.tensors.iter().filter(|tensor| is_table(&tensor.name)).map(Tensor::elements).sum(),
        stored: Some(Stored::of(gguf)?),
    };
    adds_up(&model, gguf)?;
    Ok(model)
}

/// What is counted is what the table holds, or something was misunderstood.
fn adds_up(model: &Architecture, gguf: &Gguf) -> Result<()> {
    let (counted, found) = (model.parameters()?, gguf.params_total()? - model.rope_factors);
    if counted == found {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "general.architecture: as {} it would have {counted} parameters, and the tensor table has {found}",
        model.family
    )))
}

fn is_table(name: &str) -> bool {
    TABLES.contains(&name)
}

fn family(metadata: &Metadata) -> Result<(&str, Family)> {
    let supported = ARCHITECTURES.map(|(name, _)| name).join(", ");
    let listed = || {
        let keys: Vec<&str> = metadata.keys().filter(|key| !key.starts_with("tokenizer.")).take(LISTED_KEYS).collect();
        if keys.is_empty() { "none".to_owned() } else { keys.join(", ").escape_debug().to_string() }
    };
    let Some(arch) = metadata.text("general.architecture")? else {
        return Err(Error::misuse(format!(
            "general.architecture: is missing, so what the tensors mean is unknown (keys found: {})",
            listed()
        )));
    };
    match ARCHITECTURES.into_iter().find(|(name, _)| *name == arch) {
        Some((_, family)) => Ok((arch, family)),
        None => Err(Error::misuse(format!(
            "general.architecture: {} is not supported (supported: {supported}; keys found: {})",
            quoted(arch),
            listed()
        ))),
    }
}

/// The keys of one architecture.
struct Keys<'a> {
    metadata: &'a Metadata,
    arch: &'a str,
}

impl Keys<'_> {
    fn named(&self, key: &str) -> String {
        format!("{}.{key}", self.arch)
    }

    fn count(&self, key: &str) -> Result<Option<u64>> {
        self.metadata.count(&self.named(key))
    }

    fn within(&self, key: &str, value: u64, most: u64) -> Result<u64> {
        if (1..=most).contains(&value) {
            return Ok(value);
        }
        Err(Error::misuse(format!("{}: must lie in 1..={most}, is {value}", self.named(key))))
    }

    fn required(&self, key: &str, most: u64) -> Result<u64> {
        match self.count(key)? {
            Some(value) => self.within(key, value, most),
            None => Err(Error::misuse(format!("{}: is missing; the file is no complete model", self.named(key)))),
        }
    }

    /// A key that may be missing says what the table says.
    fn agrees(&self, key: &str, tensor: &str, found: u64) -> Result<()> {
        match self.count(key)? {
            Some(told) if told != found => Err(Error::misuse(format!(
                "{}: is {told}, and {tensor} has {found}; the file contradicts itself",
                self.named(key)
            ))),
            _ => Ok(()),
        }
    }

    fn vocabulary(&self, rows: u64) -> Result<()> {
        self.agrees("vocab_size", "token_embd.weight", rows)?;
        match self.metadata.get("tokenizer.ggml.tokens") {
            Some(super::Value::Array(tokens)) if tokens.len != rows => Err(Error::misuse(format!(
                "tokenizer.ggml.tokens: has {} tokens, and token_embd.weight {rows} rows; the file contradicts itself",
                tokens.len
            ))),
            _ => Ok(()),
        }
    }

    fn refuse_foreign(&self) -> Result<()> {
        for (key, what) in FOREIGN {
            if self.metadata.is_on(&self.named(key)) {
                return Err(Error::misuse(format!(
                    "{}: announces {what}, which is not supported for {}",
                    self.named(key),
                    self.arch
                )));
            }
        }
        // A window that no context reaches is none.
        let window = self.count("attention.sliding_window")?.filter(|window| *window != 0);
        let context = self.count("context_length")?.unwrap_or(u64::MAX);
        match window.filter(|window| *window < context) {
            None => Ok(()),
            Some(window) => Err(Error::misuse(format!(
                "{}: {window}, with {} {context}: files of {} have no window that is understood here",
                self.named("attention.sliding_window"),
                self.named("context_length"),
                self.arch
            ))),
        }
    }
}

/// What the keys say of heads, layer by layer.
struct Heads {
    heads: Vec<u64>,
    kv_heads: Vec<u64>,
    key_length: Option<u64>,
    value_length: Option<u64>,
    feed_forward: Option<Vec<u64>>,
}

struct HeadsOfLayer {
    heads: u64,
    kv_heads: u64,
    key_length: Option<u64>,
    value_length: Option<u64>,
    feed_forward: Option<u64>,
}

impl Heads {
    fn of(keys: &Keys, layers: u64) -> Result<Heads> {
        let per_layer = |key: &str| keys.metadata.per_layer(&keys.named(key), layers);
        let Some(heads) = per_layer("attention.head_count")? else {
            return Err(Error::misuse(format!(
                "{}: is missing; the file is no complete model",
                keys.named("attention.head_count")
            )));
        };
        let kv_heads = per_layer("attention.head_count_kv")?.unwrap_or_else(|| heads.clone());
        for (&all, &kv) in heads.iter().zip(&kv_heads) {
            keys.within("attention.head_count", all, limits::HEADS)?;
            keys.within("attention.head_count_kv", kv, limits::HEADS)?;
            if !all.is_multiple_of(kv) {
                return Err(Error::misuse(format!(
                    "{}: {kv} does not divide {} {all}; the file contradicts itself",
                    keys.named("attention.head_count_kv"),
                    keys.named("attention.head_count")
                )));
            }
        }
        let length = |key: &str| keys.count(key)?.map(|value| keys.within(key, value, limits::HEAD_DIM)).transpose();
        Ok(Heads {
            heads,
            kv_heads,
            key_length: length("attention.key_length")?,
            value_length: length("attention.value_length")?,
            feed_forward: per_layer("feed_forward_length")?,
        })
    }

    fn at(&self, layer: usize) -> HeadsOfLayer {
        HeadsOfLayer {
            heads: self.heads[layer],
            kv_heads: self.kv_heads[layer],
            key_length: self.key_length,
            value_length: self.value_length,
            feed_forward: self.feed_forward.as_ref().map(|all| all[layer]),
        }
    }
}

fn layer(mut block: Tensors, told: &HeadsOfLayer, hidden: u64, keys: &Keys) -> Result<(Attention, FeedForward)> {
    let embedding = keys.named("embedding_length");
    block.vector("attn_norm.weight", hidden, &embedding)?;
    block.vector("ffn_norm.weight", hidden, &embedding)?;
    let attention = grouped_query(&mut block, told, hidden, keys)?;
    let (inner, width) = block.matrix("ffn_gate.weight")?;
    let stated = keys.named("feed_forward_length");
    if told.feed_forward.is_some_and(|told| told != width) || inner != hidden {
        let told = told.feed_forward.map_or("missing".to_owned(), |told| told.to_string());
        return Err(Error::misuse(format!(
            "tensor {}: is {inner} × {width}, where {embedding} is {hidden} and {stated} is {told}; the file contradicts itself",
            block.full("ffn_gate.weight")
        )));
    }
    block.shape("ffn_up.weight", [hidden, width], &stated)?;
    block.shape("ffn_down.weight", [width, hidden], &stated)?;
    let bias = block.biases(&[("ffn_gate", width), ("ffn_up", width), ("ffn_down", hidden)])?;
    let bias = match bias.as_slice() {
        [false, false, false] => false,
        [true, true, true] => true,
        _ => {
            return Err(Error::misuse(format!(
                "tensor {}: some of the feed-forward matrices have a bias and some have none, which is not supported",
                block.full("ffn_*.bias")
            )));
        }
    };
    block.all_taken(keys.arch)?;
    Ok((Attention::GroupedQuery(attention), FeedForward::Gated { width, bias }))
}

fn grouped_query(block: &mut Tensors, told: &HeadsOfLayer, hidden: u64, keys: &Keys) -> Result<GroupedQuery> {
    let (heads, kv_heads) = (told.heads, told.kv_heads);
    let [counts, kv_counts, length] =
        ["attention.head_count", "attention.head_count_kv", "attention.key_length"].map(|key| keys.named(key));
    let head_dim = match told.key_length {
        Some(length) => length,
        None if hidden.is_multiple_of(heads) => hidden / heads,
        None => {
            return Err(Error::misuse(format!(
                "{counts}: {heads} does not divide {} {hidden}, and {length} is missing",
                keys.named("embedding_length")
            )));
        }
    };
    if told.value_length.is_some_and(|value| value != head_dim) {
        return Err(Error::misuse(format!(
            "{}: differs from {length} {head_dim}, which is not supported for {}",
            keys.named("attention.value_length"),
            keys.arch
        )));
    }
    let (queries, stored) = (heads * head_dim, kv_heads * head_dim);
    block.shape("attn_q.weight", [hidden, queries], &format!("{counts} × {length}"))?;
    block.shape("attn_k.weight", [hidden, stored], &format!("{kv_counts} × {length}"))?;
    block.shape("attn_v.weight", [hidden, stored], &format!("{kv_counts} × {length}"))?;
    block.shape("attn_output.weight", [queries, hidden], &format!("{counts} × {length}"))?;
    let found =
        block.biases(&[("attn_q", queries), ("attn_k", stored), ("attn_v", stored), ("attn_output", hidden)])?;
    let biases = match found.as_slice() {
        [false, false, false, false] => Biases::None,
        [true, true, true, false] => Biases::QueryKeyValue,
        [true, true, true, true] => Biases::All,
        _ => {
            return Err(Error::misuse(format!(
                "tensor {}: only some of query, key and value have a bias, which is not supported",
                block.full("attn_*.bias")
            )));
        }
    };
    let mut head_norm = HeadNorm::None;
    if block.has("attn_q_norm.weight") || block.has("attn_k_norm.weight") {
        block.vector("attn_q_norm.weight", head_dim, &length)?;
        block.vector("attn_k_norm.weight", head_dim, &length)?;
        head_norm = HeadNorm::PerHead;
    }
    Ok(GroupedQuery { heads, kv_heads, head_dim, window: None, biases, head_norm })
}

/// The tensors of one block, or those of none, which are taken one by one.
struct Tensors<'a> {
    prefix: String,
    left: BTreeMap<&'a str, &'a Tensor>,
}

impl<'a> Tensors<'a> {
    fn sorted(gguf: &'a Gguf, count: u64, keys: &Keys) -> Result<(Tensors<'a>, Vec<Tensors<'a>>)> {
        let mut globals = Tensors { prefix: String::new(), left: BTreeMap::new() };
        let block = |index: u64| Tensors { prefix: format!("blk.{index}."), left: BTreeMap::new() };
        let mut blocks: Vec<Tensors> = (0..count).map(block).collect();
        for tensor in gguf.tensors.iter().filter(|tensor| !is_table(&tensor.name)) {
            let Some((number, name)) = tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
                globals.left.insert(&tensor.name, tensor);
                continue;
            };
            let index = number.parse::<usize>().ok().filter(|index| index.to_string() == number);
            let Some(block) = index.and_then(|index| blocks.get_mut(index)) else {
                return Err(Error::misuse(format!(
                    "tensor {}: is of no block, {} is {count}; the file contradicts itself",
                    quoted(&tensor.name),
                    keys.named("block_count")
                )));
            };
            block.left.insert(name, tensor);
        }
        Ok((globals, blocks))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    fn take(&mut self, name: &str) -> Result<&'a Tensor> {
        let taken = self.left.remove(name);
        taken.ok_or_else(|| {
            Error::misuse(format!("tensor {}: is missing; the file is no complete model", self.full(name)))
        })
    }

    /// Row and rows of a matrix.
    fn matrix(&mut self, name: &str) -> Result<(u64, u64)> {
        let tensor = self.take(name)?;
        let [row, rows, 1, 1] = tensor.dims else {
            return Err(Error::misuse(format!(
                "tensor {}: is no matrix, has the dimensions {:?}",
                self.full(name),
                tensor.dims
            )));
        };
        let most = limits::VOCABULARY;
        if row <= most && rows <= most {
            return Ok((row, rows));
        }
        Err(Error::misuse(format!("tensor {}: {row} × {rows} is beyond any model", self.full(name))))
    }

    fn shape(&mut self, name: &str, wanted: [u64; 2], origin: &str) -> Result<()> {
        let (row, rows) = self.matrix(name)?;
        if [row, rows] == wanted {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "tensor {}: is {row} × {rows}, where by {origin} it would be {} × {}; the file contradicts itself",
            self.full(name),
            wanted[0],
            wanted[1]
        )))
    }

    fn vector(&mut self, name: &str, wanted: u64, origin: &str) -> Result<()> {
        let dims = self.take(name)?.dims;
        if dims == [wanted, 1, 1, 1] {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "tensor {}: has the dimensions {dims:?}, where by {origin} it would have {wanted} elements; the file contradicts itself",
            self.full(name)
        )))
    }

    /// Which of these matrices, each with its outputs, have a bias.
    fn biases(&mut self, of: &[(&str, u64)]) -> Result<Vec<bool>> {
        let mut found = Vec::new();
        for (matrix, outputs) in of {
            let name = format!("{matrix}.bias");
            found.push(self.has(&name));
            if self.has(&name) {
                let origin = self.full(&format!("{matrix}.weight"));
                self.vector(&name, *outputs, &origin)?;
            }
        }
        Ok(found)
    }

    fn all_taken(&self, arch: &str) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::misuse(format!(
                "tensor {}: is not known of {arch}, so what it costs is unknown",
                quoted(&self.full(name))
            ))),
        }
    }
}
