//! What likwid-bench prints: `MByte/s` (10⁶ bytes) and `MFlops/s` of the test that it names, or that the command line did.
//!
//! Loads and stores of an update tell the stream. Its `triad` has three loads, which is no stream of a profile: `stream` is the triad.

use super::{Asked, Figure, Found, agree, labelled, number};
use crate::error::{Error, Result, shown};
use crate::profile::{CeilingId, DeviceKind, Means, MemoryLevel};
use roofprobe_kernels::{Dtype, Op};

/// Less than this may lie in a cache.
const MEMORY_BYTES_MIN: f64 = (128 << 20) as f64;

pub(super) fn is(text: &str) -> bool {
    text.contains("MByte/s:") && text.contains("LIKWID MICRO BENCHMARK")
}

pub(super) fn read(text: &str, _: &Asked) -> Result<Found> {
    let mut figures = Vec::new();
    // Several outputs may stand in one file.
    for part in text.split("LIKWID MICRO BENCHMARK").skip(1) {
        figures.extend(one(part)?);
    }
    Ok(Found { tool: "likwid-bench", kind: Some(DeviceKind::Cpu), figures, ..Found::default() })
}

fn one(text: &str) -> Result<Option<Figure>> {
    let value = |label: &str| number(label, labelled(text, label).unwrap_or_default());
    let Some(test) = labelled(text, "Test:") else {
        return Err(Error::misuse(
            "no line \"Test: NAME\": which test ran is not told; a newer likwid-bench prints it",
        ));
    };
    if test.starts_with("peakflops") {
        let dtype = if test.contains("_sp") { Dtype::F32 } else { Dtype::F64 };
        let gflops = value("MFlops/s:")? * 1e-3;
        return Ok(Some(Figure::new(CeilingId::compute(dtype, Means::Best), gflops, format!("{test}, MFlops/s"))));
    }
    let size = value("Size (Byte):")?;
    if size < MEMORY_BYTES_MIN {
        return Err(Error::misuse(format!(
            "{}: {size} bytes may lie in a cache; only memory is read, by working sets of 128 MiB or more",
            shown(test)
        )));
    }
    let mb = value("MByte/s:")?;
    let seconds = labelled(text, "Time:").unwrap_or_default().trim_end_matches("sec");
    agree("MByte/s", mb, value("Data volume (Byte):")?, number("Time", seconds)?, 0.01)?;
    let count = |label: &str| labelled(text, label).and_then(|count| count.parse::<u32>().ok());
    let op = match (count("Loads per update:"), count("Stores per update:"), test) {
        (Some(1..), Some(0), _) => Op::Read,
        (Some(0), Some(1..), _) => Op::Write,
        (Some(1), Some(1), test) if test.starts_with("copy") => Op::Copy,
        (Some(2), Some(1), test) if test.starts_with("stream") => Op::Triad,
        (None, _, test) if test.starts_with("load") => Op::Read,
        // At least that much is read or written.
        _ => {
            let id = CeilingId::memory(MemoryLevel::Dram, Op::Read);
            let flag = format!("a lower bound: {} writes, too, and is no stream of a profile", shown(test));
            return Ok(Some(Figure { flag: Some(flag), ..Figure::new(id, mb * 1e-3, format!("{test}, MByte/s")) }));
        }
    };
    Ok(Some(Figure::new(CeilingId::memory(MemoryLevel::Dram, op), mb * 1e-3, format!("{test}, MByte/s"))))
}
