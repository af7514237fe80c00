//! Factors of the rotary embedding that GGUF files carry as a tensor of their own: bytes, but no parameters.

use super::keys::Keys;
use serde_json::Value;

/// How many f32 factors a GGUF file of this configuration has: one for each pair of a head's elements where frequencies
/// are scaled as in Llama 3, none elsewhere.
pub(super) fn factors(keys: &Keys, head_dim: u64) -> u64 {
    // The table is called `rope_parameters` since transformers 5, the kind was `type` before 4.43.
    let tables = [keys.get("rope_scaling"), keys.get("rope_parameters")].into_iter().flatten();
    let kind = |table: &Value| table.get("rope_type").or(table.get("type")).and_then(Value::as_str).map(str::to_owned);
    if tables.filter_map(kind).any(|kind| kind == "llama3") { head_dim / 2 } else { 0 }
}
