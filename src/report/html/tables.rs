//! Tables as HTML: with heads that sort, and on narrow screens a frame that scrolls.

use super::said::said;
use crate::report::{Cell, Table};
use maud::{Markup, html};

/// More rows than this scroll in a frame of their own.
const TALL: usize = 16;

/// What a reader can do with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Read it.
    Plain,
    /// Sort it by any column.
    Sorted,
}

/// A table with its title, what stands above it, and its notes.
pub(super) fn table(id: &str, table: &Table, kind: Kind) -> Markup {
    html! {
        @if !table.title.is_empty() { h3 { (said(&table.title)) } }
        @for line in &table.lead { p class="lead" { (said(line)) } }
        @if !table.columns.is_empty() { (grid(id, &table.title, &table.columns, &table.rows, kind)) }
        (notes(&table.notes))
    }
}

/// Notes in small type; many of them are folded.
pub(super) fn notes(notes: &[String]) -> Markup {
    const FEW: usize = 4;
    let list = html! { ul class="notes" { @for note in notes { li { (said(note)) } } } };
    html! {
        @if notes.len() > FEW { details { summary { (notes.len()) " notes" } (list) } } @else if !notes.is_empty() { (list) }
    }
}

/// The grid alone, in a frame that can be scrolled by keys too.
pub(super) fn grid(id: &str, title: &str, columns: &[String], rows: &[Vec<Cell>], kind: Kind) -> Markup {
    let numeric: Vec<bool> = (0..columns.len()).map(|column| is_numeric(rows, column)).collect();
    let class = |column: usize| numeric.get(column).is_some_and(|numeric| *numeric).then_some("n");
    html! {
        div class={ "scroll" @if kind == Kind::Sorted && rows.len() > TALL { " tall" } } tabindex="0" role="region" aria-label=(said(if title.is_empty() { "Table" } else { title })) {
            table id=(id) class=[(kind == Kind::Sorted).then_some("sorted")] {
                thead { tr {
                    @for (column, head) in columns.iter().enumerate() {
                        @if head.is_empty() { td {} } @else { th scope="col" class=[class(column)] {
                            @if kind == Kind::Sorted { button type="button" { (said(head)) } } @else { (said(head)) }
                        } }
                    }
                } }
                tbody { @for row in rows { tr {
                    @for (column, cell) in row.iter().enumerate() { (data(cell, column, class(column))) }
                } } }
            }
        }
    }
}

/// A cell; the first one heads its row. What sorts otherwise than it is shown carries its value.
fn data(cell: &Cell, column: usize, class: Option<&str>) -> Markup {
    let value = match cell {
        Cell::Number { exact, shown } if shown.parse::<f64>().is_err() => Some(exact.as_str()),
        _ => None,
    };
    html! {
        @if column == 0 { th scope="row" data-v=[value] { (said(cell.shown()).breakable()) } }
        @else { td class=[class] data-v=[value] { (said(cell.shown())) } }
    }
}

/// Whether a column has numbers, and nothing else but gaps.
fn is_numeric(rows: &[Vec<Cell>], column: usize) -> bool {
    let cells = || rows.iter().filter_map(|row| row.get(column));
    cells().any(|cell| matches!(cell, Cell::Number { .. })) && cells().all(|cell| !matches!(cell, Cell::Phrase { .. }))
}
