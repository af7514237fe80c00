//! CSV: one table, every column, numbers in full.

use crate::error::{Error, Result};
use crate::report::cell::Cell;
use crate::report::sweep::Sheet;
use crate::report::table::{Report, Style, Table};
use crate::report::writer::Writer;
use crate::sweep::{Case, Row, Value};
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;

pub(super) struct Format;

impl Writer for Format {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "The main table, numbers in full"
    }

    fn report(&self, report: &Report, _: Style) -> Result<String> {
        report.flat.as_ref().or(report.tables.first()).map_or(Ok(String::new()), table)
    }

    fn head(&self, _: &Sheet) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(Row::COLUMNS.iter().map(|column| column.name)).map_err(unwritten)?;
        writer.into_inner().map_err(unwritten)
    }

    fn rows(&self, _: &Sheet, case: &Case, places: Range<u64>) -> Result<Vec<u8>> {
        let settings = places.end.saturating_sub(places.start) as usize;
        let mut out = Vec::with_capacity(settings.saturating_mul(ROOM).min(ROOM_MAX));
        case.each_row(places, |row| line(row, &mut out));
        Ok(out)
    }
}

/// Bytes that a setting's rows take as a rule, and what is set aside at most.
const ROOM: usize = 1024;
const ROOM_MAX: usize = 1 << 20;

/// Appends a row as the `csv` crate writes it, and several times as fast: a sweep has millions of them.
fn line(row: &Row, out: &mut Vec<u8>) {
    for column in Row::COLUMNS {
        match column.of(row) {
            Value::Text(text) => field(&words_of_table(text), out),
            Value::Count(count) => out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes()),
            Value::Number(number) => measure(number, out),
            Value::Truth(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
            Value::Empty => {}
        }
        out.push(b',');
    }
    // The last column has nothing behind it.
    out.pop();
    out.push(b'\n');
}

/// From here on a number has an exponent, and `zmij` gives it a sign.
const EXPONENT: f64 = 1e16;

/// Appends the shortest text that reads as the same number.
fn measure(number: f64, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format(number).as_bytes();
    if number.abs() < EXPONENT {
        out.extend_from_slice(text);
    } else {
        out.extend(text.iter().filter(|&&byte| byte != b'+'));
    }
}

/// Appends a word, in quotes where it has to be.
fn field(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn table(table: &Table) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns).map_err(unwritten)?;
    for row in &table.rows {
        let cells: Vec<Cow<str>> = row.iter().map(cell).collect();
        writer.write_record(cells.iter().map(|cell| cell.as_ref())).map_err(unwritten)?;
    }
    String::from_utf8(writer.into_inner().map_err(unwritten)?).map_err(unwritten)
}

/// A cell as a program reads it. Numbers stay what they are.
fn cell(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Number { exact, .. } => Cow::Borrowed(exact),
        words => words_of_table(words.exact()),
    }
}

/// Words for a table that a spreadsheet may open: it would obey what begins like a formula (OWASP, "CSV Injection"), so an apostrophe stands before
/// that.
pub(in crate::report) fn words_of_table(words: &str) -> Cow<'_, str> {
    if words.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{words}"))
    } else {
        Cow::Borrowed(words)
    }
}

fn unwritten(error: impl Display) -> Error {
    Error::failure(format!("the table cannot be written as CSV: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_the_crate_writes<T: serde::Serialize>(value: T) -> String {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        writer.serialize((value, "")).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        text.strip_suffix(",\n").unwrap().to_owned()
    }

    #[test]
    fn numbers_are_the_bytes_of_the_crate() {
        let special = [0.0, -0.0, 1.0, 1e15, 1e16, 1e17, 1.5e-5, 1e-6, 0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324];
        let ends = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        // A fixed sequence that reaches every exponent (xorshift64).
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let random = std::iter::repeat_with(|| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            f64::from_bits(bits)
        });
        let usual = (1..2000).map(|n| f64::from(n) * 0.37).chain((1..2000).map(|n| 1e9 / f64::from(n)));
        for number in special.into_iter().chain(ends).chain(usual).chain(random.take(20_000)) {
            let mut out = Vec::new();
            measure(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), as_the_crate_writes(number), "{:x}", number.to_bits());
        }
    }

    #[test]
    fn words_are_the_bytes_of_the_crate() {
        for word in
            ["", "plain", "a, b", "\"", "say \"x\", twice", "two\nlines", "\r", "Φ µ", " spaces ", "'", "a;b\tc"]
        {
            let mut out = Vec::new();
            field(word, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), as_the_crate_writes(word));
        }
    }
}
