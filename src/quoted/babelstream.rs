//! What BabelStream prints, as a table or with `--csv`: the best rate of each kernel, in MB (10⁶ bytes) or, with `--mibibytes`, in MiB.
//! Dot only reads.

use super::{Asked, Figure, Found, agree, labelled, number};
use crate::error::{Error, Result, shown};
use crate::profile::{CeilingId, DeviceKind};
use roofprobe_kernels::Op;

/// Its kernels, and how many arrays each reads or writes.
const KERNELS: [(&str, Op, f64); 5] = [
    ("Copy", Op::Copy, 2.0),
    ("Mul", Op::Scale, 2.0),
    ("Add", Op::Add, 3.0),
    ("Triad", Op::Triad, 3.0),
    ("Dot", Op::Read, 2.0),
];

/// The columns of the rate, each with bytes of its unit over 10⁶.
const MIB: f64 = 1.048_576;
const RATES: [(&str, f64); 4] =
    [("MBytes/sec", 1.0), ("MiBytes/sec", MIB), ("max_mbytes_per_sec", 1.0), ("max_mibytes_per_sec", MIB)];

pub(super) fn is(text: &str) -> bool {
    header(text).is_some()
}

/// The line of the header, and the unit of its rate.
fn header(text: &str) -> Option<(&str, f64)> {
    let of = |line: &str| RATES.iter().find(|(word, _)| line.split([',', ' ']).any(|column| column == *word));
    let heads = |line: &&str| line.starts_with("Function") || line.starts_with("function,");
    text.lines().filter(heads).find_map(|line| Some((line, of(line)?.1)))
}

pub(super) fn read(text: &str, asked: &Asked) -> Result<Found> {
    let Some((header, unit)) = header(text) else { return Err(Error::misuse("no table of BabelStream")) };
    let device = ["Using CUDA device ", "Using HIP device ", "Using OpenCL device "]
        .into_iter()
        .find_map(|label| labelled(text, label).map(str::to_owned));
    let implementation = labelled(text, "Implementation:").unwrap_or_default();
    let on_gpu = device.is_some() || ["CUDA", "HIP"].contains(&implementation);
    let kind = on_gpu.then_some(DeviceKind::Gpu).or(asked.kind);
    let Some(kind) = kind else {
        return Err(Error::misuse(
            "BabelStream does not tell whether it ran on a CPU or a GPU; add --kind cpu or --kind gpu",
        ));
    };
    let commas = header.contains(',');
    let size = if commas { None } else { array_bytes(text)? };
    let mut figures = Vec::new();
    for line in text.lines().skip_while(|line| *line != header).skip(1) {
        let cells: Vec<&str> = if commas { line.split(',').collect() } else { line.split_whitespace().collect() };
        let Some((name, op, arrays)) = KERNELS.iter().find(|(name, ..)| cells.first() == Some(name)) else { continue };
        let cell = |at: usize| number(name, cells.get(at).copied().unwrap_or_default());
        // Of CSV: times, elements, size of one, rate, least time.
        let (rate, least, array) = match commas {
            true => (cell(4)?, cell(5)?, Some(cell(2)? * cell(3)?)),
            false => (cell(1)?, cell(2)?, size),
        };
        let mb = rate * unit;
        if let Some(array) = array {
            agree(name, mb, array * arrays, least, 0.01 + 0.6e-5 / least)?;
        }
        let id = CeilingId::memory(kind.main_memory(), *op);
        figures.push(Figure::new(id, mb * 1e-3, format!("{}{name}, best rate", prefix(implementation))));
    }
    Ok(Found {
        tool: "BabelStream",
        version: labelled(text, "Version:").map(str::to_owned),
        device,
        kind: Some(kind),
        figures,
        ..Found::default()
    })
}

fn prefix(implementation: &str) -> String {
    if implementation.is_empty() { String::new() } else { format!("{}, ", shown(implementation)) }
}

/// `Array size: 268.4 MB (=0.3 GB)`, in 10⁶ bytes, or in MiB.
fn array_bytes(text: &str) -> Result<Option<f64>> {
    let Some(size) = labelled(text, "Array size:") else { return Ok(None) };
    let mut words = size.split_whitespace();
    let count = number("Array size", words.next().unwrap_or_default())?;
    Ok(match words.next() {
        Some("MB") => Some(count * 1e6),
        Some("MiB") => Some(count * 1e6 * MIB),
        Some("KB") => Some(count * 1e3),
        _ => None,
    })
}
