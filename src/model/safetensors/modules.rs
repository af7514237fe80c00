//! The tensors of a file by module: a quantised matrix is several of them.

use super::dtype::ElementType;
use super::header::Tensor;
use std::collections::{BTreeMap, BTreeSet};

/// Where names may begin before they mean anything.
const ROOTS: &[&str] =
    &["model", "language_model", "transformer", "backbone", "decoder", "gpt_neox", "text_model", "llm"];
/// What stands before the number of a layer.
const LAYERS: [&str; 3] = ["layers", "h", "blocks"];
/// Names that begin so belong to no language model that is counted here.
const OTHERS: &[&str] = &[
    "visual",
    "vision_tower",
    "vision_model",
    "vision_encoder",
    "vision_embed_tokens",
    "multi_modal_projector",
    "mm_projector",
    "vision_projection",
    "mlp1",
    "connector",
    "audio_tower",
    "audio_encoder",
    "embed_vision",
    "embed_audio",
    "image_newline",
    "patch_merger",
    "thinker",
    "talker",
    "mtp",
    "mtp_layers",
];
/// What belongs to a matrix: the last word of a tensor's name, in one library or another.
const PARTS: &[&str] = &[
    "qweight",
    "qzeros",
    "scales",
    "g_idx",
    "weight_packed",
    "weight_scale",
    "weight_scale_inv",
    "weight_scale_2",
    "weight_scales",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
    "weight_global_scale",
    "input_scale",
    "input_scale_ub",
    "input_global_scale",
    "input_zero_point",
    "output_scale",
    "k_scale",
    "v_scale",
    "q_scale",
    "biases",
    "SCB",
    "weight_format",
    "pre_quant_scale",
    "trellis",
    "suh",
    "svh",
    "su",
    "sv",
    "mcg",
    "mul1",
    "q_weight",
    "q_scale_max",
    "q_groups",
    "q_invperm",
    "q_perm",
    "q_group_map",
    "codes",
    "codebooks",
    "W_q",
    "scale",
    "zero",
    "meta",
    "activation_scale",
    "shape",
    "axis",
    "group_size",
    "nbits",
    "channel_wise",
    "compute_dtype",
    "encoded_state_dict",
    "offload_meta",
    "optimize",
    "packing",
    "quant_scale",
    "quant_zero",
    "round_zero",
    "stores_quant_config",
    "unpack_view_dtype",
    "view_as_float",
];
/// What the code makes anew, or scales by, and counts as no parameter.
const BUFFERS: [&str; 7] =
    ["inv_freq", "masked_bias", "layer_scalar", "slope_rate", "query_decay", "key_decay", "diagonal_decay"];
/// What an engine multiplies activations or a cache by, with no matrix beside it.
const SCALES: &[&str] = &["k_scale", "v_scale", "q_scale", "input_scale", "output_scale", "input_global_scale"];

/// The tensors of one matrix or vector, of all experts together.
#[derive(Debug)]
pub(super) struct Module {
    /// Its place, within its block if it is of one, without the numbers of experts.
    pub(super) path: Vec<Box<str>>,
    /// One of its tensors, for messages.
    pub(super) name: Box<str>,
    pub(super) bytes: u64,
    /// The numbers of its experts; none where it has no such.
    pub(super) experts: BTreeSet<u64>,
    /// The tensors, of one expert.
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// The last word of its name.
    word: Box<str>,
    kind: ElementType,
    shape: Box<[u64]>,
}

/// The modules of a file.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// By block; under none what stands before and behind them.
    pub(super) blocks: BTreeMap<Option<u64>, Vec<Module>>,
    /// Bytes of what belongs to no language model, by the word that its names begin with.
    pub(super) others: BTreeMap<String, u64>,
}

impl Modules {
    pub(super) fn of(tensors: &[Tensor]) -> Modules {
        let mut modules = Modules::default();
        let mut places: BTreeMap<(Option<u64>, Vec<&str>), usize> = BTreeMap::new();
        for tensor in tensors {
            let words: Vec<&str> = tensor.name.split('.').skip_while(|word| ROOTS.contains(word)).collect();
            if let Some(other) = words.first().filter(|word| OTHERS.contains(word)) {
                let bytes = modules.others.entry((*other).to_owned()).or_default();
                *bytes = bytes.saturating_add(tensor.bytes);
                continue;
            }
            let (block, mut path) = within_block(&words);
            let word = split_part(&mut path);
            let expert = take_expert(&mut path);
            let all = modules.blocks.entry(block).or_default();
            let at = *places.entry((block, path)).or_insert_with_key(|(_, path)| {
                let path = path.iter().map(|word| (*word).into()).collect();
                let name = tensor.name.clone();
                all.push(Module { path, name, bytes: 0, experts: BTreeSet::new(), parts: Vec::new() });
                all.len() - 1
            });
            all[at].add(tensor, word, expert);
        }
        modules
    }
}

fn within_block<'a>(words: &[&'a str]) -> (Option<u64>, Vec<&'a str>) {
    match words {
        [layers, number, rest @ ..] if LAYERS.contains(layers) && !rest.is_empty() => match number.parse() {
            Ok(number) => (Some(number), rest.to_vec()),
            Err(_) => (None, words.to_vec()),
        },
        _ => (None, words.to_vec()),
    }
}

/// Takes the word off a path that says which part of its matrix a tensor is. A bias is no part of a matrix.
fn split_part(path: &mut Vec<&str>) -> Box<str> {
    if let Some(at) = path.iter().position(|word| *word == "weight").filter(|at| *at > 0) {
        let word = path[at..].join(".").into();
        path.truncate(at);
        return word;
    }
    let Some(last) = path.last().copied() else { return "weight".into() };
    if PARTS.contains(&last) && path.len() > 1 {
        path.pop();
        return last.into();
    }
    // Experts in one tensor, without a module of their own; and torchao's parts of a matrix.
    for (ending, part) in [("_blocks", "blocks"), ("_scales", "scales")] {
        if let Some(stem) = last.strip_suffix(ending) {
            path.pop();
            path.push(stem);
            return part.into();
        }
    }
    // The two factors of an activation.
    if last.starts_with("alpha_") && path.contains(&"act_fn") {
        path.pop();
        return last.into();
    }
    if let Some(part) = last.strip_prefix("_weight_") {
        path.pop();
        return part.into();
    }
    if let Some(stem) = last.strip_suffix("_bias").filter(|_| path.contains(&"experts")) {
        path.pop();
        path.extend([stem, "bias"]);
    }
    "weight".into()
}

fn take_expert(path: &mut Vec<&str>) -> Option<u64> {
    let at = 1 + path.iter().position(|word| *word == "experts")?;
    let number = path.get(at)?.parse().ok()?;
    path.remove(at);
    Some(number)
}

/// What is known of the matrix that a module is.
pub(super) enum Extents {
    /// Every extent but ones, in the order of the tensor.
    Whole(Vec<u64>),
    /// Output and input features of one matrix, as far as packed tensors tell.
    Packed { rows: Option<u64>, row: Option<u64> },
}

impl Module {
    fn add(&mut self, tensor: &Tensor, word: Box<str>, expert: Option<u64>) {
        self.bytes = self.bytes.saturating_add(tensor.bytes);
        self.experts.extend(expert);
        // One expert's tensors say it all.
        if expert.is_none() || expert == self.experts.first().copied() && self.experts.len() == 1 {
            self.parts.push(Part { word, kind: tensor.kind, shape: tensor.shape.clone() });
        }
    }

    fn part(&self, word: &str) -> Option<&Part> {
        self.parts.iter().find(|part| &*part.word == word)
    }

    /// The type of the elements, where the module is one tensor of numbers.
    pub(super) fn plain(&self) -> Option<ElementType> {
        match self.parts.as_slice() {
            [one] if one.kind.is_float() || one.kind.is_fp8() => Some(one.kind),
            _ => None,
        }
    }

    /// Whether it holds nothing but factors of activations or of a cache.
    pub(super) fn is_scales(&self) -> bool {
        self.parts.iter().all(|part| SCALES.contains(&&*part.word))
    }

    /// Whether it is what the code makes anew: frequencies of rotary embeddings, masks.
    pub(super) fn is_buffer(&self) -> bool {
        let path: Vec<&str> = self.path.iter().map(|word| &**word).collect();
        match path.as_slice() {
            [.., last] if BUFFERS.contains(last) => true,
            [.., "act_fn", "beta" | "eps"] | ["attn" | "attention", "bias"] => true,
            _ => false,
        }
    }

    /// What its tensors tell of the matrix.
    pub(super) fn extents(&self) -> Extents {
        let dims = |part: &Part| part.shape.to_vec();
        let last = |part: &Part, back: usize| part.shape.len().checked_sub(back).map(|at| part.shape[at]);
        let unknown = Extents::Packed { rows: None, row: None };
        if let Some(part) = self.part("blocks") {
            // Blocks of 16 bytes for 32 elements.
            let mut dims = dims(part);
            return match (dims.pop(), dims.last_mut()) {
                (Some(16), Some(blocks)) => {
                    *blocks = blocks.saturating_mul(32);
                    Extents::Whole(without_ones(&dims))
                }
                _ => unknown,
            };
        }
        if let (Some(words), Some(scales)) = (self.part("qweight"), self.part("scales")) {
            let rows = last(scales, 1);
            let index = self.part("g_idx").and_then(|part| last(part, 1)).filter(|row| *row > 0);
            // AWQ packs along the output, GPTQ along the input.
            let along = last(words, 2).filter(|_| last(words, 1) != rows);
            return Extents::Packed { rows, row: index.or(along) };
        }
        if let Some(packed) = self.part("weight_packed") {
            let pairs = last(packed, 1).filter(|_| packed.kind == ElementType::U8);
            return Extents::Packed { rows: last(packed, 2), row: pairs.and_then(|pairs| pairs.checked_mul(2)) };
        }
        let Some(weight) = self.part("weight") else {
            // Numbers of their own, side by side.
            let loose = self.parts.iter().all(|part| part.kind.is_float() && part.shape.len() < 2);
            let elements = self.parts.iter().map(|part| last(part, 1).unwrap_or(1)).fold(0, u64::saturating_add);
            return if loose { Extents::Whole(without_ones(&[elements])) } else { unknown };
        };
        let is_matrix = |word: &str| self.part(word).is_some_and(|part| part.shape.len() > 1);
        match weight.kind {
            ElementType::U32 => Extents::Packed { rows: last(weight, 2), row: None },
            ElementType::U8 if self.part("weight.absmax").is_some() => unknown,
            ElementType::U8 if is_matrix("weight_scale") => {
                let pairs = last(weight, 1).and_then(|pairs| pairs.checked_mul(2));
                Extents::Packed { rows: last(weight, 2), row: pairs }
            }
            // Four ternary weights to a byte, along the output.
            ElementType::U8 if self.part("weight_scale").is_some() => {
                let rows = last(weight, 2).and_then(|fours| fours.checked_mul(4));
                Extents::Packed { rows, row: last(weight, 1) }
            }
            kind if kind.is_float() || kind.is_fp8() || kind == ElementType::I8 => {
                Extents::Whole(without_ones(&weight.shape))
            }
            _ => unknown,
        }
    }
}

pub(super) fn without_ones(dims: &[u64]) -> Vec<u64> {
    dims.iter().copied().filter(|extent| *extent != 1).collect()
}
