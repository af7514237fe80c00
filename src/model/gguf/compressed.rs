//! Attention to compressed keys, and hyper-connections, of a file: DeepSeek-V4.

use super::keys::Keys;
use super::layers::Block;
use crate::error::Result;
use crate::model::family::{Facts, MixerRule};
use crate::model::layer::{Compressed, Compression};
use crate::model::limits;
use crate::model::shape::HyperConnections;

impl Block<'_> {
    pub(super) fn compressed(&self) -> Result<Compressed> {
        let (keys, heads) = (self.keys(), self.heads()?);
        let head_dim = self.size("attention.key_length")?;
        let groups = keys.required("attention.output_group_count", limits::HEADS)?;
        if !(heads * head_dim).is_multiple_of(groups) {
            let words = format_args!("{groups} does not divide the {} elements of all heads", heads * head_dim);
            return Err(keys.error("attention.output_group_count", words));
        }
        Ok(Compressed {
            heads,
            head_dim,
            query_rank: self.size("attention.q_lora_rank")?,
            rotary: self.size("rope.dimension_count")?,
            groups,
            output_rank: self.size("attention.output_lora_rank")?,
            window: keys.required("attention.sliding_window", limits::POSITIONS)?,
            compression: self.compression()?,
        })
    }

    /// By the ratio of the block: keys of 4 tokens are chosen from, those of 128 are all attended to.
    fn compression(&self) -> Result<Option<Compression>> {
        const KEY: &str = "attention.compress_ratios";
        let keys = self.keys();
        match keys.metadata.nth(&keys.named(KEY), self.place())? {
            Some(0) => Ok(None),
            Some(4) => {
                let most = keys.required("attention.indexer.top_k", limits::POSITIONS)?;
                Ok(Some(Compression { rate: 4, overlaps: true, chosen: Some((self.indexer()?, most)) }))
            }
            Some(128) => Ok(Some(Compression { rate: 128, overlaps: false, chosen: None })),
            Some(other) => Err(keys.error(KEY, format_args!("{other} is not supported (0, 4 and 128 are)"))),
            None => {
                Err(keys.error(KEY, format_args!("has none for block {}; the file is no complete model", self.place())))
            }
        }
    }
}

/// Residual streams, where the family has several.
pub(super) fn connections(keys: &Keys, facts: &Facts) -> Result<Option<HyperConnections>> {
    if !matches!(facts.mixer, MixerRule::Compressed(_)) {
        return Ok(None);
    }
    let count = keys.required("hyper_connection.count", limits::STREAMS)?;
    Ok(Some(HyperConnections { count }))
}
