//! The formats of results. A new one is a file in this folder and its two words below.

use super::table::{Report, Style};
use super::writer::Writer;
use crate::error::Result;
use std::fmt;
use std::ops::Deref;

#[cfg(feature = "cli")]
pub(super) use self::csv::words_of_table;

mod csv;
mod json;
mod markdown;
#[cfg(feature = "cli")]
mod parquet;
mod text;

/// Every format of text, the usual one first.
static WRITERS: &[&dyn Writer] = &[&text::Format, &json::Format, &csv::Format, &markdown::Format];
/// What the rows of a sweep can be written as, too.
static BINARY: &[&dyn Writer] = &[
    #[cfg(feature = "cli")]
    &parquet::Format,
];

/// A format, and the style of the place that it is shown at.
#[derive(Clone, Copy)]
pub struct Format {
    writer: &'static dyn Writer,
    /// Width and colours.
    pub style: Style,
}

impl Format {
    /// Every format of text, the usual one first.
    pub fn all() -> impl Iterator<Item = Format> {
        WRITERS.iter().map(|&writer| Format { writer, style: Style::default() })
    }

    /// Every format that the rows of a sweep can be written in: of text, then binary ones.
    pub fn of_sweeps() -> impl Iterator<Item = Format> {
        let binary = BINARY.iter().map(|&writer| Format { writer, style: Style::default() });
        Format::all().chain(binary)
    }

    /// The format of that name.
    pub fn named(name: &str) -> Option<Format> {
        Format::of_sweeps().find(|format| format.name() == name)
    }

    /// The same format for another place.
    #[must_use]
    pub fn styled(self, style: Style) -> Format {
        Format { style, ..self }
    }
}

impl Deref for Format {
    type Target = dyn Writer;

    fn deref(&self) -> &Self::Target {
        self.writer
    }
}

impl Default for Format {
    fn default() -> Format {
        Format { writer: WRITERS[0], style: Style::default() }
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Report {
    /// The report in `format`, ending with a line feed.
    ///
    /// # Errors
    /// Failure when the record cannot be written as JSON or the table as CSV.
    pub fn render(&self, format: Format) -> Result<String> {
        format.report(self, format.style)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Table};
    use super::*;

    fn sample() -> Report {
        Report {
            tables: vec![Table {
                title: "title".into(),
                columns: vec!["name".into(), "GB/s".into()],
                rows: vec![vec![Cell::text("a, b"), Cell::number(34.56789)], vec![Cell::text("c"), Cell::Empty]],
                notes: vec!["a note of many words".into()],
                ..Table::default()
            }],
            flat: None,
            json: serde_json::json!({"a": 1}),
        }
    }

    fn rendered(format: &str) -> String {
        sample().render(Format::named(format).expect("a format")).unwrap()
    }

    #[test]
    fn csv_quotes_and_keeps_every_digit() {
        assert_eq!(rendered("csv"), "name,GB/s\n\"a, b\",34.56789\nc,\n");
    }

    #[test]
    fn text_rounds_for_people() {
        let text = rendered("text");
        assert!(text.starts_with("title\n") && text.ends_with("words\n") && text.contains("34.57"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn text_fits_its_place() {
        let narrow = Style { width: 12, colour: true };
        let mut report = sample();
        report.tables[0].spare = vec![1];
        let text = report.render(Format::default().styled(narrow)).unwrap();
        assert!(text.starts_with("\u{1b}[1mtitle\u{1b}[0m\n") && !text.contains("GB/s"), "{text}");
        assert!(text.ends_with("\na note of\n  many words\n"), "{text}");
    }
}
