//! A fleet: its slow machines first, then what machines of each kind reach.

use super::ceilings::Rank;
use super::cell::Cell;
use super::record::json;
use super::table::{Report, Shown, Table};
use crate::error::Result;
use crate::fleet::{Distribution, Fleet, Group, Outlier};

/// The report of a fleet; its record is the fleet, and CSV has the distributions.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(fleet: &Fleet, shown: Shown) -> Result<Report> {
    let row = |one: &Outlier| {
        vec![
            Cell::text(&one.node),
            Cell::text(&one.ceiling),
            Cell::number(one.value),
            Cell::number(one.median),
            Cell::scaled(one.slower, 100.0),
            Cell::number(one.robust_z),
            Cell::number(one.chance),
            Cell::plain(one.ceilings as u64),
            Cell::text(&one.group),
        ]
    };
    let columns = ["node", "marked by", "value", "median", "% slower", "robust z", "chance", "ceilings", "group"];
    let title = match fleet.outliers.len() {
        0 => format!("No machine of {} is slow for its kind.", fleet.nodes),
        1 => format!("One machine of {} is slow for its kind.", fleet.nodes),
        several => format!("{several} machines of {} are slow for their kind.", fleet.nodes),
    };
    let few: Vec<&Group> = fleet.groups.iter().filter(|group| !group.judged).collect();
    let mut notes = vec![format!(
        "chance: that a fleet without slow machines has one like it, among {} comparisons; ceilings: how many mark it.",
        fleet.comparisons
    )];
    if !few.is_empty() {
        let nodes: usize = few.iter().map(|group| group.nodes).sum();
        notes.push(format!("{nodes} machines have too few like them to be judged"));
    }
    let outliers = if fleet.outliers.is_empty() {
        Table { title, ..Table::default() }
    } else {
        Table::of(title, columns, fleet.outliers.iter().map(row)).with_keys(2)
    };
    let mut tables = vec![outliers.with_notes(notes)];
    tables.extend(fleet.groups.iter().filter(|group| group.judged || shown == Shown::All).map(|one| group(one, shown)));
    let rows = fleet.groups.iter().flat_map(|group| {
        group.ceilings.iter().map(move |of| [vec![Cell::text(&group.group)], distribution(of)].concat())
    });
    let flat = Table::of(
        "",
        ["group", "ceiling", "unit", "nodes", "p0", "p5", "p25", "p50", "p75", "p95", "p100", "scatter"],
        rows,
    );
    Ok(Report { tables, flat: Some(flat), json: json("the fleet", fleet)? })
}

fn distribution(of: &Distribution) -> Vec<Cell> {
    let mut row = vec![Cell::text(&of.ceiling), Cell::text(of.unit), Cell::plain(of.nodes as u64)];
    row.extend(of.percentiles.map(Cell::number));
    row.push(Cell::scaled(of.scatter, 100.0));
    row
}

fn group(group: &Group, shown: Shown) -> Table {
    let main = |of: &&Distribution| shown == Shown::All || Rank::of(&of.ceiling) <= Rank::First;
    let rows = group.ceilings.iter().filter(main).map(distribution);
    let columns = ["ceiling", "unit", "nodes", "least", "5 %", "25 %", "median", "75 %", "95 %", "most", "scatter %"];
    Table::of(format!("{}: {} machines", group.group, group.nodes), columns, rows).with_keys(2)
}
