//! The models that are shipped, as a table.

use super::cell::Cell;
use super::table::{Report, Table, column};
use crate::error::Result;
use crate::model::{Mixer, Model, Origin, Pass, Runtime};
use roofprobe_kernels::Dtype;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// A model that is known by name.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct ListedModel {
    /// What to ask for it by.
    name: String,
    /// Its family.
    family: &'static str,
    /// Where its shape is from.
    source: String,
    /// Under which licence.
    licence: String,
    /// When it was released.
    released: String,
    /// Parameters, a tied head counted once.
    params_total: u64,
    /// Parameters that take part in one token.
    params_active: u64,
    /// Parameters outside embedding and head.
    params_non_embedding: u64,
    /// Layers.
    layers: u64,
    /// Elements of the hidden state.
    hidden: u64,
    /// Tokens that it knows.
    vocabulary: u64,
    /// Whether embedding and head are one.
    tied: bool,
    /// Query heads and key/value heads, those of unlike layers one after the other.
    heads: String,
    /// Elements of a head.
    head_dim: String,
    /// Cache elements per token, all layers together.
    kv_elements_per_token: u64,
    /// Elements that recurrent layers keep of a sequence.
    state_elements_per_sequence: u64,
    /// The longest sequence that it was made for.
    max_positions: Option<u64>,
}

/// The report of `models`: one row each.
///
/// # Errors
/// As [`Model::parameters`].
pub fn report(models: &[Model]) -> Result<Report> {
    let record = |model: &Model| {
        Ok(ListedModel {
            name: model.name().to_owned(),
            family: model.family().name(),
            source: origin(model, |origin| &origin.card).to_owned(),
            licence: origin(model, |origin| &origin.licence).to_owned(),
            released: origin(model, |origin| &origin.released).to_owned(),
            params_total: model.parameters()?,
            params_active: model.parameters_active()?,
            params_non_embedding: model.parameters_non_embedding()?,
            layers: model.layer_count(),
            hidden: model.shape.hidden,
            vocabulary: model.shape.vocabulary,
            tied: model.shape.tied,
            heads: distinct(model, heads_of),
            head_dim: distinct(model, head_dim_of),
            kv_elements_per_token: model.kv_elements_per_token(Runtime::default().latents(model, Pass::Decode))?,
            state_elements_per_sequence: model.state_elements()?,
            max_positions: model.source.max_positions,
        })
    };
    let records: Vec<Value> =
        models.iter().map(|model| super::json("the model", &record(model)?)).collect::<Result<_>>()?;
    let count = |value: &Value| Cell::count(value.as_u64().unwrap_or_default().into());
    let kv_bytes = |r: &Value| r["kv_elements_per_token"].as_u64().unwrap_or_default() * Dtype::F16.block().bytes;
    let card = |r: &Value| {
        let source = r["source"].as_str().unwrap_or_default();
        Cell::text(source.strip_prefix("huggingface: ").unwrap_or(source))
    };
    let columns = [
        column("name", "", |r: &Value| Cell::words(r["name"].as_str())),
        column("family", "", |r: &Value| Cell::words(r["family"].as_str())),
        column("parameters", "", move |r: &Value| count(&r["params_total"])),
        column("layers", "", move |r: &Value| count(&r["layers"])),
        column("heads", "", |r: &Value| Cell::words(r["heads"].as_str())),
        column("KV B", "", move |r: &Value| Cell::count(kv_bytes(r).into())),
        column("licence", "", |r: &Value| Cell::words(r["licence"].as_str())),
        column("released", "", |r: &Value| Cell::words(r["released"].as_str())),
        column("Hugging Face model card", "", card),
    ];
    // The card, then the licence, the layers and the heads go first where a line is short.
    let spare = vec![8, 6, 3, 4];
    let title = "Models that are shipped".to_owned();
    let table = Table { title, spare, ..Table::flat(&columns, &records) }.with_notes([
        "Parameters: a head tied to the embedding is counted once. heads: of queries/of keys and values; MLA: all share a \
         latent, SSM: a state instead. KV B: bytes that a token leaves in a cache in f16, all layers together.",
        "The path of a Hugging Face config.json can stand wherever a name can.",
    ]);
    Ok(Report { tables: vec![table], flat: None, json: json!({ "models": records }) })
}

fn origin(model: &Model, of: fn(&Origin) -> &String) -> &str {
    model.source.origin.as_ref().map(|origin| of(origin).as_str()).unwrap_or_default()
}

fn heads_of(mixer: &Mixer) -> Option<String> {
    match mixer {
        Mixer::GroupedQuery(attention) | Mixer::Both(attention, _) => {
            Some(format!("{}/{}", attention.heads, attention.kv_heads))
        }
        Mixer::Latent(attention) => Some(format!("{}/MLA", attention.heads)),
        Mixer::Compressed(attention) => Some(format!("{}/1", attention.heads)),
        Mixer::Recurrent(recurrent) => (recurrent.heads > 0).then(|| format!("{}/SSM", recurrent.heads)),
        Mixer::Linear | Mixer::Nothing => None,
    }
}

fn head_dim_of(mixer: &Mixer) -> Option<String> {
    match mixer {
        Mixer::GroupedQuery(attention) | Mixer::Both(attention, _) => Some(attention.head_dim.to_string()),
        Mixer::Latent(attention) => {
            Some(format!("{}/{}", attention.plain_dim + attention.rotary_dim, attention.value_dim))
        }
        Mixer::Compressed(attention) => Some(attention.head_dim.to_string()),
        Mixer::Recurrent(recurrent) => (recurrent.head_dim > 0).then(|| recurrent.head_dim.to_string()),
        Mixer::Linear | Mixer::Nothing => None,
    }
}

/// What the kinds of layers have, each value once.
fn distinct(model: &Model, value: fn(&Mixer) -> Option<String>) -> String {
    let mut values: Vec<String> = model.shape.layers.iter().filter_map(|layer| value(&layer.mixer)).collect();
    values.dedup();
    values.join(", ")
}
