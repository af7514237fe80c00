//! Which operations of a pass have an efficiency in common.

use crate::model::{Class, Pass, Step, TensorType};
use crate::roofline::{Kernel, Task};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;

/// From so many tokens on, a product with weights is one of many: engines choose other kernels there.
const MANY: f64 = 8.0;

named_enum! {
    /// What a part of a pass does.
    #[derive(SerializeDisplay, JsonSchema, DeserializeFromStr)]
    #[schemars(rename_all = "lowercase")]
    pub enum PartKind: "part" {
        /// Products with weights.
        Matmul = "matmul",
        /// Products with the weights of routed experts.
        Expert = "expert",
        /// Attention over the cache.
        Attention = "attention",
        /// Norms, activations, scans, convolutions: what moves bytes.
        Elementwise = "elementwise",
    }
}

named_enum! {
    /// How many tokens go through at once.
    #[derive(SerializeDisplay, JsonSchema, DeserializeFromStr)]
    #[schemars(rename_all = "lowercase")]
    pub enum Tokens: "tokens" {
        /// Fewer than eight that share one reading of the weights; of attention, a decode step.
        Few = "few",
        /// Eight or more; of attention, a prompt.
        Many = "many",
    }
}

/// A part of a pass: operations that an engine does in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// What it does.
    pub kind: PartKind,
    /// How many tokens go through at once.
    pub tokens: Tokens,
    /// How its weights, or its cache, are stored; none for elementwise work.
    pub stored: Option<TensorType>,
}

impl Part {
    /// The part that a step of a pass belongs to.
    pub fn of(step: &Step, pass: Pass, task: &Task) -> Part {
        let by_pass = if pass == Pass::Decode { Tokens::Few } else { Tokens::Many };
        match task.kernel {
            Kernel::Matmul { tokens, .. } => {
                let kind = if step.class == Class::Expert { PartKind::Expert } else { PartKind::Matmul };
                let tokens = if tokens < MANY { Tokens::Few } else { Tokens::Many };
                Part { kind, tokens, stored: Some(task.stored) }
            }
            Kernel::Attention { .. } => Part { kind: PartKind::Attention, tokens: by_pass, stored: Some(task.stored) },
            Kernel::Other(_) => Part { kind: PartKind::Elementwise, tokens: by_pass, stored: None },
        }
    }

    /// Whether a like share of both is lost on a machine that suits an engine better or worse.
    pub fn is_like(&self, other: &Part) -> bool {
        (self.kind, self.tokens) == (other.kind, other.tokens)
    }
}

impl fmt::Display for Part {
    /// `matmul q4_0, few tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(stored) = self.stored {
            write!(f, " {stored}")?;
        }
        write!(f, ", {} tokens", self.tokens)
    }
}
