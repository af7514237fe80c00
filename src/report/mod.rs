//! One report, written many ways: text for people, JSON and CSV for programs, Markdown for documents.
//!
//! A [`Report`] holds tables of [`Cell`]s and the JSON of the record behind them. What is shown is decided by the makers
//! of reports; this module only writes. Formats state their differences, the sameness stands in [`Table`].

mod advice;
pub mod compare;
pub mod evaluation;
mod machine;
pub mod measured;
pub mod models;
pub mod profile;
pub mod study;
pub mod sweep;

use crate::error::{Error, Result};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle, presets};
use serde_json::Value;

/// Columns apart, one rule below their names, nothing else.
const TEXT_STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Text,
    /// The whole record.
    Json,
    /// The main table, numbers in full.
    Csv,
    /// Every table, for documents.
    Markdown,
}

/// Tables for people and the record for programs.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The tables, the most important first.
    pub tables: Vec<Table>,
    /// The table that CSV writes, where the first one for people does not say it all.
    pub flat: Option<Table>,
    /// The record.
    pub json: Value,
}

/// A table with a title above and notes below.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// One line above the table; may be empty.
    pub title: String,
    /// Column names; units stand in them.
    pub columns: Vec<String>,
    /// One row per entry, as many cells as columns.
    pub rows: Vec<Vec<Cell>>,
    /// Lines below the table, for people only.
    pub notes: Vec<String>,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing to say here.
    Empty,
    /// Words.
    Text(String),
    /// A number in full, and as people read it.
    Number {
        /// As a program reads it.
        exact: String,
        /// As a person reads it.
        shown: String,
    },
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Cell {
        Cell::Text(words.into())
    }

    /// A measured or computed number: four significant digits for people, all of them for programs.
    pub fn number(value: f64) -> Cell {
        Cell::Number { exact: value.to_string(), shown: significant(value) }
    }

    /// A number that may be missing.
    pub fn maybe(value: Option<f64>) -> Cell {
        value.map_or(Cell::Empty, Cell::number)
    }

    /// An exact count, with thousands separated for people.
    pub fn count(value: u128) -> Cell {
        Cell::Number { exact: value.to_string(), shown: thousands(value) }
    }

    fn shown(&self) -> &str {
        match self {
            Cell::Empty => "",
            Cell::Text(words) => words,
            Cell::Number { shown, .. } => shown,
        }
    }

    fn exact(&self) -> &str {
        match self {
            Cell::Number { exact, .. } => exact,
            other => other.shown(),
        }
    }
}

/// A number with four significant digits in plain decimal notation (scientific beyond 10⁻⁴ … 10⁷).
pub fn significant(value: f64) -> String {
    let rounded = crate::units::four_digits(value);
    let magnitude = rounded.abs();
    if rounded == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{rounded:.3e}");
    }
    let decimals = (3 - magnitude.log10().floor() as i32).clamp(0, 8) as usize;
    format!("{rounded:.decimals$}")
}

fn thousands(value: u128) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl Report {
    /// Puts another report behind this one: its tables behind the tables, its record's keys behind the keys. CSV has one
    /// table, which becomes the other's.
    pub fn append(&mut self, other: Report) {
        self.tables.extend(other.tables);
        self.flat = other.flat.or(self.flat.take());
        if let (Value::Object(here), Value::Object(there)) = (&mut self.json, other.json) {
            here.extend(there);
        }
    }

    /// The report in `format`, ending with a line feed.
    ///
    /// # Errors
    /// Failure when the record cannot be written as JSON or the table as CSV.
    pub fn render(&self, format: Format) -> Result<String> {
        match format {
            Format::Text => Ok(self.tables.iter().map(Table::text).collect::<Vec<_>>().join("\n")),
            Format::Markdown => Ok(self.tables.iter().map(Table::markdown).collect::<Vec<_>>().join("\n")),
            Format::Csv => self.flat.as_ref().or(self.tables.first()).map_or(Ok(String::new()), Table::csv),
            Format::Json => serde_json::to_string_pretty(&self.json)
                .map(|text| text + "\n")
                .map_err(|e| Error::failure(format!("the result cannot be written as JSON: {e}"))),
        }
    }
}

impl Table {
    fn grid(&self, preset: TableStyle) -> comfy_table::Table {
        let mut grid = comfy_table::Table::new();
        grid.load_style(preset).set_content_arrangement(ContentArrangement::Disabled);
        grid.set_header(&self.columns);
        for row in &self.rows {
            grid.add_row(row.iter().map(Cell::shown));
        }
        for (index, column) in grid.column_iter_mut().enumerate() {
            let numeric = self.rows.iter().any(|row| matches!(row.get(index), Some(Cell::Number { .. })));
            column.set_cell_alignment(if numeric { CellAlignment::Right } else { CellAlignment::Left });
        }
        grid
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.title.is_empty() {
            out.push_str(&self.title);
            out.push('\n');
        }
        if !self.columns.is_empty() {
            let grid = self.grid(TEXT_STYLE).to_string();
            for line in grid.lines() {
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        for note in &self.notes {
            out.push_str(note);
            out.push('\n');
        }
        out
    }

    fn markdown(&self) -> String {
        let mut out = String::new();
        if !self.title.is_empty() {
            out.push_str(&format!("### {}\n\n", self.title));
        }
        if !self.columns.is_empty() {
            out.push_str(&self.grid(presets::ASCII_MARKDOWN).to_string());
            out.push('\n');
        }
        for note in &self.notes {
            out.push_str(&format!("\n{note}\n"));
        }
        out
    }

    fn csv(&self) -> Result<String> {
        let fail = |e: &dyn std::fmt::Display| Error::failure(format!("the table cannot be written as CSV: {e}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns).map_err(|e| fail(&e))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::exact)).map_err(|e| fail(&e))?;
        }
        let bytes = writer.into_inner().map_err(|e| fail(&e))?;
        String::from_utf8(bytes).map_err(|e| fail(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        Report {
            tables: vec![Table {
                title: "title".into(),
                columns: vec!["name".into(), "GB/s".into()],
                rows: vec![vec![Cell::text("a, b"), Cell::number(34.56789)], vec![Cell::text("c"), Cell::Empty]],
                notes: vec!["note".into()],
            }],
            flat: None,
            json: serde_json::json!({"a": 1}),
        }
    }

    #[test]
    fn csv_quotes_and_keeps_every_digit() {
        assert_eq!(sample().render(Format::Csv).unwrap(), "name,GB/s\n\"a, b\",34.56789\nc,\n");
    }

    #[test]
    fn text_rounds_for_people() {
        let text = sample().render(Format::Text).unwrap();
        assert!(text.starts_with("title\n") && text.ends_with("note\n") && text.contains("34.57"), "{text}");
    }

    #[test]
    fn numbers_keep_four_digits() {
        assert_eq!(significant(201_646.38), "201600");
        assert_eq!(significant(1.0), "1.000");
        assert_eq!(significant(0.0), "0");
        assert_eq!(significant(1.5e-7), "1.500e-7");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
