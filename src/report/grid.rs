//! A table laid out in characters, as text and Markdown need it.

use super::cell::{Cell, of_markdown, plain};
use super::table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, TableStyle};

/// The columns of `table` but those at `without`, between the lines of `style`. With a `width`, cells are wrapped to fit.
pub(super) fn grid(table: &Table, without: &[usize], style: TableStyle, width: Option<usize>) -> String {
    let shown = if style == ASCII_MARKDOWN { of_markdown } else { plain };
    let mut grid = comfy_table::Table::new();
    let arrangement = if width.is_some() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    grid.load_style(style).set_content_arrangement(arrangement);
    if let Some(width) = width {
        grid.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    let places: Vec<usize> = (0..table.columns.len()).filter(|place| !without.contains(place)).collect();
    grid.set_header(places.iter().map(|&place| shown(&table.columns[place])));
    for row in &table.rows {
        grid.add_row(places.iter().map(|&place| shown(row.get(place).map_or("", Cell::shown))));
    }
    for (column, &place) in grid.column_iter_mut().zip(&places) {
        let numeric = table.rows.iter().any(|row| matches!(row.get(place), Some(Cell::Number { .. })));
        column.set_cell_alignment(if numeric { CellAlignment::Right } else { CellAlignment::Left });
    }
    grid.to_string()
}
