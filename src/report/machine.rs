//! The machine and its circumstances, as a table.

use super::{Cell, Table, significant};
use crate::profile::{Environment, Profile};

/// What was measured, under which circumstances, and the grade that they earn with its reasons.
pub(super) fn table(profile: &Profile) -> Table {
    let (device, environment, provenance) = (&profile.device, &profile.environment, &profile.provenance);
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let size = |bytes: u64| if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { mib(bytes) };
    let caches = device.caches.iter().map(|c| format!("L{} {} × {}", c.level, c.instances, size(c.bytes)));
    let unchecked = || "unknown: operations per cycle are not held against its pipes".to_owned();
    let design = device.microarchitecture.clone().unwrap_or_else(unchecked);
    let mut rows = vec![
        ("device", device.name.clone()),
        ("architecture", format!("{}; {}", device.architecture, device.isas.join(", "))),
        ("core design", design),
        ("caches", caches.collect::<Vec<_>>().join(", ")),
        ("memory", format!("{}, {} available", mib(device.memory_bytes), mib(environment.memory_available_bytes))),
        ("system", format!("{} {}", environment.os, environment.kernel.clone().unwrap_or_default())),
    ];
    rows.extend(circumstances(environment));
    rows.extend([
        ("measured", format!("{}, effort {}", provenance.date, provenance.effort.name())),
        ("by", format!("{} {} ({}), {}", provenance.tool, provenance.version, provenance.commit, provenance.compiler)),
    ]);
    Table {
        title: "Machine and circumstances".to_owned(),
        columns: vec!["what".to_owned(), "value".to_owned()],
        rows: rows.into_iter().map(|(what, value)| vec![Cell::text(what), Cell::text(value)]).collect(),
        notes: grade_notes(environment),
    }
}

fn circumstances(environment: &Environment) -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
    let number = |value: Option<f64>, unit: &str| value.map_or_else(unknown, |v| format!("{}{unit}", significant(v)));
    let count = |value: Option<u32>| value.map_or_else(unknown, |n| n.to_string());
    let yes_no = |known: Option<bool>, name: &Option<String>| match known {
        Some(true) => format!("yes, {}", or_unknown(name)),
        Some(false) => "no".to_owned(),
        None => unknown(),
    };
    vec![
        ("virtualised", yes_no(environment.virtualised, &environment.hypervisor)),
        ("emulated", yes_no(environment.emulated, &environment.emulator)),
        ("threads", format!("{} of {} allowed CPUs", environment.threads, environment.allowed_cpus.len())),
        ("threads per core", count(environment.smt)),
        ("two cores against one", number(environment.core_scaling, " ×")),
        ("NUMA nodes", count(environment.numa_nodes)),
        ("CPU quota", environment.quota_cpus.map_or("none".to_owned(), |q| format!("{q} CPUs"))),
        ("governor", or_unknown(&environment.governor)),
        ("huge pages", or_unknown(&environment.huge_pages)),
        ("load at the start", number(environment.load_average, "")),
        ("stolen time", number(environment.steal_percent, " %")),
        ("throttled periods", environment.throttled_periods.map_or_else(unknown, |n| n.to_string())),
        ("drift", number(environment.drift_percent, " %")),
        ("disturbed samples", environment.disturbed_samples.unwrap_or(0).to_string()),
        ("grade", environment.grade.map_or("none".to_owned(), |grade| grade.to_string())),
    ]
}

/// Why the grade is no better.
fn grade_notes(environment: &Environment) -> Vec<String> {
    let Some(grade) = environment.grade else { return Vec::new() };
    environment.grade_reasons.iter().map(|reason| format!("grade {grade}: {reason}")).collect()
}
