//! Rows of a sweep, written one after another: no table has to be held.

use super::cell::significant;
use super::writer::Style;
use crate::sweep::{Axis, Row, Status, Sweep};
use std::fmt::Write;

/// How to read the columns.
const NOTES: [&str; 2] = [
    "tokens/s: taken in (prefill), given (decode), given from end to end (generation). low, high: all ceilings at the ends \
     of their 95 % intervals. at peak: by peak arithmetic and memory alone. FLOP/B counts weights and cache.",
    "Φ: distance to the ridge, comparable within one device and one side of the ridge. MiB: weights, cache and activations.",
];

/// Digits of the largest count that a column has room for.
const COUNT: usize = 9;
/// Room of a number with four significant digits.
const NUMBER: usize = 9;
/// Room of a reason.
const NOTE: usize = 12;
/// What people can do without where the line is too short, the first one first.
const SPARE: [&str; 4] = ["Φ", "FLOP/B", "at peak", "ms"];

/// How the rows of one sweep are written for people.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What all rows have in common.
    pub title: String,
    /// The columns that differ between rows, and those that answer.
    pub columns: Vec<SheetColumn>,
    /// How to read them.
    pub notes: &'static [&'static str],
    /// Where they are shown.
    pub style: Style,
}

/// One column for people. Its width is known before its cells are.
#[derive(Clone, Copy, Debug)]
pub struct SheetColumn {
    /// The heading, with the unit.
    pub head: &'static str,
    /// Characters.
    pub width: usize,
    /// The side that cells stand at.
    pub aligned: Aligned,
    /// Appends the cell of a row.
    pub cell: fn(&Row, &mut String),
}

/// The side of a column that its cells stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aligned {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

impl Sheet {
    /// The rows of `sweep`, shown in that style.
    pub fn new(sweep: &Sweep, style: Style) -> Sheet {
        let mut sheet = Sheet { title: title(sweep), columns: columns(sweep), notes: &NOTES, style };
        for spare in SPARE {
            if sheet.width() > style.width {
                sheet.columns.retain(|column| column.head != spare);
            }
        }
        sheet
    }

    /// Characters of a line of text.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.width + 2).sum::<usize>() - 2
    }

    /// Appends a line of cells, with what stands before, between and behind them.
    pub fn line(
        &self,
        out: &mut String,
        [before, between, behind]: [&str; 3],
        cell: impl Fn(&SheetColumn, &mut String),
    ) {
        let mut text = String::new();
        for (place, column) in self.columns.iter().enumerate() {
            text.clear();
            cell(column, &mut text);
            out.push_str(if place > 0 { between } else { before });
            let room = " ".repeat(column.width.saturating_sub(text.chars().count()));
            match column.aligned {
                Aligned::Left => out.extend([text.as_str(), &room]),
                Aligned::Right => out.extend([room.as_str(), &text]),
            }
        }
        out.push_str(behind);
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
}
/// What all rows have in common.
fn title(sweep: &Sweep) -> String {
    let workload = sweep.workload();
    let weights = workload.weights.map_or("as the model has them".to_owned(), |weights| weights.to_string());
    let number = |count: u64| Some(count.to_string());
    let settings = [
        (Axis::Weights, Some(weights)),
        (Axis::Kv, Some(workload.kv.to_string())),
        (Axis::Prompt, number(workload.prompt)),
        (Axis::Cached, number(workload.cached).filter(|_| workload.cached > 0)),
        (Axis::Context, workload.context.and_then(number)),
        (Axis::Generate, workload.generate.and_then(number)),
        (Axis::Batch, number(workload.batch)),
        (Axis::MicroBatch, workload.micro_batch.and_then(number)),
    ];
    let swept: Vec<Axis> = sweep.axes().map(|over| over.axis).collect();
    let settled = settings.into_iter().filter(|(axis, _)| !swept.contains(axis));
    let settled: Vec<String> =
        settled.filter_map(|(axis, value)| Some(format!("{} {}", axis.name(), value?))).collect();
    let over = swept.iter().map(|axis| axis.name()).collect::<Vec<_>>().join(" × ");
    // Several models or profiles have a column.
    let of = match sweep.models() {
        [model] => format!("{} over", model.name()),
        _ => "Over".to_owned(),
    };
    let on = match sweep.profiles() {
        [(name, _)] => format!(" on {name}"),
        _ => String::new(),
    };
    format!("{of} {over}{on}; {}; speeds by the {} roof", settled.join(", "), sweep.roof().name())
}

fn columns(sweep: &Sweep) -> Vec<SheetColumn> {
    let widest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
    let mut columns = Vec::new();
    // What all rows have in common stands in the title.
    if sweep.models().len() > 1 {
        let models = widest(&mut sweep.models().iter().map(|model| model.name().chars().count()));
        columns.push(left("model", models, |row, out| out.push_str(row.model)));
    }
    if sweep.profiles().len() > 1 {
        let profiles = widest(&mut sweep.profiles().iter().map(|(name, _)| name.chars().count()));
        columns.push(left("profile", profiles, |row, out| out.push_str(row.profile)));
    }
    for over in sweep.axes() {
        let words = widest(&mut over.words().map(|word| word.len()));
        columns.push(match over.axis {
            Axis::Weights => left("weights", words, |row, out| out.push_str(row.weights)),
            Axis::Kv => left("kv", words, |row, out| out.push_str(row.kv)),
            Axis::Depth => right("depth", COUNT, |row, out| count(Some(row.layers), out)),
            Axis::Prompt => right("prompt", COUNT, |row, out| count(Some(row.prompt), out)),
            Axis::Generate => right("generate", COUNT, |row, out| count(row.generate, out)),
            Axis::Cached => right("cached", COUNT, |row, out| count(Some(row.cached), out)),
            Axis::Context => right("context", COUNT, |row, out| count(Some(row.context), out)),
            Axis::Batch => right("batch", COUNT, |row, out| count(Some(row.batch), out)),
            Axis::MicroBatch => right("micro-batch", COUNT, |row, out| count(row.micro_batch, out)),
        });
    }
    columns.extend([
        left("phase", "generation".len(), |row, out| out.push_str(row.phase.name())),
        left("bound", "compute".len(), |row, out| out.push_str(row.bound.map_or("", |bound| bound.name()))),
        right("ms", NUMBER, |row, out| number(row.seconds.map(|seconds| seconds * 1e3), out)),
        right("tokens/s", NUMBER, |row, out| number(row.tokens_per_s, out)),
        right("low", NUMBER, |row, out| number(row.tokens_per_s_low, out)),
        right("high", NUMBER, |row, out| number(row.tokens_per_s_high, out)),
        right("at peak", NUMBER, |row, out| number(row.tokens_per_s_peak, out)),
        right("FLOP/B", NUMBER, |row, out| number(row.oi, out)),
        right("Φ", NUMBER, |row, out| number(row.phi, out)),
        right("MiB", NUMBER, |row, out| count(row.memory_needed_bytes.map(|bytes| bytes.div_ceil(1 << 20)), out)),
        left("note", NOTE, note),
    ]);
    columns
}

fn left(head: &'static str, width: usize, cell: fn(&Row, &mut String)) -> SheetColumn {
    SheetColumn { head, width: width.max(head.len()), aligned: Aligned::Left, cell }
}

fn right(head: &'static str, width: usize, cell: fn(&Row, &mut String)) -> SheetColumn {
    SheetColumn { aligned: Aligned::Right, ..left(head, width, cell) }
}

fn note(row: &Row, out: &mut String) {
    match (row.status, row.fits) {
        (Status::Unsupported, _) => out.push_str(row.reason.unwrap_or_default()),
        (Status::Evaluated, Some(false)) => out.push_str("does not fit"),
        (Status::Evaluated, _) => {}
    }
}

fn count(value: Option<u64>, out: &mut String) {
    if let Some(value) = value {
        let _ = write!(out, "{value}");
    }
}

fn number(value: Option<f64>, out: &mut String) {
    if let Some(value) = value {
        out.push_str(&significant(value));
    }
}
