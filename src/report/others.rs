//! What others saw on such a device, beside what was measured on this one.

use super::cell::{digits, significant};
use super::table::grouped;
use crate::compare::{Comparison, Quantity};
use crate::profile::{Flag, Profile};

/// Closer than this is the same: boards differ by as much among themselves.
const SAME: f64 = 0.05;

/// Lines about the second profile of `comparison`, a measured one, against the first, which is `quoted`: what is below, with what
/// the source says of that, and what is not.
pub fn lines(comparison: &Comparison, quoted: &Profile) -> Vec<String> {
    let ratio = |quantity: &Quantity| Some((quantity.entries.get(1)?.as_ref()?.ratio?.value, quantity.clone()));
    let (below, others): (Vec<_>, Vec<_>) =
        comparison.quantities.iter().filter_map(ratio).partition(|(ratio, _)| *ratio < 1.0 - SAME);
    let groups = grouped(below.iter().map(|(ratio, quantity)| (advice(quantity, quoted), less(*ratio, quantity))));
    let line = |(advice, less): (Option<&str>, Vec<String>)| {
        let see = advice.map_or_else(String::new, |what| format!("; see {what}"));
        format!("{}{see}.", less.join("; "))
    };
    let id = |quantity: &Quantity| quantity.entries[1].as_ref().map(|entry| entry.id.to_string());
    let reached: Vec<String> = others.iter().filter_map(|(_, quantity)| id(quantity)).collect();
    let name = comparison.profiles.first().map_or("", |first| first.profile.as_str());
    let reached = (!reached.is_empty())
        .then(|| format!("What others saw on such a device, or more: {} ({name}).", reached.join(", ")));
    groups.into_iter().map(line).chain(reached).collect()
}

/// By how much it is below: `memory.dram.read 11.64 GB/s: 12 % below the 13.23 that others saw (…)`.
fn less(ratio: f64, quantity: &Quantity) -> String {
    let [quoted, measured] = [0, 1].map(|at| quantity.entries[at].as_ref());
    let value = |at: usize| quantity.entries[at].as_ref().and_then(|entry| entry.value).map(significant);
    let source = quoted.and_then(|entry| entry.source.as_deref()).unwrap_or_default();
    let id = measured.map_or("", |entry| entry.id.as_str());
    let [seen, here] = [value(0), value(1)].map(Option::unwrap_or_default);
    let percent = digits((1.0 - ratio) * 100.0, 2);
    let unit = quantity.unit.unwrap_or_default();
    format!("{id} {here} {unit}: {percent} % below the {seen} that others saw ({source})")
}

/// What the source says to look at.
fn advice<'q>(quantity: &Quantity, quoted: &'q Profile) -> Option<&'q str> {
    let ceiling = quoted.ceiling(&quantity.entries[0].as_ref()?.id)?;
    ceiling.flags.iter().find_map(|flag| if let Flag::Advice(what) = flag { Some(what.as_str()) } else { None })
}
