//! Tables, and the columns that they are made from.
//!
//! Each record has one list of [`Column`]s. CSV writes all of them; what people see is a view, which names some of them.

use super::cell::Cell;
use serde_json::Value;

/// Tables for people and the record for programs.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The tables, the most important first.
    pub tables: Vec<Table>,
    /// The table that CSV writes, where the first one for people does not have it all.
    pub flat: Option<Table>,
    /// The record.
    pub json: Value,
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
}

/// A table with a title above and notes below. Without columns it is a paragraph.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// One line above the table; may be empty.
    pub title: String,
    /// Lines between title and table, for people only.
    pub lead: Vec<String>,
    /// Column names; units stand in them.
    pub columns: Vec<String>,
    /// One row per entry, as many cells as columns.
    pub rows: Vec<Vec<Cell>>,
    /// Places of the columns that text leaves out where the line is too short, the first one first.
    pub spare: Vec<usize>,
    /// How many of the first columns say what a row is about: text repeats them where it shows a wide table in parts. With 0
    /// a wide table is shown in one part, its cells on several lines.
    pub keys: usize,
    /// Lines below the table, for people only.
    pub notes: Vec<String>,
}

/// One column of the records `R`.
pub struct Column<R> {
    /// The name in CSV, a contract with other tools.
    pub name: &'static str,
    /// The heading for people, with the unit; empty where no view shows the column.
    pub head: &'static str,
    /// The cell of a record.
    pub cell: Box<dyn Fn(&R) -> Cell>,
}

/// A column with its name for programs, its heading for people, and its cell.
pub fn column<R>(name: &'static str, head: &'static str, cell: impl Fn(&R) -> Cell + 'static) -> Column<R> {
    Column { name, head, cell: Box::new(cell) }
}

/// What a format may know of the place that it is shown at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Characters of a line.
    pub width: usize,
    /// Whether bold and colours are shown.
    pub colour: bool,
}

impl Default for Style {
    /// A document: plain, 110 characters.
    fn default() -> Style {
        Style { width: 110, colour: false }
    }
}

/// How much people are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The answers, and what most readers ask for first.
    Main,
    /// Everything.
    All,
}

impl Table {
    /// A table of these rows, each with as many cells as there are columns.
    pub fn of(
        title: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        rows: impl IntoIterator<Item = Vec<Cell>>,
    ) -> Table {
        let (columns, rows) = (columns.into_iter().map(Into::into).collect(), rows.into_iter().collect());
        Table { title: title.into(), columns, rows, ..Table::default() }
    }

    /// Every column under its name for programs: the table that CSV writes.
    pub fn flat<R>(columns: &[Column<R>], records: &[R]) -> Table {
        let row = |record: &R| columns.iter().map(|column| (column.cell)(record)).collect();
        Table::of("", columns.iter().map(|column| column.name), records.iter().map(row))
    }

    /// The columns of that `view` under their headings for people, all of one record in a row; columns without any value are
    /// left out. A `?` behind a name marks a column that is left out where the line is too short, the last one first.
    pub fn view<'r, R: 'r>(
        title: impl Into<String>,
        columns: &[Column<R>],
        view: &[&str],
        records: impl IntoIterator<Item = &'r R>,
    ) -> Table {
        let records: Vec<&R> = records.into_iter().collect();
        let find = |name: &str| columns.iter().find(|column| column.name == name.trim_end_matches('?'));
        let chosen: Vec<&Column<R>> = view.iter().filter_map(|name| find(name)).collect();
        debug_assert_eq!(chosen.len(), view.len(), "a view names a column that is not there: {view:?}");
        let says = |column: &Column<R>| records.iter().any(|record| !(column.cell)(record).shown().is_empty());
        let (chosen, view): (Vec<_>, Vec<&str>) =
            chosen.into_iter().zip(view).filter(|(column, _)| says(column)).unzip();
        let row = |record: &&R| chosen.iter().map(|column| (column.cell)(record)).collect();
        let spare = (0..view.len()).rev().filter(|&place| view[place].ends_with('?')).collect();
        Table { spare, ..Table::of(title, chosen.iter().map(|column| column.head), records.iter().map(row)) }
    }

    /// A table of pairs: what, and its value.
    pub fn pairs(title: &str, pairs: impl IntoIterator<Item = (&'static str, String)>) -> Table {
        let row = |(what, value): (&str, String)| vec![Cell::text(what), Cell::text(value)];
        Table::of(title, ["what", "value"], pairs.into_iter().map(row))
    }

    /// Sets how many of the first columns say what a row is about.
    #[must_use]
    pub fn with_keys(self, keys: usize) -> Table {
        Table { keys, ..self }
    }

    /// Adds lines below the table.
    #[must_use]
    pub fn with_notes(mut self, notes: impl IntoIterator<Item = impl Into<String>>) -> Table {
        self.notes.extend(notes.into_iter().map(Into::into));
        self
    }
}

/// Each item once, in the order of its first coming.
pub fn unique<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    grouped(items.into_iter().map(|item| (item, ()))).into_iter().map(|(item, _)| item).collect()
}

/// Names under what they have in common, both in the order of their coming.
pub fn grouped<K: PartialEq, N: PartialEq>(pairs: impl IntoIterator<Item = (K, N)>) -> Vec<(K, Vec<N>)> {
    let mut groups: Vec<(K, Vec<N>)> = Vec::new();
    for (key, name) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => groups.push((key, vec![name])),
        }
    }
    groups
}
