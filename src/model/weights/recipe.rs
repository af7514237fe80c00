//! The mixtures of llama-quantize: which type each tensor of a model gets.
//!
//! A file type such as `Q4_K_M` gives most matrices one type and some a better one, by their role, their layer and the
//! shape of the model; rows that are no whole number of super-blocks fall back to smaller blocks. The rules are those of
//! llama.cpp (build 11669) without an importance matrix; older files may differ where fallbacks did (`iq4_nl` has as many
//! bytes as `q4_0`).

use crate::error::{Error, Result};
use crate::model::layout::Tensor;
use crate::model::tensor_type::TensorType;
use std::fmt;

macro_rules! recipes {
    ($($(#[$doc:meta])* $variant:ident = $id:literal $name:literal $main:ident,)*) => {
        /// A file type of llama-quantize that mixes tensor types.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Recipe { $($(#[$doc])* $variant,)* }

        impl Recipe {
            /// Every recipe with its `general.file_type`.
            pub const ALL: &[(u64, Recipe)] = &[$(($id, Recipe::$variant),)*];

            /// Its name in lower case.
            pub const fn name(self) -> &'static str {
                match self { $(Recipe::$variant => $name,)* }
            }

            /// The type of most tensors.
            pub const fn main(self) -> TensorType {
                match self { $(Recipe::$variant => TensorType::$main,)* }
            }
        }
    };
}

recipes! {
    /// `q4_0`, head `q6_k`.
    Q4_0 = 2 "q4_0" Q4_0,
    /// `q4_1`, head `q6_k`.
    Q4_1 = 3 "q4_1" Q4_1,
    /// `q8_0` throughout.
    Q8_0 = 7 "q8_0" Q8_0,
    /// `q5_0`, head `q6_k`.
    Q5_0 = 8 "q5_0" Q5_0,
    /// `q5_1`, head `q6_k`.
    Q5_1 = 9 "q5_1" Q5_1,
    /// `q2_k`, values and downward matrices better.
    Q2K = 10 "q2_k" Q2K,
    /// `q3_k` throughout.
    Q3KS = 11 "q3_k_s" Q3K,
    /// `q3_k`, values, outputs and downward matrices better.
    Q3KM = 12 "q3_k_m" Q3K,
    /// The same, better still.
    Q3KL = 13 "q3_k_l" Q3K,
    /// `q4_k`, values and downward matrices of the first layers better.
    Q4KS = 14 "q4_k_s" Q4K,
    /// `q4_k`, values and downward matrices of every other layer or so `q6_k`.
    Q4KM = 15 "q4_k_m" Q4K,
    /// `q5_k`.
    Q5KS = 16 "q5_k_s" Q5K,
    /// `q5_k`, values and downward matrices of every other layer or so `q6_k`.
    Q5KM = 17 "q5_k_m" Q5K,
    /// `q6_k` throughout.
    Q6K = 18 "q6_k" Q6K,
    /// `iq2_xxs`, values better.
    Iq2Xxs = 19 "iq2_xxs" Iq2Xxs,
    /// `iq2_xs`, values better.
    Iq2Xs = 20 "iq2_xs" Iq2Xs,
    /// `q2_k`, values better.
    Q2KS = 21 "q2_k_s" Q2K,
    /// `iq3_s`, queries and keys smaller.
    Iq3Xs = 22 "iq3_xs" Iq3S,
    /// `iq3_xxs`, queries and keys smaller, downward matrices better.
    Iq3Xxs = 23 "iq3_xxs" Iq3Xxs,
    /// `iq1_s`, values better.
    Iq1S = 24 "iq1_s" Iq1S,
    /// `iq4_nl`.
    Iq4Nl = 25 "iq4_nl" Iq4Nl,
    /// `iq3_s`.
    Iq3S = 26 "iq3_s" Iq3S,
    /// `iq3_s`, values, outputs and first downward matrices better.
    Iq3M = 27 "iq3_m" Iq3S,
    /// `iq2_xs`, some better.
    Iq2S = 28 "iq2_s" Iq2Xs,
    /// `iq2_s`, some better.
    Iq2M = 29 "iq2_m" Iq2S,
    /// `iq4_xs`.
    Iq4Xs = 30 "iq4_xs" Iq4Xs,
    /// `iq1_m`, values better.
    Iq1M = 31 "iq1_m" Iq1M,
    /// `tq1_0`.
    Tq1_0 = 36 "tq1_0" Tq1_0,
    /// `tq2_0`.
    Tq2_0 = 37 "tq2_0" Tq2_0,
    /// Experts `mxfp4`, all else `q8_0`.
    Mxfp4Moe = 38 "mxfp4_moe" Mxfp4,
    /// `q1_0`.
    Q1_0 = 40 "q1_0" Q1_0,
    /// `q2_0`.
    Q2_0 = 41 "q2_0" Q2_0,
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a tensor is for, which llama-quantize reads from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Output,
    Embedding,
    Value,
    Key,
    Query,
    AttentionOutput,
    Up,
    Gate,
    Down,
    Other,
}

impl Role {
    fn of(name: &str) -> Role {
        let contains = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match name {
            "output.weight" => Role::Output,
            "token_embd.weight" | "per_layer_token_embd.weight" => Role::Embedding,
            // Fused projections count as values there.
            _ if contains(&["attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight"]) => Role::Value,
            _ if contains(&["attn_k.weight"]) => Role::Key,
            _ if contains(&["attn_q.weight"]) => Role::Query,
            _ if contains(&["attn_output.weight"]) => Role::AttentionOutput,
            _ if contains(&["ffn_up"]) => Role::Up,
            _ if contains(&["ffn_gate"]) => Role::Gate,
            _ if contains(&["ffn_down"]) => Role::Down,
            _ => Role::Other,
        }
    }
}

/// Whether llama-quantize converts a tensor of that name and of so many dimensions; the others keep their type, f32 as a
/// rule: norms, biases, routers, convolutions, position embeddings.
pub fn is_quantised(name: &str, dimensions: usize) -> bool {
    const KEPT: [&str; 12] = [
        "hc_",
        "compressor_",
        "_norm.weight",
        "ffn_gate_inp.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "attn_rel_b.weight",
        "position_embd",
        "token_types",
    ];
    dimensions >= 2 && name.ends_with("weight") && !KEPT.iter().any(|word| name.contains(word))
}

/// What the rules look at beside the tensor.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Layers.
    pub layers: u64,
    /// Query heads per key/value head, in the first layer.
    pub group: u64,
    /// Experts; 0 in a dense model.
    pub experts: u64,
    /// Falcon keeps rules of its own.
    pub falcon: bool,
    /// Llama and Qwen2 of 80 layers with grouped queries: their value matrices are small.
    pub seventy_billion: bool,
}

/// Tensors of a role that were seen, and how many there are.
#[derive(Default)]
struct Position {
    at: u64,
    of: u64,
}

impl Position {
    /// In the first `1/parts` of the layers.
    fn early(&self, parts: u64) -> bool {
        self.at < self.of / parts
    }

    /// In the middle three quarters.
    fn middle(&self) -> bool {
        !self.early(8) && self.at < 7 * self.of / 8
    }

    /// In the first or last eighth, or every third between.
    fn more_bits(&self) -> bool {
        self.early(8) || self.at >= 7 * self.of / 8 || (self.at - self.of / 8) % 3 == 2
    }
}

/// The type of each of `matrices`, which stand in the order of their blocks, by name within one, as llama-quantize goes.
///
/// # Errors
/// Misuse when a row fits no block that the rules allow.
pub(super) fn types(recipe: Recipe, model: Traits, matrices: &[&Tensor]) -> Result<Vec<TensorType>> {
    let tied = !matrices.iter().any(|matrix| Role::of(&matrix.name) == Role::Output);
    let values = matrices.iter().filter(|matrix| Role::of(&matrix.name) == Role::Value).count() as u64;
    let [mut value, mut down, mut gate, mut up] =
        [values, model.layers, model.layers, model.layers].map(|of| Position { at: 0, of });
    let mut types = Vec::new();
    for matrix in matrices {
        let role = Role::of(&matrix.name);
        let position = match role {
            Role::Value => Some(&mut value),
            Role::Down => Some(&mut down),
            Role::Gate => Some(&mut gate),
            Role::Up => Some(&mut up),
            _ => None,
        };
        // With experts, the block's number counts, not how many came before.
        let now = match (&position, role, matrix.block) {
            (Some(position), Role::Down | Role::Gate | Role::Up, Some(block))
                if model.experts > 1 && !two_bits(recipe) =>
            {
                Position { at: block, of: position.of }
            }
            (Some(position), ..) => Position { at: position.at, of: position.of },
            (None, ..) => Position::default(),
        };
        if let Some(position) = position {
            position.at += 1;
        }
        let best = match role {
            _ if recipe == Recipe::Mxfp4Moe && matrix.dimensions > 2 => TensorType::Mxfp4,
            _ if recipe == Recipe::Mxfp4Moe => TensorType::Q8_0,
            Role::Output => output(recipe, model, matrix.row),
            Role::Embedding if tied => output(recipe, model, matrix.row),
            Role::Embedding => embedding(recipe),
            _ if two_bits(recipe) => low(recipe, model, role, &now),
            Role::Value => value_type(recipe, model, &now),
            Role::Down => down_type(recipe, model, &now),
            _ => other(recipe, model, role, &now),
        };
        types.push(fitting(best, &matrix.name, matrix.row)?);
    }
    Ok(types)
}

/// Recipes below three bits, which have rules of their own.
fn two_bits(recipe: Recipe) -> bool {
    use Recipe::{Iq1M, Iq1S, Iq2M, Iq2S, Iq2Xs, Iq2Xxs};
    matches!(recipe, Iq2Xxs | Iq2Xs | Iq1S | Iq2S | Iq2M | Iq1M)
}

fn output(recipe: Recipe, model: Traits, row: u64) -> TensorType {
    let main = recipe.main();
    let fits = main.block().is_some_and(|block| row.is_multiple_of(block.elements));
    if model.falcon || !fits || main == TensorType::Q8_0 {
        TensorType::Q8_0
    } else if two_bits(recipe) || recipe == Recipe::Iq3Xxs {
        TensorType::Q5K
    } else {
        TensorType::Q6K
    }
}

fn embedding(recipe: Recipe) -> TensorType {
    match recipe {
        Recipe::Iq2Xxs | Recipe::Iq2Xs | Recipe::Iq1S | Recipe::Iq1M => TensorType::Q2K,
        Recipe::Iq2S | Recipe::Iq2M | Recipe::Iq3Xxs => TensorType::Iq3S,
        Recipe::Tq1_0 | Recipe::Tq2_0 | Recipe::Q2_0 => TensorType::Q4K,
        _ => recipe.main(),
    }
}

fn low(recipe: Recipe, model: Traits, role: Role, position: &Position) -> TensorType {
    let better = matches!(recipe, Recipe::Iq2S | Recipe::Iq2M);
    let step_up = if better { TensorType::Iq3S } else { TensorType::Q2K };
    match role {
        Role::Value if model.group >= 4 || model.experts >= 4 => TensorType::Q4K,
        Role::Value => step_up,
        Role::Key if model.experts == 8 => TensorType::Q4K,
        Role::Down if position.early(8) => step_up,
        Role::AttentionOutput if model.experts == 8 => TensorType::Q5K,
        Role::AttentionOutput if matches!(recipe, Recipe::Iq1S | Recipe::Iq1M) => TensorType::Iq2Xxs,
        Role::AttentionOutput if better => TensorType::Iq3S,
        _ => recipe.main(),
    }
}

fn value_type(recipe: Recipe, model: Traits, position: &Position) -> TensorType {
    use TensorType::{Iq3S, Q3K, Q4K, Q5K, Q6K, Q8_0};
    let grouped = model.group >= 4;
    let kind = match recipe {
        Recipe::Q2K if grouped => Q4K,
        Recipe::Q2K => Q3K,
        Recipe::Iq3Xxs if grouped => Q4K,
        Recipe::Iq3Xxs => Iq3S,
        Recipe::Q2KS | Recipe::Iq3Xs | Recipe::Iq3S if grouped => Q4K,
        Recipe::Iq3M => Q4K,
        Recipe::Q3KM if position.at < 2 => Q5K,
        Recipe::Q3KM => Q4K,
        Recipe::Q3KL => Q5K,
        Recipe::Iq4Nl | Recipe::Iq4Xs if grouped => Q5K,
        Recipe::Q4KM | Recipe::Q5KM if position.more_bits() => Q6K,
        Recipe::Q4KS if position.at < 4 => Q5K,
        _ => recipe.main(),
    };
    match kind {
        _ if model.experts == 8 => Q8_0,
        Q3K | Q4K if model.seventy_billion => Q5K,
        kind => kind,
    }
}

fn down_type(recipe: Recipe, model: Traits, position: &Position) -> TensorType {
    use TensorType::{Q3K, Q4K, Q5K, Q6K};
    let Traits { falcon, experts, .. } = model;
    match recipe {
        Recipe::Q2K => Q3K,
        Recipe::Q2KS if position.early(8) => Q4K,
        Recipe::Iq3Xxs if position.early(8) => Q4K,
        Recipe::Iq3Xxs => Q3K,
        Recipe::Q3KM if position.early(16) => Q5K,
        Recipe::Q3KM if !falcon || position.more_bits() => Q4K,
        Recipe::Q3KM => Q3K,
        Recipe::Iq3M if position.early(8) || (experts == 8 && position.more_bits()) => Q4K,
        Recipe::Q3KL if falcon => Q4K,
        Recipe::Q3KL => Q5K,
        Recipe::Q4KM if falcon && !position.early(16) && position.more_bits() => Q5K,
        Recipe::Q4KM if falcon && !position.early(16) => Q4K,
        Recipe::Q4KM if falcon || position.more_bits() => Q6K,
        Recipe::Iq4Nl | Recipe::Iq4Xs if position.early(8) => Q5K,
        Recipe::Q5KM if position.more_bits() => Q6K,
        Recipe::Q4KS if !falcon && position.early(8) => Q5K,
        _ => recipe.main(),
    }
}

fn other(recipe: Recipe, model: Traits, role: Role, position: &Position) -> TensorType {
    use Recipe as R;
    use TensorType::{Iq2S, Iq3S, Iq3Xxs, Q3K, Q4K, Q5K, Q8_0};
    match (role, recipe) {
        (Role::Key, _) if model.experts == 8 => Q8_0,
        (Role::Key | Role::Query, Recipe::Iq3Xs) => Iq3Xxs,
        (Role::Key | Role::Query, Recipe::Iq3Xxs) => Iq2S,
        (Role::Gate | Role::Up, Recipe::Iq3Xs) if position.middle() => Iq3Xxs,
        (Role::AttentionOutput, Recipe::Q3KL) if model.falcon => Q4K,
        (Role::AttentionOutput, _) if model.falcon => recipe.main(),
        (Role::AttentionOutput, _) if model.experts == 8 => match recipe {
            R::Q2K | R::Q3KS | R::Q3KM | R::Q4KS | R::Q4KM => Q5K,
            R::Iq3Xs | R::Iq3Xxs | R::Iq3S | R::Iq3M | R::Iq4Nl | R::Iq4Xs => Q5K,
            _ => recipe.main(),
        },
        (Role::AttentionOutput, Recipe::Q2K) => Q3K,
        (Role::AttentionOutput, Recipe::Iq3Xxs) => Iq3S,
        (Role::AttentionOutput, Recipe::Q3KM | Recipe::Iq3M) => Q4K,
        (Role::AttentionOutput, Recipe::Q3KL) => Q5K,
        _ => recipe.main(),
    }
}

/// The best type, or the one that takes its place where rows are no whole number of its blocks.
pub(super) fn fitting(best: TensorType, name: &str, row: u64) -> Result<TensorType> {
    let fits = |kind: TensorType| kind.block().is_some_and(|block| row.is_multiple_of(block.elements));
    if fits(best) {
        return Ok(best);
    }
    use TensorType as T;
    let instead = match best {
        T::Iq1S | T::Iq1M | T::Iq2Xxs | T::Iq2Xs | T::Iq2S | T::Iq3Xxs | T::Iq3S | T::Iq4Xs => T::Iq4Nl,
        T::Q2_0 | T::Q2K | T::Q3K | T::Tq1_0 | T::Tq2_0 => T::Q4_0,
        T::Q4K => T::Q5_0,
        T::Q5K => T::Q5_1,
        T::Q6K => T::Q8_0,
        T::Q4_0 | T::Q4_1 | T::Q5_0 | T::Q5_1 | T::Q8_0 | T::Iq4Nl => T::F16,
        _ => {
            return Err(Error::misuse(format!(
                "--weights: rows of {} elements ({}) are no whole number of {best} blocks, and llama-quantize has nothing instead; choose another",
                row, name
            )));
        }
    };
    Ok(if fits(instead) { instead } else { T::F16 })
}
