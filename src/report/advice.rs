//! Advice, read aloud: what comes almost free, and which weights are fastest.

use super::{Cell, Table};
use crate::evaluate::{Advice, Evaluation, FormatSpeed, Free};

/// Batches and drafts.
pub(super) fn free(result: &Evaluation, advice: &Advice) -> Table {
    let row = |what: &str, free: &Free| {
        let count = if free.at_least { format!("≥ {}", free.count) } else { free.count.to_string() };
        vec![
            Cell::text(what),
            Cell::text(count),
            Cell::number(free.seconds_of_one * 1e3),
            Cell::number(free.seconds * 1e3),
            Cell::number(free.tokens_per_s),
        ]
    };
    let fitting = match (advice.fitting_batch, result.memory_bytes) {
        (Some(batch), _) => {
            format!("So many sequences fit in memory, {} tokens each: {batch}.", result.workload.longest())
        }
        (None, Some(_)) => "Not even one sequence fits in memory.".to_owned(),
        (None, None) => {
            "How many sequences fit cannot be told: the profile does not say how much memory there is.".to_owned()
        }
    };
    let notes = vec![
        format!(
            "Up to these numbers a step takes at most {:.0} % longer than one of one.",
            (advice.tolerance - 1.0) * 100.0
        ),
        "tokens to verify: a draft of one token less, and the last token known, judged in one pass.".to_owned(),
        fitting,
    ];
    Table {
        title: format!(
            "{} on {}: what comes almost free at context {}",
            result.model,
            result.profile,
            result.workload.decode_context()
        ),
        columns: ["", "up to", "ms of one", "ms of all", "tokens/s"].map(str::to_owned).to_vec(),
        rows: vec![row("sequences (batch)", &advice.batch), row("tokens to verify (draft)", &advice.draft)],
        notes,
    }
}

/// Weights side by side.
pub(super) fn formats(result: &Evaluation, advice: &Advice) -> Table {
    let row = |format: &FormatSpeed| {
        vec![
            Cell::text(&format.weights),
            Cell::number(format.bytes_per_token as f64 / 1e6),
            Cell::number(format.gb_per_s),
            Cell::number(format.decode_tokens_per_s),
            Cell::number(format.prefill_tokens_per_s),
            Cell::number(format.memory_needed_bytes as f64 / f64::from(1 << 20)),
            match format.fits {
                Some(true) => Cell::text("yes"),
                Some(false) => Cell::text("no"),
                None => Cell::Empty,
            },
        ]
    };
    let columns = ["weights", "MB per token", "GB/s", "decode tokens/s", "prefill tokens/s", "MiB needed", "fits"];
    Table {
        title: format!("{} on {}: which weights are fastest", result.model, result.profile),
        columns: columns.map(str::to_owned).to_vec(),
        rows: advice.formats.iter().map(row).collect(),
        notes: vec![format!("{}.", advice.fastest_because)],
    }
}
