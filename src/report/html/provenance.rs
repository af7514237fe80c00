//! Every ceiling, and how it was measured.

use super::said::said;
use super::tables::{Kind, grid, notes};
use super::{Content, Device, tables};
use crate::report::{Table, profile as words};
use maud::{Markup, html};

/// Ceilings that the page shows of a device: far more than any has.
const ROWS_MAX: usize = 1000;

/// The ceilings of each device, in a table that sorts and filters.
pub(super) fn ceilings(content: &Content) -> Markup {
    html! { @for (at, device) in content.devices.iter().enumerate() { (all(at, device)) } }
}

fn all(at: usize, device: &Device) -> Markup {
    let (id, mut table) = (format!("ceilings-{at}"), words::page_table(device.profile));
    let count = table.rows.len();
    if count > ROWS_MAX {
        table.rows.truncate(ROWS_MAX);
        table.notes.insert(0, format!("{} more ceilings: the profile below has them", count - ROWS_MAX));
    }
    html! {
        details open[device.profile.ceiling.len() < 40] {
            summary { (said(device.name)) ": " (count) " ceilings" }
            form class="controls" data-for=(id) hidden { label { "Find " input type="search" autocomplete="off"; } output {} }
            (grid(&id, &format!("Ceilings of {}", device.name), &table.columns, &table.rows, Kind::Sorted))
            (notes(&table.notes))
        }
    }
}

/// How a figure comes about, then the machine and its circumstances.
pub(super) fn section(content: &Content) -> Markup {
    html! {
        p class="lead" {
            "Each ceiling is known work divided by measured time. Several ways of doing the work are raced; the fastest one is sampled \
            anew, and its results are held against a textbook computation. The value is that of the fastest mode of the samples, with a \
            95\u{a0}% interval. What failed a check is kept as suspect. The grade, A to F, is about the circumstances: each thing that may have \
            cost speed is a step down."
        }
        @for (at, device) in content.devices.iter().enumerate() {
            (tables::table(&format!("how-{at}"), &machine(device), Kind::Plain))
        }
    }
}

fn machine(device: &Device) -> Table {
    Table { title: device.name.to_owned(), ..words::machine(device.profile) }
}
