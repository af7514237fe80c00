//! The models that are shipped, as a table.

use super::cell::Cell;
use super::table::{Report, Table};
use crate::error::Result;
use crate::model::{Mixer, Model, Pass, Runtime};
use roofprobe_kernels::Dtype;
use serde_json::json;

/// The report of `models`: one row each.
///
/// # Errors
/// As [`Model::parameters`].
pub fn report(models: &[Model]) -> Result<Report> {
    let mut rows = Vec::with_capacity(models.len());
    let mut records = Vec::with_capacity(models.len());
    for model in models {
        let parameters = model.parameters()?;
        let kv_elements = model.kv_elements_per_token(Runtime::default().latents(model, Pass::Decode))?;
        let kv_bytes = u128::from(kv_elements) * u128::from(Dtype::F16.block().bytes);
        let source = model.source.origin.as_deref().unwrap_or_default();
        let (heads, head_dims) = (distinct(model, heads_of), distinct(model, head_dim_of));
        rows.push(vec![
            Cell::text(model.name()),
            Cell::text(model.family().name()),
            Cell::count(u128::from(parameters)),
            Cell::count(u128::from(model.layer_count())),
            Cell::text(&heads),
            Cell::count(kv_bytes),
            Cell::text(source.strip_prefix("huggingface: ").unwrap_or(source)),
        ]);
        records.push(json!({
            "name": model.name(),
            "family": model.family().name(),
            "source": source,
            "params_total": parameters,
            "params_active": model.parameters_active()?,
            "params_non_embedding": model.parameters_non_embedding()?,
            "layers": model.layer_count(),
            "hidden": model.shape.hidden,
            "vocabulary": model.shape.vocabulary,
            "tied": model.shape.tied,
            "heads": heads,
            "head_dim": head_dims,
            "kv_elements_per_token": kv_elements,
            "state_elements_per_sequence": model.state_elements()?,
            "max_positions": model.source.max_positions,
        }));
    }
    let columns = ["name", "family", "parameters", "layers", "heads", "KV B", "Hugging Face model card"];
    let table = Table {
        title: "Models that are shipped".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        notes: vec![
            "Parameters: a head tied to the embedding is counted once. heads: of queries/of keys and values; MLA: all share \
             a latent, SSM: a state instead. KV B: bytes that a token leaves in a cache in f16, all layers together."
                .to_owned(),
            "The path of a Hugging Face config.json can stand wherever a name can.".to_owned(),
        ],
        ..Table::default()
    };
    Ok(Report { tables: vec![table], flat: None, json: json!({ "models": records }) })
}

fn heads_of(mixer: &Mixer) -> Option<String> {
    match mixer {
        Mixer::GroupedQuery(attention) => Some(format!("{}/{}", attention.heads, attention.kv_heads)),
        Mixer::Latent(attention) => Some(format!("{}/MLA", attention.heads)),
        Mixer::Mamba2(mamba) => Some(format!("{}/SSM", mamba.heads)),
        Mixer::ShortConvolution(_) => None,
    }
}

fn head_dim_of(mixer: &Mixer) -> Option<String> {
    match mixer {
        Mixer::GroupedQuery(attention) => Some(attention.head_dim.to_string()),
        Mixer::Latent(attention) => {
            Some(format!("{}/{}", attention.plain_dim + attention.rotary_dim, attention.value_dim))
        }
        Mixer::Mamba2(mamba) => Some(mamba.head_dim.to_string()),
        Mixer::ShortConvolution(_) => None,
    }
}

/// What the kinds of layers have, each value once.
fn distinct(model: &Model, value: fn(&Mixer) -> Option<String>) -> String {
    let mut values: Vec<String> = model.shape.layers.iter().filter_map(|layer| value(&layer.mixer)).collect();
    values.dedup();
    values.join(", ")
}
