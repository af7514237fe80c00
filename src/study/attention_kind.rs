//! Kinds of attention.

use crate::model::{Mixer, Model};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde_with::SerializeDisplay;

named_enum! {
    /// A kind of attention.
    #[derive(SerializeDisplay, JsonSchema)]
    pub enum AttentionKind: "kind of attention" {
        /// As many key/value heads as query heads.
        #[schemars(rename = "MHA")]
        MultiHead = "MHA",
        /// Fewer of them, but more than one.
        #[schemars(rename = "GQA")]
        GroupedQuery = "GQA",
        /// One of them.
        #[schemars(rename = "MQA")]
        MultiQuery = "MQA",
        /// Keys and values made of a latent.
        #[schemars(rename = "MLA")]
        Latent = "MLA",
        /// Layers that differ in this, or do not attend at all.
        #[schemars(rename = "mixed")]
        Mixed = "mixed",
    }
}

impl AttentionKind {
    /// That of a model.
    pub fn of(model: &Model) -> AttentionKind {
        let kind = |mixer: &Mixer| match mixer {
            Mixer::GroupedQuery(attention) if attention.kv_heads == attention.heads => AttentionKind::MultiHead,
            Mixer::GroupedQuery(attention) if attention.kv_heads == 1 => AttentionKind::MultiQuery,
            Mixer::GroupedQuery(_) => AttentionKind::GroupedQuery,
            Mixer::Latent(_) => AttentionKind::Latent,
            Mixer::Compressed(_) | Mixer::Recurrent(_) | Mixer::Both(..) | Mixer::Linear | Mixer::Nothing => {
                AttentionKind::Mixed
            }
        };
        let mut kinds = model.shape.layers.iter().map(|layer| kind(&layer.mixer));
        let first = kinds.next().unwrap_or(AttentionKind::Mixed);
        if kinds.all(|other| other == first) { first } else { AttentionKind::Mixed }
    }
}
