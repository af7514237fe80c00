//! What stands in the way of good numbers, with what mends it.

use super::cell::Cell;
use super::record::json;
use super::table::{Report, Table};
use crate::doctor::{Examined, Finding};
use crate::error::Result;

/// The report of an examination; its record is that.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(examined: &Examined) -> Result<Report> {
    let title = match examined.findings.len() {
        0 => "Nothing was found that stands in the way of good numbers.".to_owned(),
        1 => "One thing stands in the way of good numbers.".to_owned(),
        several => format!("{several} things stand in the way of good numbers."),
    };
    let row = |one: &Finding| {
        vec![
            Cell::text(one.about),
            Cell::text(one.cost.name()),
            Cell::text(&one.found),
            Cell::text(&one.remedy),
            Cell::phrase(one.needs_root.to_string(), if one.needs_root { "yes" } else { "no" }),
        ]
    };
    let flat = Table::of("", ["about", "cost", "found", "remedy", "needs_root"], examined.findings.iter().map(row));
    let mut lead =
        vec![format!("As it is now, a measurement of the CPU is graded {} at best.", examined.grade_at_best)];
    for one in &examined.findings {
        lead.push(format!("{} ({}): {}", one.about, one.cost.name(), one.found));
        // A command stands on a line of its own, to be copied.
        lead.push(format!("    {}", one.remedy));
    }
    let table = Table { title, lead, ..Table::default() };
    Ok(Report { tables: vec![table], flat: Some(flat), json: json("the examination", examined)? })
}
