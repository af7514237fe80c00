//! The layers for multi-token prediction as a model of their own: they draft what the model itself judges.

use super::language_model::{Model, Source};
use super::layer::Layer;
use super::shape::{ModelShape, Predictors};
use super::storage::{Storage, Stored};
use crate::error::Result;
use std::collections::BTreeMap;

/// What is not a predictor's own, and what files may repeat of it.
const SHARED: [&str; 2] = ["token_embd.weight", "output.weight"];

impl Model {
    /// One of the layers for multi-token prediction, with what it shares with the model: embedding and head. None where
    /// the model has no such layers.
    pub fn predictor(&self) -> Option<Model> {
        let Predictors { layer, .. } = self.shape.predictors.as_ref()?;
        let shape = ModelShape {
            // Behind the model's own, as files and lists of modules number it.
            layers: vec![Layer { places: vec![self.layer_count()], ..layer.clone() }],
            predictors: None,
            joined: true,
            position_rows: None,
            embedding_norm: None,
            layer_inputs: None,
            streams: None,
            connections: None,
            ..self.shape.clone()
        };
        let gguf = self.storage.gguf.as_ref().map(|stored| self.stored_predictor(stored));
        let storage = Storage { gguf, safetensors: None, rope_factors: 0, ..self.storage.clone() };
        let name = format!("{} (multi-token prediction)", self.name());
        Some(Model {
            shape,
            storage,
            source: Source { name, published: None, remarks: Vec::new(), ..self.source.clone() },
        })
    }

    /// Parameters of all layers for multi-token prediction, without embedding and head, which are the model's; none where it has
    /// no such layers.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn parameters_of_predictors(&self) -> Result<Option<u64>> {
        let Some((predictor, all)) = self.predictor().zip(self.shape.predictors.as_ref()) else { return Ok(None) };
        Ok(Some(predictor.parameters_non_embedding()?.saturating_mul(all.count)))
    }

    /// The types of the first block behind the model's own, and of what it shares with the model.
    fn stored_predictor(&self, stored: &Stored) -> Stored {
        let block = format!("blk.{}.", self.layer_count());
        let own = stored.types.iter().filter_map(|(name, kind)| {
            let name = match name.strip_prefix(block.as_str()) {
                Some("nextn.shared_head_norm.weight") => "output_norm.weight".into(),
                Some(inner) if inner.starts_with("nextn.") => inner.into(),
                Some(_) => name.clone(),
                None if SHARED.contains(&&**name) => name.clone(),
                None => return None,
            };
            Some((name, *kind))
        });
        let mut types: BTreeMap<Box<str>, _> = own.collect();
        // Some end in the model's own norm.
        if let Some(norm) = stored.types.get("output_norm.weight") {
            types.entry("output_norm.weight".into()).or_insert(*norm);
        }
        Stored { types, ..stored.clone() }
    }
}
