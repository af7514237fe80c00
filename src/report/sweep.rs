//! Rows of a sweep, written one after another: no table has to be held.

use super::{Format, significant};
use crate::error::{Error, Result};
use crate::model::Knob;
use crate::sweep::{Answer, Axis, Case, Row, Sweep};
use std::fmt::Write;
use std::ops::Range;

/// How to read the columns.
const NOTES: [&str; 3] = [
    "tokens/s: taken in (prefill), given (decode), given from end to end (generation). low, high: all ceilings at the ends",
    "of their 95 % intervals. at peak: by peak arithmetic and memory alone. FLOP/B counts weights and cache.",
    "Φ: distance to the ridge, comparable within one device and one side of the ridge. MiB: weights, cache and activations.",
];

/// Digits of the largest count that a column has room for.
const COUNT: usize = 9;
/// Room of a number with four significant digits.
const NUMBER: usize = 9;

/// How the rows of one sweep are written.
#[derive(Clone, Debug)]
pub struct Sheet {
    format: Format,
    title: String,
    columns: Vec<Column>,
}

/// One column for people.
#[derive(Clone, Copy, Debug)]
struct Column {
    name: &'static str,
    width: usize,
    aligned: Aligned,
    cell: Content,
}

/// What a column shows of a row.
#[derive(Clone, Copy, Debug)]
enum Content {
    Of(fn(&Row, &mut String)),
    Knob(Knob),
}

impl Content {
    fn write(self, row: &Row, out: &mut String) {
        match self {
            Content::Of(write) => write(row, out),
            Content::Knob(knob) => count((knob.get)(&row.workload), out),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aligned {
    Left,
    Right,
}

impl Sheet {
    /// The rows of `sweep` in `format`. Columns for people are what differs between rows, and what answers.
    pub fn new(sweep: &Sweep, format: Format) -> Sheet {
        Sheet { format, title: title(sweep), columns: columns(sweep) }
    }

    /// What stands before the rows.
    ///
    /// # Errors
    /// Failure when it cannot be written.
    pub fn head(&self) -> Result<Vec<u8>> {
        let mut out = String::new();
        match self.format {
            Format::Json => {}
            Format::Csv => return header(),
            Format::Text => {
                out.push_str(&self.title);
                out.push('\n');
                self.line(&mut out, |column, out| out.push_str(column.name));
                let width = self.columns.iter().map(|column| column.width + 2).sum::<usize>();
                let _ = writeln!(out, "{}", "─".repeat(width - 2));
            }
            Format::Markdown => {
                let _ = writeln!(out, "### {}\n", self.title);
                self.line(&mut out, |column, out| out.push_str(column.name));
                out.push('|');
                for Column { width, aligned, .. } in &self.columns {
                    let (dashes, end) = ("-".repeat(width + 1), if *aligned == Aligned::Right { ":" } else { "-" });
                    let _ = write!(out, "{dashes}{end}|");
                }
                out.push('\n');
            }
        }
        Ok(out.into_bytes())
    }

    /// The rows of a case's settings at `places`.
    ///
    /// # Errors
    /// Failure when one cannot be written.
    pub fn rows(&self, case: &Case, places: Range<u64>) -> Result<Vec<u8>> {
        match self.format {
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
                let mut done = Ok(());
                case.each_row(places, |row| {
                    done = std::mem::replace(&mut done, Ok(())).and_then(|()| writer.serialize(row))
                });
                done.map_err(|e| unwritten(&e))?;
                writer.into_inner().map_err(|e| unwritten(&e))
            }
            Format::Json => {
                let (mut out, mut done) = (Vec::new(), Ok(()));
                case.each_row(places, |row| {
                    if let Err(error) = serde_json::to_writer(&mut out, row) {
                        done = Err(unwritten(&error));
                    }
                    out.push(b'\n');
                });
                done.map(|()| out)
            }
            Format::Text | Format::Markdown => {
                let mut out = String::new();
                case.each_row(places, |row| self.line(&mut out, |column, out| column.cell.write(row, out)));
                Ok(out.into_bytes())
            }
        }
    }

    /// What stands behind the rows.
    pub fn foot(&self) -> Vec<u8> {
        let before = match self.format {
            Format::Csv | Format::Json => return Vec::new(),
            Format::Text => "",
            Format::Markdown => "\n",
        };
        NOTES.iter().flat_map(|note| format!("{before}{note}\n").into_bytes()).collect()
    }

    fn line(&self, out: &mut String, cell: impl Fn(&Column, &mut String)) {
        let framed = self.format == Format::Markdown;
        let mut text = String::new();
        for (place, column) in self.columns.iter().enumerate() {
            text.clear();
            cell(column, &mut text);
            out.push_str(if framed {
                "| "
            } else if place > 0 {
                "  "
            } else {
                ""
            });
            let room = " ".repeat(column.width.saturating_sub(text.chars().count()));
            match column.aligned {
                Aligned::Left => out.extend([text.as_str(), &room]),
                Aligned::Right => out.extend([room.as_str(), &text]),
            }
            out.push_str(if framed { " " } else { "" });
        }
        if framed {
            out.push('|');
        } else {
            out.truncate(out.trim_end_matches(' ').len());
        }
        out.push('\n');
    }
}

/// The names of a row's fields.
fn header() -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(Row::COLUMNS.map(|(name, _)| name)).map_err(|e| unwritten(&e))?;
    writer.into_inner().map_err(|e| unwritten(&e))
}

fn unwritten(error: &dyn std::fmt::Display) -> Error {
    Error::failure(format!("a row cannot be written: {error}"))
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
    // Several profiles have a column.
    let on = match sweep.profiles() {
        [(name, _)] => format!(" on {name}"),
        _ => String::new(),
    };
    format!("Over {over}{on}; {}; speeds by the {} roof", settled.join(", "), sweep.roof().name())
}

fn columns(sweep: &Sweep) -> Vec<Column> {
    let widest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
    let left = |name: &'static str, width: usize, cell| Column {
        name,
        width: width.max(name.len()),
        aligned: Aligned::Left,
        cell: Content::Of(cell),
    };
    let right = |name: &'static str, width: usize, cell| Column {
        name,
        width: width.max(name.len()),
        aligned: Aligned::Right,
        cell: Content::Of(cell),
    };
    let models = widest(&mut sweep.models().iter().map(|model| model.name().chars().count()));
    let mut columns = vec![left("model", models, |row, out| out.push_str(row.names.model))];
    if sweep.profiles().len() > 1 {
        let profiles = widest(&mut sweep.profiles().iter().map(|(name, _)| name.chars().count()));
        columns.push(left("profile", profiles, |row, out| out.push_str(row.names.profile)));
    }
    for over in sweep.axes() {
        let words = widest(&mut over.words().map(|word| word.len()));
        columns.push(match over.axis {
            Axis::Weights => left("weights", words, |row, out| out.push_str(row.names.weights)),
            Axis::Kv => left("kv", words, |row, out| out.push_str(row.names.kv)),
            Axis::Depth => right("depth", COUNT, |row, out| count(Some(row.names.layers), out)),
            Axis::Knob(knob) => Column {
                name: knob.name,
                width: COUNT.max(knob.name.len()),
                aligned: Aligned::Right,
                cell: Content::Knob(knob),
            },
        });
    }
    columns.extend([
        left("phase", "generation".len(), |row, out| out.push_str(row.phase.name())),
        left("bound", "compute".len(), |row, out| out.push_str(row.outcome.map_or("", |answer| answer.bound.name()))),
        right("ms", NUMBER, |row, out| number(row, |answer| Some(answer.seconds * 1e3), out)),
        right("tokens/s", NUMBER, |row, out| number(row, |answer| Some(answer.tokens_per_s), out)),
        right("low", NUMBER, |row, out| number(row, |answer| answer.tokens_per_s_interval.map(|[low, _]| low), out)),
        right("high", NUMBER, |row, out| number(row, |answer| answer.tokens_per_s_interval.map(|[_, high]| high), out)),
        right("at peak", NUMBER, |row, out| number(row, |answer| Some(answer.tokens_per_s_peak), out)),
        right("FLOP/B", NUMBER, |row, out| number(row, |answer| Some(answer.oi), out)),
        right("Φ", NUMBER, |row, out| number(row, |answer| Some(answer.potential.phi), out)),
        right("MiB", NUMBER, |row, out| {
            count(row.outcome.ok().map(|answer| answer.memory_needed_bytes.div_ceil(1 << 20)), out)
        }),
        left("note", 0, note),
    ]);
    columns
}

fn note(row: &Row, out: &mut String) {
    match &row.outcome {
        Err(reason) => out.push_str(reason),
        Ok(answer) if answer.fits == Some(false) => out.push_str("does not fit"),
        Ok(_) => {}
    }
}

fn count(value: Option<u64>, out: &mut String) {
    if let Some(value) = value {
        let _ = write!(out, "{value}");
    }
}

fn number(row: &Row, of: impl Fn(&Answer) -> Option<f64>, out: &mut String) {
    if let Some(value) = row.outcome.as_ref().ok().and_then(of) {
        out.push_str(&significant(value));
    }
}
