//! Factors of the rotary embedding that GGUF files carry as tensors of their own: bytes, but no parameters.

use super::family::Family;
use super::keys::Keys;
use super::layer::{Layer, Mixer};
use serde_json::Value;

/// How many f32 factors a GGUF file of this configuration has: one for each pair of a head's rotated elements where
/// frequencies are scaled as in Llama 3, two for each where they are stated for long and for short contexts.
pub(super) fn factors(keys: &Keys, family: Family, layers: &[Layer]) -> u64 {
    // The table is called `rope_parameters` since transformers 5, the kind was `type` before 4.43.
    let tables = [keys.get("rope_scaling"), keys.get("rope_parameters")].into_iter().flatten();
    let kind = |table: &Value| table.get("rope_type").or(table.get("type")).and_then(Value::as_str).map(str::to_owned);
    let kinds: Vec<String> = tables.filter_map(kind).collect();
    let is = |names: &[&str]| kinds.iter().any(|kind| names.contains(&kind.as_str()));
    let rotated = |layer: &Layer| match &layer.mixer {
        Mixer::Latent(attention) => attention.rotary_dim,
        mixer => mixer.grouped_query().map_or(0, |attention| attention.rotary),
    };
    let pairs = layers.iter().map(rotated).max().unwrap_or_default() / 2;
    match () {
        () if is(&["llama3"]) => pairs,
        () if is(&["longrope", "su"]) && family.facts().two_rope_tables => 2 * pairs,
        () => 0,
    }
}
