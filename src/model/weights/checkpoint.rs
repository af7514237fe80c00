//! How a quantised checkpoint stores its tensors: one layout, and the modules that it leaves out.

use super::{HALF, Weights, fitted, recipe};
use crate::error::Result;
use crate::model::layout::Tensor;
use crate::model::tensor_type::TensorType;
use regex_lite::Regex;
use std::cell::OnceCell;
use std::fmt;

/// How a quantised checkpoint stores its tensors, as its configuration states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The layout of most matrices.
    pub layout: Weights,
    /// The only modules of a layer that are quantised, where they are listed; else all are.
    pub(in crate::model) only: Vec<Modules>,
    /// Modules that are stored otherwise; the last one that names a tensor wins.
    pub(in crate::model) exceptions: Vec<Exception>,
}

/// Modules by name, and how their matrices are stored: not quantised, unless a type is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Exception {
    pub(in crate::model) modules: Modules,
    pub(in crate::model) kind: Option<TensorType>,
}

/// Modules by a name or by a pattern of names.
#[derive(Clone, Debug)]
pub(in crate::model) enum Modules {
    /// A name such as `model.layers.3.mlp` or `lm_head`: it names every module in whose path it stands.
    Path(Vec<String>),
    /// A full name with any text between these parts: a regular expression takes seconds where a file lists hundreds of them.
    Wildcard(Vec<String>),
    /// A regular expression, which fits a full name from its beginning on.
    Pattern(Regex),
}

impl PartialEq for Modules {
    fn eq(&self, other: &Modules) -> bool {
        match (self, other) {
            (Modules::Path(own), Modules::Path(other)) | (Modules::Wildcard(own), Modules::Wildcard(other)) => {
                own == other
            }
            (Modules::Pattern(own), Modules::Pattern(other)) => own.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for Modules {}

impl Modules {
    pub(in crate::model) fn of(name: &str) -> Modules {
        const ROOTS: [&str; 5] = ["model", "language_model", "transformer", "backbone", "decoder"];
        let parts = name.split('.').skip_while(|part| ROOTS.contains(part));
        Modules::Path(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    /// Those whose full name a regular expression fits from its beginning on; none where it is none.
    pub(in crate::model) fn of_pattern(pattern: &str) -> Option<Modules> {
        Regex::new(&format!("^(?:{pattern})")).ok().map(Modules::Pattern)
    }

    /// Those whose full name a word with `*` for any part fits.
    pub(in crate::model) fn of_wildcard(word: &str) -> Modules {
        Modules::Wildcard(word.split('*').map(str::to_owned).collect())
    }

    /// The same, where a number of an expert stands for all of them.
    pub(in crate::model) fn of_all_experts(name: &str) -> Modules {
        let is_number = |part: &String| part.bytes().all(|byte| byte.is_ascii_digit());
        match Modules::of(name) {
            Modules::Path(parts) => Modules::Path(parts.into_iter().filter(|part| !is_number(part)).collect()),
            pattern => pattern,
        }
    }

    /// Whether it is that of one expert among many, which are one tensor here.
    pub(in crate::model) fn is_one_expert(&self) -> bool {
        let Modules::Path(parts) = self else { return false };
        parts.windows(2).any(|pair| pair[0] == "experts" && pair[1].bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn name_tensor(&self, tensor: &Tensor) -> bool {
        self.are(&Names::of(tensor))
    }

    /// Whether they are what a tensor with these names belongs to.
    fn are(&self, names: &Names) -> bool {
        match self {
            Modules::Path(parts) => {
                let path = &names.path;
                let same =
                    |(part, names): (&String, &Vec<String>)| part == "*" || names.iter().any(|name| name == part);
                !parts.is_empty() && path.windows(parts.len()).any(|run| parts.iter().zip(run).all(same))
            }
            Modules::Wildcard(parts) => names.full().iter().any(|name| is_wildcard_of(parts, name)),
            Modules::Pattern(pattern) => names.full().iter().any(|name| pattern.is_match(name)),
        }
    }
}

/// The names that a tensor's module goes by, for many questions.
struct Names {
    path: Vec<Vec<String>>,
    full: OnceCell<Vec<String>>,
}

impl Names {
    fn of(tensor: &Tensor) -> Names {
        Names { path: path(tensor), full: OnceCell::new() }
    }

    fn full(&self) -> &[String] {
        self.full.get_or_init(|| full_names(&self.path))
    }
}

/// Whether a name has these parts in their order, the first at its beginning and the last at its end.
fn is_wildcard_of(parts: &[String], name: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts.iter().any(|part| part == name) };
    let rest = name.strip_prefix(first.as_str());
    let rest = middle.iter().try_fold(rest, |rest, part| Some(rest?.split_once(part.as_str()).map(|(_, rest)| rest)));
    rest.flatten().is_some_and(|rest| rest.ends_with(last.as_str()))
}

/// The full names that a module of this path may have.
fn full_names(path: &[Vec<String>]) -> Vec<String> {
    const ROOTS: [&str; 3] = ["model.", "", "language_model.model."];
    let mut names = vec![String::new()];
    for step in path {
        names = names.iter().flat_map(|name| step.iter().map(move |word| format!("{name}.{word}"))).collect();
    }
    let names = names.into_iter().map(|name| name.trim_start_matches('.').replace(".experts.", ".experts.0."));
    names.flat_map(|name| ROOTS.map(|root| format!("{root}{name}"))).collect()
}

impl fmt::Display for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Modules::Path(parts) => f.write_str(&parts.join(".")),
            Modules::Wildcard(parts) => f.write_str(&parts.join("*")),
            Modules::Pattern(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

impl Checkpoint {
    /// The type of each of `tensors`.
    ///
    /// # Errors
    /// As [`Weights::types`].
    pub(in crate::model) fn types(&self, model: recipe::Traits, tensors: &[Tensor]) -> Result<Vec<TensorType>> {
        let usual = self.layout.types(model, tensors)?;
        let of = |(tensor, usual): (&Tensor, TensorType)| {
            let names = Names::of(tensor);
            let exception = self.exceptions.iter().rfind(|exception| exception.modules.are(&names));
            match exception {
                _ if tensor.dimensions < 2 => usual,
                None if self.leaves_out(tensor) => HALF,
                Some(Exception { kind: None, .. }) => HALF,
                Some(Exception { kind: Some(kind), .. }) => fitted(*kind, tensor),
                None => usual,
            }
        };
        Ok(tensors.iter().zip(usual).map(of).collect())
    }

    fn leaves_out(&self, tensor: &Tensor) -> bool {
        !self.only.is_empty() && !self.only.iter().any(|modules| modules.name_tensor(tensor))
    }

    /// The exceptions that no tensor is one of.
    pub(in crate::model) fn idle(&self, tensors: &[Tensor]) -> impl Iterator<Item = &Modules> {
        let all: Vec<Names> = tensors.iter().map(Names::of).collect();
        let names = move |modules: &Modules| all.iter().any(|tensor| modules.are(tensor));
        self.exceptions.iter().map(|exception| &exception.modules).filter(move |modules| !names(modules))
    }
}

/// The path of the module that a tensor belongs to, with the names that each step of it goes by.
pub(in crate::model) fn path(tensor: &Tensor) -> Vec<Vec<String>> {
    let stem = tensor.name.rsplit_once('.').map_or(tensor.name.as_str(), |(stem, _)| stem);
    let names = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let modules = MODULES.iter().find(|(name, _)| *name == stem).map_or(stem, |(_, modules)| *modules);
    let inner = modules.split(" / ").map(names);
    match tensor.block {
        None => inner.collect(),
        Some(block) => [names("layers h"), vec![block.to_string()]].into_iter().chain(inner).collect(),
    }
}

/// Modules by the stem of a tensor's name: steps of the path apart by ` / `, each with its names in one family or another.
const MODULES: &[(&str, &str)] = &[
    ("token_embd", "embed_tokens wte word_embeddings embed_in embeddings tok_embeddings"),
    ("position_embd", "wpe embed_positions"),
    ("project_in", "project_in"),
    ("project_out", "project_out"),
    ("output", "lm_head embed_out output"),
    ("attn_q", "self_attn attn attention self_attention mixer / q_proj wq"),
    ("attn_k", "self_attn attn attention self_attention mixer / k_proj wk"),
    ("attn_v", "self_attn attn attention self_attention mixer / v_proj wv"),
    (
        "attn_qkv",
        "self_attn attn attention self_attention linear_attn / qkv_proj c_attn query_key_value Wqkv in_proj_qkvz in_proj_qkv",
    ),
    ("attn_gate", "linear_attn self_attn / in_proj_qkvz in_proj_z output_gate"),
    ("attn_output", "self_attn attn attention self_attention mixer / o_proj out_proj dense c_proj wo"),
    ("attn_q_a", "self_attn / q_a_proj"),
    ("attn_q_b", "self_attn / q_b_proj"),
    ("attn_kv_a_mqa", "self_attn / kv_a_proj_with_mqa"),
    ("attn_kv_b", "self_attn / kv_b_proj"),
    ("ffn_gate", "mlp feed_forward / gate_proj w1"),
    ("ffn_up", "mlp feed_forward mixer / up_proj gate_up_proj fc1 c_fc dense_h_to_4h w3"),
    ("ffn_down", "mlp feed_forward mixer / down_proj fc2 c_proj dense_4h_to_h w2"),
    ("ffn_gate_inp", "mlp block_sparse_moe feed_forward mixer / gate router"),
    ("ffn_gate_exps", "mlp block_sparse_moe feed_forward mixer / experts switch_mlp / gate_proj w1 gate_up_proj"),
    ("ffn_up_exps", "mlp block_sparse_moe feed_forward mixer / experts switch_mlp / up_proj w3 gate_up_proj"),
    ("ffn_down_exps", "mlp block_sparse_moe feed_forward mixer / experts switch_mlp / down_proj w2"),
    ("ffn_gate_shexp", "mlp feed_forward mixer / shared_expert shared_experts / gate_proj"),
    ("ffn_up_shexp", "mlp feed_forward mixer / shared_expert shared_experts / up_proj"),
    ("ffn_down_shexp", "mlp feed_forward mixer / shared_expert shared_experts / down_proj"),
    ("shortconv.in_proj", "conv / in_proj"),
    ("shortconv.out_proj", "conv / out_proj"),
    ("indexer.attn_q_b", "self_attn / indexer / wq_b"),
    ("indexer.attn_k", "self_attn / indexer / wk"),
    ("indexer.proj", "self_attn / indexer / weights_proj"),
    ("ssm_in", "mixer mamba / in_proj"),
    ("ssm_out", "mixer mamba linear_attn / out_proj"),
    ("ssm_conv1d", "mixer mamba linear_attn / conv1d"),
    ("ssm_x", "mixer mamba / x_proj"),
    ("ssm_dt", "mixer mamba / dt_proj"),
    ("ssm_ba", "linear_attn / in_proj_ba"),
    ("ssm_beta", "linear_attn self_attn / in_proj_b b_proj"),
    ("ssm_alpha", "linear_attn / in_proj_a"),
    ("ssm_f_a", "self_attn / f_a_proj"),
    ("ssm_f_b", "self_attn / f_b_proj"),
    ("ssm_g_a", "self_attn / g_a_proj"),
    ("ssm_g_b", "self_attn / g_b_proj"),
];
