//! Every ceiling, and how it was measured.

use super::said::said;
use super::tables::{Kind, grid, notes};
use super::{Content, Device, tables};
use crate::report::{Table, profile as words};
use maud::{Markup, html};

/// The ceilings of each device, in a table that sorts and filters.
pub(super) fn ceilings(content: &Content) -> Markup {
    html! { @for (at, device) in content.devices.iter().enumerate() { (all(at, device)) } }
}

fn all(at: usize, device: &Device) -> Markup {
    let (id, table) = (format!("ceilings-{at}"), words::page_table(device.profile));
    html! {
        details open[device.profile.ceiling.len() < 40] {
            summary { (said(device.name)) ": " (table.rows.len()) " ceilings" }
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
            95 % interval. What failed a check is kept as suspect. The grade, A to F, is about the circumstances: each thing that may have \
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
