//! What a `model_type` means: the defaults and the structure that its configuration does not spell out.
//!
//! Facts are those of the model code in Hugging Face transformers 5 (`modeling_*.py`, `configuration_*.py`), or of the
//! code beside the published weights where transformers has none: a key that is absent takes the family's default, a key
//! that is `null` switches the feature off or lets the value be derived. A family is an entry of a table; only what no
//! table can say is code, in `config/`.

mod dense;
mod experts;
mod facts;
mod gated;
mod gpt;
mod hybrids;
mod mixers;
mod mixtures;
mod recurrent;
mod ungated;
mod varied;

pub(super) use facts::{
    BiasRule, Caps, Defaults, DenseLayers, Facts, GateRule, HeadBias, HeadNormRule, KvHeads, MixerRule, MixtureRule,
    MlpBias, NormPlaces, NormsRule, PerLayer, RotaryRule, SharedRule, Width, WindowRule,
};
pub(super) use mixers::{Attends, CompressedRule, Inner, LatentRule, MambaKeys, Recurrence, RecurrentRule};
use std::fmt;

/// A family of models that share code, and so the meaning of their configuration.
#[derive(Clone, Copy)]
pub struct Family(&'static Facts);

impl Family {
    /// Every family, in the order in which messages list them.
    pub fn all() -> impl Iterator<Item = Family> {
        let ungated = [ungated::FAMILIES, gpt::FAMILIES, recurrent::FAMILIES, hybrids::FAMILIES];
        [gated::FAMILIES, dense::FAMILIES, experts::FAMILIES, mixtures::FAMILIES, varied::FAMILIES]
            .into_iter()
            .chain(ungated)
            .flatten()
            .map(Family)
    }

    /// The word in a configuration's `model_type`.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The family of a `model_type`.
    pub fn of(model_type: &str) -> Option<Family> {
        let named = Family::all().find(|family| family.name() == model_type);
        named.or_else(|| Family::all().find(|family| family.0.aliases.contains(&model_type)))
    }

    /// Every name that `model_type`, or a class in `architectures`, may use for it.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.0.name).chain(self.0.aliases.iter().copied())
    }

    /// The families that GGUF files call `architecture`.
    pub(super) fn of_gguf(architecture: &str) -> impl Iterator<Item = Family> {
        Family::all()
            .filter(move |Family(facts)| facts.gguf == Some(architecture) || facts.gguf_aliases.contains(&architecture))
    }

    pub(super) const fn facts(self) -> &'static Facts {
        self.0
    }

    /// How it attends to latents, where it does.
    pub(super) const fn latent(self) -> Option<LatentRule> {
        match self.0.mixer {
            MixerRule::Latent(rule) => Some(rule),
            MixerRule::Recurrent(RecurrentRule { latent, .. }) => latent,
            MixerRule::GroupedQuery { .. } | MixerRule::Compressed(_) => None,
        }
    }

    /// Whether llama.cpp keeps latents for it, and attends to them; where it does not, it keeps expanded keys and values.
    pub(super) const fn latents_in_llama_cpp(self) -> bool {
        matches!(self.latent(), Some(LatentRule { latents_in_llama_cpp: true, .. }))
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Family) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Family {}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
