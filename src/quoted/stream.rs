//! What McCalpin's STREAM prints: the best rate of each kernel in MB/s (10⁶ bytes), and its least time.

use super::{Asked, Figure, Found, agree, labelled, number};
use crate::error::{Error, Result};
use crate::profile::{CeilingId, DeviceKind, MemoryLevel};
use roofprobe_kernels::Op;

const HEADER: &str = "Best Rate MB/s";

/// Its kernels, and how many arrays each reads or writes.
const KERNELS: [(&str, Op, f64); 4] =
    [("Copy:", Op::Copy, 2.0), ("Scale:", Op::Scale, 2.0), ("Add:", Op::Add, 3.0), ("Triad:", Op::Triad, 3.0)];

pub(super) fn is(text: &str) -> bool {
    text.contains(HEADER)
}

pub(super) fn read(text: &str, _: &Asked) -> Result<Found> {
    if text.contains("Failed Validation") || !text.contains("Solution Validates") {
        return Err(Error::misuse("STREAM did not validate its arrays: its rates are of no use"));
    }
    let elements = labelled(text, "Array size =").and_then(|rest| rest.split(' ').next());
    let element = labelled(text, "This system uses").and_then(|rest| rest.split(' ').next());
    let array = match (elements, element) {
        (Some(elements), Some(element)) => {
            Some(number("Array size", elements)? * number("bytes per element", element)?)
        }
        _ => None,
    };
    let mut figures = Vec::new();
    for (label, op, arrays) in KERNELS {
        let Some(line) = labelled(text, label) else { continue };
        let mut columns = line.split_whitespace();
        let mb = number(label, columns.next().unwrap_or_default())?;
        let least = number(label, columns.nth(1).unwrap_or_default())?;
        if let Some(array) = array {
            agree(label, mb, array * arrays, least, 0.02 + 0.6e-6 / least)?;
        }
        let id = CeilingId::memory(MemoryLevel::Dram, op);
        figures.push(Figure::new(id, mb * 1e-3, format!("{}, best rate", label.trim_end_matches(':'))));
    }
    let version = text.split_once("STREAM version $Revision: ").and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(Found {
        tool: "STREAM",
        version: version.map(str::to_owned),
        kind: Some(DeviceKind::Cpu),
        figures,
        ..Found::default()
    })
}
