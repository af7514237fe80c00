//! Speculative decoding: a model and its draft, and how long drafts should be.

use super::cell::{digits, mib};
use super::evaluation::rate_range;
use super::record::{self, Record, merged};
use super::table::{Report, Shown, Table, column};
use super::{Cell, Column};
use crate::error::Result;
use crate::evaluate::{DraftLength, Speculation};

/// Lengths that are shown where not all are asked for, beside the best.
const USUAL: [u64; 9] = [0, 1, 2, 3, 4, 5, 6, 8, 16];

const COLUMNS: &str = "model draft profile weights draft_weights roof batch context accept draft_length expected_tokens \
     draft_seconds verify_seconds seconds tokens_per_s tokens_per_s_low tokens_per_s_high speedup chosen";

/// How to read the table.
const NOTE: &str = "tokens: (1 − a^(k+1))/(1 − a) of a pass over k drafted tokens, as expected. draft, verify ms: k steps of the draft, one pass \
     of the model over k + 1 tokens. low, high: all ceilings at the ends of their 95 % intervals.";

/// The report of `speculations`; its record is `{"speculations": [...]}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(speculations: &[Speculation], shown: Shown) -> Result<Report> {
    let json = record::json("the pair", &speculations)?;
    let mut tables = Vec::new();
    let mut all: Vec<Record> = Vec::new();
    for (at, pair) in speculations.iter().enumerate() {
        let record = |length: &DraftLength| -> Result<Record> {
            let mut own = merged([&json[at], &record::json("a length", length)?]);
            own.insert("chosen".to_owned(), (length.draft_length == pair.draft_length).into());
            Ok(own)
        };
        let rows: Vec<Record> = pair.lengths.iter().map(record).collect::<Result<_>>()?;
        let is_shown = |length: &DraftLength| {
            shown == Shown::All || USUAL.contains(&length.draft_length) || length.draft_length == pair.draft_length
        };
        tables.push(table(pair, rows.iter().zip(&pair.lengths).filter(|(_, l)| is_shown(l)).map(|(row, _)| row)));
        all.extend(rows);
    }
    let flat = Some(Table::flat(&columns(), &all));
    Ok(Report { tables, flat, json: serde_json::json!({ "speculations": json }) })
}

fn table<'r>(pair: &Speculation, rows: impl IntoIterator<Item = &'r Record>) -> Table {
    let view = [
        "draft_length",
        "expected_tokens",
        "draft_seconds",
        "verify_seconds",
        "tokens_per_s",
        "tokens_per_s_low?",
        "tokens_per_s_high?",
        "speedup",
        "mark",
    ];
    let mark = |row: &Record| if row["chosen"].as_bool() == Some(true) { Cell::text("←") } else { Cell::Empty };
    let columns: Vec<_> = columns().into_iter().chain([column("mark", "", mark)]).collect();
    let mut table = Table::view(headline(pair), &columns, &view, rows);
    let room = match pair.fits {
        Some(true) => "fits",
        Some(false) => "does not fit",
        None => "how much memory the device has is unknown",
    };
    table.lead = vec![format!(
        "Alone: {} {}, {} {}, at context {}. Both need {}: {room}.",
        pair.model,
        rate_range(pair.alone.tokens_per_s, pair.alone.tokens_per_s_interval),
        pair.draft,
        rate_range(pair.draft_alone.tokens_per_s, pair.draft_alone.tokens_per_s_interval),
        pair.context,
        mib(pair.memory_needed_bytes)
    )];
    table.with_notes([NOTE.to_owned()]).with_notes(pair.notes.iter().map(|note| format!("Note: {note}.")))
}

/// `m with drafts of d on p: about 61.2 tokens/s (59–64) with 4 drafted tokens, 1.7 times m alone`.
fn headline(pair: &Speculation) -> String {
    let Speculation { model, draft, on, accept, .. } = pair;
    let of = format!("{model} with drafts of {draft} on {}, {} % accepted", on.profile, (accept * 1e3).round() / 10.0);
    let Some(chosen) = pair.lengths.iter().find(|length| length.draft_length == pair.draft_length) else { return of };
    if chosen.draft_length == 0 {
        return format!("{of}: no draft is worth its time");
    }
    format!(
        "{of}: {} with {} drafted tokens, {} times {model} alone",
        rate_range(chosen.tokens_per_s, chosen.tokens_per_s_interval),
        chosen.draft_length,
        digits(chosen.speedup, 3)
    )
}

fn columns() -> Vec<Column<Record>> {
    let scaled = |name: &'static str| move |row: &Record| Cell::scaled(row[name].as_f64().unwrap_or_default(), 1e3);
    let number = |name: &'static str| move |row: &Record| Cell::number(row[name].as_f64().unwrap_or_default());
    record::columns(
        COLUMNS,
        [
            column("draft_length", "drafted", |row: &Record| {
                Cell::plain(row["draft_length"].as_u64().unwrap_or_default())
            }),
            column("expected_tokens", "tokens", number("expected_tokens")),
            column("draft_seconds", "draft ms", scaled("draft_seconds")),
            column("verify_seconds", "verify ms", scaled("verify_seconds")),
            column("speedup", "× alone", number("speedup")),
        ],
    )
}
