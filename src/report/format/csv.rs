//! CSV: one table, every column, numbers in full.

use crate::error::{Error, Result};
use crate::report::cell::Cell;
use crate::report::sweep::Sheet;
use crate::report::table::{Report, Style, Table};
use crate::report::writer::Writer;
use crate::sweep::{Case, Row};
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
        writer.write_record(Row::COLUMNS.iter().map(|(name, _)| name)).map_err(unwritten)?;
        writer.into_inner().map_err(unwritten)
    }

    fn rows(&self, _: &Sheet, case: &Case, places: Range<u64>) -> Result<Vec<u8>> {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        let mut done = Ok(());
        case.each_row(places, |row| done = std::mem::replace(&mut done, Ok(())).and_then(|()| writer.serialize(row)));
        done.map_err(unwritten)?;
        writer.into_inner().map_err(unwritten)
    }
}

fn table(table: &Table) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns).map_err(unwritten)?;
    for row in &table.rows {
        writer.write_record(row.iter().map(Cell::exact)).map_err(unwritten)?;
    }
    String::from_utf8(writer.into_inner().map_err(unwritten)?).map_err(unwritten)
}

fn unwritten(error: impl Display) -> Error {
    Error::failure(format!("the table cannot be written as CSV: {error}"))
}
