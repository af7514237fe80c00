//! A model on two devices: how many layers where, and what that brings.

use super::cell::{Cell, digits};
use super::record::{self, Record, columns, list, merged};
use super::table::{Report, Table};
use crate::error::Result;
use crate::evaluate::{Split, SplitPlace};

/// Every column of CSV, named as in the record.
const COLUMNS: &str = "model weights host device roof on_device device_layers prefill_seconds prefill_tokens_per_s decode_seconds \
     decode_tokens_per_s decode_tokens_per_s_low decode_tokens_per_s_high decode_speedup crossing_seconds host_bytes device_bytes fits";

const NOTES: [&str; 2] = [
    "layers: the model's last ones on the second device; with all of them the head, too. Layers follow one another, so times add up; crossing \
     is what moves between the devices in a decode step.",
    "MiB: weights, the cache at its longest, and activations on each.",
];

/// Rows that people see where there are many layers, beside the first, the last, and the best.
const STEPS: u64 = 4;

/// The tables of `splits`; their record is `{"split": [...]}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(splits: &[Split]) -> Result<Report> {
    let json = record::json("the split", &splits)?;
    let (mut rows, mut tables): (Vec<Record>, _) = (Vec::new(), Vec::new());
    for (split, of_split) in splits.iter().zip(json.as_array().into_iter().flatten()) {
        rows.extend(list(of_split, "places").map(|place| merged([of_split, place])));
        tables.push(table(split));
    }
    let flat = Some(Table::flat(&columns(COLUMNS, Vec::new()), &rows));
    Ok(Report { tables, flat, json: serde_json::json!({ "split": json }) })
}

fn table(split: &Split) -> Table {
    let mebi = |bytes: u64| (bytes as f64 / f64::from(1 << 20)).round();
    let heads = [
        "there",
        "prefill tokens/s",
        "decode tokens/s",
        "low",
        "high",
        "× alone",
        "crossing ms",
        "MiB here",
        "MiB there",
        "fits",
    ];
    let row = |place: &SplitPlace| {
        vec![
            Cell::text(name(split, place)),
            Cell::number(place.prefill_tokens_per_s),
            Cell::number(place.decode_tokens_per_s),
            Cell::number(place.decode_tokens_per_s_low),
            Cell::number(place.decode_tokens_per_s_high),
            Cell::number(place.decode_speedup),
            Cell::number(place.crossing_seconds * 1e3),
            Cell::number(mebi(place.host_bytes)),
            Cell::number(mebi(place.device_bytes)),
            Cell::text(place.fits.map_or("?", |fits| if fits { "yes" } else { "no" })),
        ]
    };
    let shown = split.places.iter().enumerate().filter(|(at, place)| is_shown(split, *at, place));
    let title = format!("{} {} on {} and {}", split.model, split.weights, split.host, split.device);
    let mut table = Table::of(title, heads, shown.map(|(_, place)| row(place))).with_notes(NOTES);
    table.lead = vec![sentence(split)];
    table
}

fn name(split: &Split, place: &SplitPlace) -> String {
    match place.on_device {
        "layers" if place.device_layers == split.layers => format!("all {} and the head", split.layers),
        "layers" => format!("{} of {}", place.device_layers, split.layers),
        other => other.to_owned(),
    }
}

/// The same in a sentence.
fn in_words(split: &Split, place: &SplitPlace) -> String {
    match place.on_device {
        "layers" if place.device_layers == split.layers => format!("all {} layers and the head", split.layers),
        "layers" => format!("{} of {} layers", place.device_layers, split.layers),
        other => other.to_owned(),
    }
}

fn is_shown(split: &Split, at: usize, place: &SplitPlace) -> bool {
    let every = split.layers.div_ceil(STEPS).max(1);
    let ends = place.device_layers.is_multiple_of(every) || place.device_layers == split.layers;
    let most = |one: &SplitPlace| one.on_device == "layers" && one.fits != Some(false);
    let last_fitting = split.places.iter().rposition(most);
    ends || split.best == Some(at) || last_fitting == Some(at) || place.on_device != "layers"
}

/// `With 20 of 28 layers on gpu0: 41.2 tokens/s, 2.1 × host alone (19.6).`
fn sentence(split: &Split) -> String {
    let rate = |rate: f64| digits(rate, 3);
    let alone = &split.places[0];
    let Some(best) = split.best.map(|at| &split.places[at]) else {
        return format!("No way of sharing {} out fits in the memory of both.", split.model);
    };
    let crossing = split.link.as_ref().map_or_else(
        || "they share one memory".to_owned(),
        |link| {
            format!("{} and {} GB/s between them, by {}", rate(link.up_gb_per_s), rate(link.down_gb_per_s), link.source)
        },
    );
    if best.device_layers == 0 {
        let decode = rate(alone.decode_tokens_per_s);
        return format!(
            "{} alone is fastest: {decode} tokens/s; {} adds nothing ({crossing}).",
            split.host, split.device
        );
    }
    format!(
        "Best with {} on {}: {} tokens/s ({}–{}), {} × {} alone ({}); {crossing}.",
        in_words(split, best),
        split.device,
        rate(best.decode_tokens_per_s),
        rate(best.decode_tokens_per_s_low),
        rate(best.decode_tokens_per_s_high),
        rate(best.decode_speedup),
        split.host,
        rate(alone.decode_tokens_per_s),
    )
}
