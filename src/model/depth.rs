//! The same model, shallower or deeper.

use super::attention_form::Form;
use super::language_model::{Model, Source};
use super::layer::Layer;
use super::limits;
use super::shape::ModelShape;
use crate::error::{Error, Result};

impl Model {
    /// The same model cut or repeated to `layers` layers: each is as the one whose place is the remainder by the old number,
    /// so that patterns go on. No published number of parameters applies to it.
    ///
    /// # Errors
    /// Misuse for no layers, for more than any model has, and for a GGUF file's model, whose tensors are those of its layers.
    pub fn with_layers(&self, layers: u64) -> Result<Model> {
        let old = self.layer_count();
        if !(1..=limits::LAYERS).contains(&layers) {
            return Err(Error::misuse(format!("depth: must lie in 1..={}, is {layers}", limits::LAYERS)));
        }
        if layers == old {
            return Ok(self.clone());
        }
        if self.storage.gguf.is_some() {
            return Err(Error::misuse(format!(
                "depth: {} is a GGUF file with the tensors of {old} layers, no more and no fewer; give a config.json or a name from `roofprobe models`",
                self.name()
            )));
        }
        let shares = |layer: &Layer| {
            let form = layer.mixer.grouped_query().map(|attention| attention.form);
            matches!(form, Some(Form::Shared(_)))
        };
        if self.shape.layers.iter().any(shares) {
            return Err(Error::misuse(format!(
                "depth: layers of {} share weights, and are not cut or repeated",
                self.name()
            )));
        }
        self.validate()?;
        let kept = |layer: &Layer| {
            let again = |place: &u64| (*place..layers).step_by(old as usize);
            let mut places: Vec<u64> = layer.places.iter().flat_map(again).collect();
            places.sort_unstable();
            Layer { places, ..layer.clone() }
        };
        let kinds = self.shape.layers.iter().map(kept).filter(|layer| !layer.places.is_empty()).collect();
        let done = if layers < old { "cut" } else { "repeated" };
        let mut remarks = self.source.remarks.clone();
        remarks.push(format!("{}: its {old} layers are {done} to {layers}", self.name()));
        Ok(Model {
            shape: ModelShape { layers: kinds, ..self.shape.clone() },
            source: Source { published: None, remarks, ..self.source.clone() },
            storage: self.storage.clone(),
        })
    }
}
