//! An evaluation operation by operation.

use super::cell::Cell;
use super::table::{Column, Table, column};
use crate::evaluate::{Evaluation, OpResult};
use crate::model::Phase;

/// Operations below this share of the decode step stay out of the table; the record has them all.
const SHARE_MIN: f64 = 0.001;

const NOTE: &str = "Operations below 0.1 % are left out. undecided: within the intervals of the ceilings either resource may \
     bind.";

/// The decode step of one result: where the time of a token goes.
pub(super) fn decode_step(result: &Evaluation) -> Option<Table> {
    let decode = result.phase(Phase::Decode)?;
    let title = format!(
        "{} on {}: one decode step at context {}",
        result.model,
        result.on.profile,
        result.workload.decode_context()
    );
    // An operation, and whether its layers differ in how they store its tensor.
    let differs = |op: &OpResult| decode.ops.iter().any(|other| other.op == op.op && other.stored_as != op.stored_as);
    let rows: Vec<(&OpResult, bool)> =
        decode.ops.iter().filter(|op| op.share >= SHARE_MIN).map(|op| (op, differs(op))).collect();
    let view = ["op", "class?", "extents", "repeat", "oi?", "seconds", "share", "bound", "ceiling"];
    Some(Table::view(title, &columns(), &view, &rows).with_notes([NOTE]))
}

fn columns<'r>() -> Vec<Column<(&'r OpResult, bool)>> {
    type Row<'r> = (&'r OpResult, bool);
    let name = |(op, differs): &Row| match differs {
        true => Cell::text(format!("{} ({})", op.op, op.stored_as)),
        false => Cell::text(op.op),
    };
    let bound = |(op, _): &Row| match op.bound {
        Some(_) if op.undecided => Cell::text("undecided"),
        bound => Cell::words(bound.map(|bound| bound.name())),
    };
    vec![
        column("op", "operation", name),
        column("class", "class", |(op, _): &Row| Cell::text(op.class)),
        column("extents", "m×n×k", |(op, _): &Row| Cell::text(format!("{}×{}×{}", op.m, op.n, op.k))),
        column("repeat", "repeat", |(op, _): &Row| Cell::plain(op.repeat)),
        column("oi", "FLOP/B", |(op, _): &Row| Cell::maybe(op.oi)),
        column("seconds", "ms", |(op, _): &Row| Cell::scaled(op.seconds, 1e3)),
        column("share", "%", |(op, _): &Row| Cell::scaled(op.share, 100.0)),
        column("bound", "bound", bound),
        column("ceiling", "ceiling", |(op, _): &Row| Cell::words(op.ceiling.as_ref())),
    ]
}

/// The formulas of every operation, phase by phase, where they were asked for.
pub(super) fn explanations(result: &Evaluation) -> Vec<Table> {
    let explained = result.phases.iter().filter(|phase| phase.ops.iter().any(|op| !op.explanation.is_empty()));
    let lines = |op: &OpResult| {
        let mut lines = op.explanation.clone();
        lines.iter_mut().skip(1).for_each(|line| line.insert_str(0, "    "));
        lines
    };
    explained
        .map(|phase| Table {
            title: format!("{} on {}, {}: every operation", result.model, result.on.profile, phase.phase.name()),
            notes: phase.ops.iter().flat_map(lines).collect(),
            ..Table::default()
        })
        .collect()
}
