//! OpenMetrics text (github.com/prometheus/OpenMetrics, `specification/OpenMetrics.md`), which node_exporter's textfile collector reads, too
//! (`collector/textfile.go`): base units in the names, no time stamps (one of them makes that collector drop the whole file), `# EOF` at the end.
//!
//! The file must be called `*.prom` and be renamed into place, which `-o` does.

use super::{Draft, Subject};
use crate::error::Result;
use crate::profile::{Ceiling, Unit};
use crate::units::four_digits;
use std::fmt::Write;

/// A family of metrics: its name, its unit, what it is, the unit of ceilings that it takes, and the factor to the base unit.
const FAMILIES: [(&str, &str, &str, Unit, f64); 4] = [
    (
        "roofprobe_bandwidth_bytes_per_second",
        "bytes_per_second",
        "What a level of memory, a product or a link moves",
        Unit::GbPerS,
        1e9,
    ),
    (
        "roofprobe_compute_flops_per_second",
        "flops_per_second",
        "What arithmetic or products reach",
        Unit::GflopPerS,
        1e9,
    ),
    ("roofprobe_latency_seconds", "seconds", "The time of one dependent load", Unit::Ns, 1e-9),
    ("roofprobe_overhead_seconds", "seconds", "What it takes to begin work", Unit::Us, 1e-6),
];

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let ceilings = of.ceilings();
    let device = label(&of.name());
    let mut out = String::new();
    for (name, unit, help, of_unit, factor) in FAMILIES {
        let of_family =
            |one: &'_ Ceiling| one.value().filter(|(_, unit)| *unit == of_unit).map(|(value, _)| value * factor);
        let rows: Vec<(&Ceiling, f64)> = ceilings.iter().filter_map(|one| Some((one, of_family(one)?))).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(out, "# TYPE {name} gauge\n# UNIT {name} {unit}\n# HELP {name} {help}");
        for (Ceiling { id, status, .. }, value) in rows {
            let value = four_digits(value);
            let _ = writeln!(out, "{name}{{device=\"{device}\",ceiling=\"{id}\",status=\"{status}\"}} {value:e}");
        }
    }
    if let Some(bytes) = of.memory_bytes("roofprobe_memory_bytes") {
        let name = "roofprobe_memory_bytes";
        let _ = writeln!(out, "# TYPE {name} gauge\n# UNIT {name} bytes\n# HELP {name} Installed memory");
        let _ = writeln!(out, "{name}{{device=\"{device}\"}} {bytes}");
    }
    out.push_str("# EOF\n");
    Ok(Draft::Text(out))
}

/// A label's value: backslash, quote and line feed are escaped there; whatever else a terminal obeys is replaced.
fn label(text: &str) -> String {
    let one = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        '"' => "\\\"".to_owned(),
        '\n' => "\\n".to_owned(),
        c if crate::error::obeyed(c) => '\u{fffd}'.to_string(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}
