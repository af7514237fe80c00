//! Markdown: the tables of text, for documents.

use crate::error::Result;
use crate::report::cell::plain;
use crate::report::grid::grid;
use crate::report::sweep::{Aligned, Sheet};
use crate::report::table::{Report, Style, Table};
use crate::report::writer::Writer;
use crate::sweep::Case;
use comfy_table::presets::ASCII_MARKDOWN;
use std::ops::Range;

pub(super) struct Format;

/// Before, between and behind the cells of a line.
const FRAME: [&str; 3] = ["| ", " | ", " |"];

impl Writer for Format {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "The tables of text, for documents"
    }

    fn report(&self, report: &Report, _: Style) -> Result<String> {
        Ok(report.tables.iter().map(table).collect::<Vec<_>>().join("\n"))
    }

    fn head(&self, sheet: &Sheet) -> Result<Vec<u8>> {
        let mut out = format!("### {}\n\n", sheet.title);
        sheet.line(&mut out, FRAME, |column, out| out.push_str(column.head));
        out.push('|');
        for column in &sheet.columns {
            out.extend(std::iter::repeat_n('-', column.width + 1));
            out.push_str(if column.aligned == Aligned::Right { ":|" } else { "-|" });
        }
        out.push('\n');
        Ok(out.into_bytes())
    }

    fn rows(&self, sheet: &Sheet, case: &Case, places: Range<u64>) -> Result<Vec<u8>> {
        Ok(sheet.rows(case, places, FRAME))
    }

    fn foot(&self, sheet: &Sheet) -> Vec<u8> {
        sheet.notes.iter().flat_map(|note| format!("\n{note}\n").into_bytes()).collect()
    }
}

fn table(table: &Table) -> String {
    let mut out = String::new();
    if !table.title.is_empty() {
        out.push_str(&format!("### {}\n", plain(&table.title)));
    }
    for line in &table.lead {
        out.push_str(&format!("\n{}\n", plain(line)));
    }
    if !table.columns.is_empty() {
        let rows = grid(table, &[], ASCII_MARKDOWN, None);
        out.push_str(&format!("{}{rows}\n", if out.is_empty() { "" } else { "\n" }));
    }
    for note in &table.notes {
        out.push_str(&format!("\n{}\n", plain(note)));
    }
    out
}
