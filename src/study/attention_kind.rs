//! Kinds of attention.

use crate::model::{Mixer, Model};
use serde::Serialize;

/// A kind of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AttentionKind {
    /// As many key/value heads as query heads.
    #[serde(rename = "MHA")]
    MultiHead,
    /// Fewer of them, but more than one.
    #[serde(rename = "GQA")]
    GroupedQuery,
    /// One of them.
    #[serde(rename = "MQA")]
    MultiQuery,
    /// Keys and values made of a latent.
    #[serde(rename = "MLA")]
    Latent,
    /// Layers that differ in this, or do not attend at all.
    #[serde(rename = "mixed")]
    Mixed,
}

impl AttentionKind {
    /// The name in reports and records.
    pub const fn name(self) -> &'static str {
        match self {
            AttentionKind::MultiHead => "MHA",
            AttentionKind::GroupedQuery => "GQA",
            AttentionKind::MultiQuery => "MQA",
            AttentionKind::Latent => "MLA",
            AttentionKind::Mixed => "mixed",
        }
    }

    /// That of a model.
    pub fn of(model: &Model) -> AttentionKind {
        let kind = |mixer: &Mixer| match mixer {
            Mixer::GroupedQuery(attention) if attention.kv_heads == attention.heads => AttentionKind::MultiHead,
            Mixer::GroupedQuery(attention) if attention.kv_heads == 1 => AttentionKind::MultiQuery,
            Mixer::GroupedQuery(_) => AttentionKind::GroupedQuery,
            Mixer::Latent(_) => AttentionKind::Latent,
            Mixer::ShortConvolution(_) | Mixer::Mamba2(_) => AttentionKind::Mixed,
        };
        let mut kinds = model.shape.layers.iter().map(|layer| kind(&layer.mixer));
        let first = kinds.next().unwrap_or(AttentionKind::Mixed);
        if kinds.all(|other| other == first) { first } else { AttentionKind::Mixed }
    }
}
