//! Rows of a sweep, written one after another: no table has to be held.

use super::cell::significant;
use super::table::Style;
use crate::model::Knob;
use crate::sweep::{Axis, Case, Column, Row, Sweep, Value, Values};
use std::ops::Range;

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
const SPARE: [&str; 7] = ["Φ", "FLOP/B", "at peak", "ms", "MiB", "low", "high"];

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
    column: Column,
    /// How many of the heading's units one of the record's is.
    scale: f64,
}

impl SheetColumn {
    /// Appends the cell of a row.
    pub fn write(&self, row: &Row, out: &mut String) {
        match self.column.of(row) {
            Value::Text(text) => out.push_str(text),
            Value::Count(count) if self.scale == 1.0 => out.push_str(&count.to_string()),
            Value::Count(count) => out.push_str(&format!("{:.0}", (count as f64 * self.scale).ceil())),
            Value::Number(number) => out.push_str(&significant(number * self.scale)),
            Value::Truth(truth) => out.push_str(&truth.to_string()),
            Value::Empty => {}
        }
    }
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

    /// The rows of a case's settings at `places`, as lines.
    pub fn rows(&self, case: &Case, places: Range<u64>, frame: [&str; 3]) -> Vec<u8> {
        let mut out = String::new();
        case.each_row(places, |row| self.line(&mut out, frame, |column, out| column.write(row, out)));
        out.into_bytes()
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
    let knobs = Knob::ALL.into_iter().map(|knob| {
        let shown = |count: &u64| knob != Knob::CACHED || *count > 0;
        (Axis::Knob(knob), (knob.get)(workload).filter(shown).map(|count| count.to_string()))
    });
    let settings = [(Axis::Weights, Some(weights)), (Axis::Kv, Some(workload.kv.to_string()))].into_iter().chain(knobs);
    let swept: Vec<Axis> = sweep.axes().map(|over| over.axis).collect();
    let settled = settings.filter(|(axis, _)| !swept.contains(axis));
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

/// What people see of every row: the column's name in the record, its heading, its width, the units.
const VIEW: [(&str, &str, usize, f64); 10] = [
    ("phase", "phase", 10, 1.0),
    ("bound", "bound", 7, 1.0),
    ("seconds", "ms", NUMBER, 1e3),
    ("tokens_per_s", "tokens/s", NUMBER, 1.0),
    ("tokens_per_s_low", "low", NUMBER, 1.0),
    ("tokens_per_s_high", "high", NUMBER, 1.0),
    ("tokens_per_s_peak", "at peak", NUMBER, 1.0),
    ("oi", "FLOP/B", NUMBER, 1.0),
    ("phi", "Φ", NUMBER, 1.0),
    ("memory_needed_bytes", "MiB", NUMBER, 1.0 / 1_048_576.0),
];

fn columns(sweep: &Sweep) -> Vec<SheetColumn> {
    let widest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
    let mut columns = Vec::new();
    // What all rows have in common stands in the title.
    if sweep.models().len() > 1 {
        let models = widest(&mut sweep.models().iter().map(|model| model.name().chars().count()));
        columns.extend(column("model", "model", models, 1.0));
    }
    if sweep.profiles().len() > 1 {
        let profiles = widest(&mut sweep.profiles().iter().map(|(name, _)| name.chars().count()));
        columns.extend(column("profile", "profile", profiles, 1.0));
    }
    for over in sweep.axes() {
        let words = widest(&mut over.words().map(|word| word.len()));
        columns.extend(match over.axis {
            Axis::Weights => column("weights", "weights", words, 1.0),
            Axis::Kv => column("kv", "kv", words, 1.0),
            Axis::Depth => column("layers", "depth", COUNT, 1.0),
            Axis::Knob(knob) => column(knob.key, knob.name, COUNT, 1.0),
        });
    }
    columns.extend(VIEW.into_iter().filter_map(|(name, head, width, scale)| column(name, head, width, scale)));
    let note = Column { name: "note", values: Values::Text(note) };
    columns.push(SheetColumn { head: "note", width: NOTE, aligned: Aligned::Left, column: note, scale: 1.0 });
    columns
}

/// A column of the record for people.
fn column(name: &str, head: &'static str, width: usize, scale: f64) -> Option<SheetColumn> {
    let &column = Row::COLUMNS.iter().find(|column| column.name == name)?;
    // Words have the width of the longest, numbers room for any.
    let words = ["model", "profile", "weights", "kv", "phase", "bound"].contains(&name);
    let aligned = if words { Aligned::Left } else { Aligned::Right };
    Some(SheetColumn { head, width: width.max(head.chars().count()), aligned, column, scale })
}

fn note<'r>(row: &Row<'r>) -> Option<&'r str> {
    match &row.outcome {
        Err(reason) => Some(reason),
        Ok(answer) => (answer.fits == Some(false)).then_some("does not fit"),
    }
}
