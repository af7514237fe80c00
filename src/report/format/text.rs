//! Text: aligned columns for people, as wide as the place that they are shown at.

use crate::error::Result;
use crate::report::cell::plain;
use crate::report::grid::grid;
use crate::report::sweep::Sheet;
use crate::report::table::{Report, Style, Table};
use crate::report::writer::Writer;
use crate::sweep::Case;
use comfy_table::{LineStyle, TableStyle};
use std::ops::Range;

pub(super) struct Format;

/// Columns apart, one rule below their names, nothing else.
const GRID: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
const FRAME: [&str; 3] = ["", "  ", ""];
const BOLD: anstyle::Style = anstyle::Style::new().bold();
const DIM: anstyle::Style = anstyle::Style::new().dimmed();
/// What a line that goes on is indented by.
const INDENT: &str = "  ";

impl Writer for Format {
    fn name(&self) -> &'static str {
        "text"
    }

    fn about(&self) -> &'static str {
        "Aligned columns for people"
    }

    fn report(&self, report: &Report, style: Style) -> Result<String> {
        Ok(report.tables.iter().map(|one| table(one, style)).collect::<Vec<_>>().join("\n"))
    }

    fn head(&self, sheet: &Sheet) -> Result<Vec<u8>> {
        let mut out = String::new();
        paragraph(&sheet.title, sheet.style, BOLD, &mut out);
        sheet.line(&mut out, FRAME, |column, out| out.push_str(column.head));
        styled(&"─".repeat(sheet.width()), sheet.style, DIM, &mut out);
        Ok(out.into_bytes())
    }

    fn rows(&self, sheet: &Sheet, case: &Case, places: Range<u64>) -> Result<Vec<u8>> {
        Ok(sheet.rows(case, places, FRAME))
    }

    fn foot(&self, sheet: &Sheet) -> Vec<u8> {
        let mut out = String::new();
        sheet.notes.iter().for_each(|note| paragraph(note, sheet.style, anstyle::Style::new(), &mut out));
        out.into_bytes()
    }
}

fn table(table: &Table, style: Style) -> String {
    let (mut out, plain) = (String::new(), anstyle::Style::new());
    if !table.title.is_empty() {
        paragraph(&table.title, style, BOLD, &mut out);
    }
    table.lead.iter().for_each(|line| paragraph(line, style, plain, &mut out));
    if !table.columns.is_empty() {
        for (at, grid) in fitting(table, style.width).into_iter().enumerate() {
            out.push_str(if at > 0 { "\n" } else { "" });
            for (at, line) in grid.lines().enumerate() {
                let look = [BOLD, DIM].get(at).copied().unwrap_or(plain);
                styled(line.trim_end(), style, look, &mut out);
            }
        }
    }
    table.notes.iter().for_each(|note| paragraph(note, style, plain, &mut out));
    out
}

/// The grid in lines of that width: without spare columns where it must be, then in parts, then with cells on several lines.
fn fitting(table: &Table, width: usize) -> Vec<String> {
    let fits = |grid: &str| grid.lines().all(|line| line.trim_end().chars().count() <= width);
    for spared in 0..=table.spare.len() {
        let grid = grid(table, &table.spare[..spared], GRID, None);
        if fits(&grid) {
            return vec![grid];
        }
    }
    if table.keys == 0 {
        return vec![grid(table, &table.spare, GRID, Some(width))];
    }
    let (mut parts, mut first) = (Vec::new(), table.keys);
    while first < table.columns.len() {
        let part = |last: usize| {
            let others = (table.keys..table.columns.len()).filter(|place| !(first..last).contains(place));
            grid(table, &others.chain(table.spare.iter().copied()).collect::<Vec<_>>(), GRID, None)
        };
        let last = (first + 1..=table.columns.len()).rev().find(|&last| fits(&part(last))).unwrap_or(first + 1);
        parts.push(part(last));
        first = last;
    }
    parts
}

/// A line of words, broken where it is too long; what follows is indented.
fn paragraph(words: &str, style: Style, look: anstyle::Style, out: &mut String) {
    let words = &*plain(words);
    let indent = &words[..words.len() - words.trim_start_matches(' ').len()];
    let mut line = String::new();
    // A number keeps its unit of one character.
    let mut words = words[indent.len()..].split(' ').peekable();
    while let Some(word) = words.next() {
        let unit = words.next_if(|unit| unit.starts_with('%')).map_or_else(String::new, |unit| format!(" {unit}"));
        let word = format!("{word}{unit}");
        let length = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            line = format!("{indent}{word}");
        } else if length <= style.width {
            line.push(' ');
            line.push_str(&word);
        } else {
            styled(&line, style, look, out);
            line = format!("{indent}{INDENT}{word}");
        }
    }
    styled(&line, style, look, out);
}

fn styled(line: &str, style: Style, look: anstyle::Style, out: &mut String) {
    let look = if style.colour { look } else { anstyle::Style::new() };
    out.push_str(&format!("{look}{line}{look:#}\n"));
}
