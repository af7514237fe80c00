//! Bytes of a model's files, by what tensors are for.

use super::cell::Cell;
use super::table::{Column, Table, column};
use crate::evaluate::{Evaluation, StoredFiles};
use crate::model::Class;

/// A part of the files, its bytes, and all bytes.
type Part = (String, u64, u64);

/// The table of a model whose files' headers were read.
pub(super) fn table(result: &Evaluation) -> Option<Table> {
    let StoredFiles { bytes: all, bytes_by_class, left_out } = result.stored.as_ref()?;
    let counted = Class::ALL.into_iter().filter_map(|class| {
        let bytes = bytes_by_class.get(class.name()).filter(|bytes| *bytes > 0)?;
        Some((class.name().to_owned(), bytes, *all))
    });
    let others = left_out.iter().map(|(what, bytes)| (format!("not counted: {what}"), *bytes, *all));
    let parts: Vec<Part> = counted.chain(others).chain([("all".to_owned(), *all, *all)]).collect();
    let columns: [Column<Part>; 3] = [
        column("part", "tensors of", |(what, ..): &Part| Cell::text(what.as_str())),
        column("bytes", "bytes", |(_, bytes, _): &Part| Cell::plain(*bytes)),
        column("share", "%", |(_, bytes, all): &Part| Cell::scaled(*bytes as f64 / *all as f64, 1e2)),
    ];
    Some(Table::view(format!("{}: bytes of its files", result.model), &columns, &["part", "bytes", "share"], &parts))
}
