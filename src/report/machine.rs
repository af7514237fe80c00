//! The machine and its circumstances, as a table.

use super::advice;
use super::cell::significant;
use super::table::Table;
use crate::evaluate::ThreadAdvice;
use crate::profile::{DeviceInfo, DeviceKind, Environment, GpuClass, GpuInfo, GpuProvenance, Profile, Provenance};

/// What was measured, under which circumstances, and the grade that they earn with its reasons.
pub(super) fn table(profile: &Profile) -> Table {
    let (device, provenance) = (&profile.device, &profile.provenance);
    let memory = device.memory_bytes.map_or_else(unknown, mib);
    let mut rows = vec![("device", device.name.clone())];
    rows.extend(match device.kind {
        DeviceKind::Cpu => processor(device),
        DeviceKind::Gpu => adapter(device, provenance.gpu.as_ref()),
    });
    match &profile.environment {
        Some(environment) => {
            rows.extend([
                ("memory", format!("{memory}, {} available", mib(environment.memory_available_bytes))),
                ("system", format!("{} {}", environment.os, environment.kernel.clone().unwrap_or_default())),
            ]);
            rows.extend(surroundings(environment));
            rows.extend(parts(profile));
            rows.extend(circumstances(environment, device.kind));
        }
        None => rows.push(("memory", memory)),
    }
    rows.extend(origin(provenance));
    let notes = profile.environment.as_ref().map_or_else(Vec::new, grade_notes);
    Table::pairs("Machine and circumstances", rows).with_notes(notes)
}

type Row = (&'static str, String);

/// Who measured, when and with what; of quoted figures, where they are from.
fn origin(provenance: &Provenance) -> [Row; 2] {
    let when = if provenance.effort.is_some() { "measured" } else { "quoted, source of" };
    let effort = provenance.effort.map_or_else(String::new, |effort| format!(", effort {}", effort.name()));
    let commit = provenance.commit.as_ref().map_or_else(String::new, |commit| format!(" ({commit})"));
    let compiler = provenance.compiler.as_ref().map_or_else(String::new, |compiler| format!(", {compiler}"));
    let host = provenance.host.map_or_else(String::new, |host| format!(", in a {host}"));
    let by = format!("{} {}{commit}{compiler}{host}", provenance.tool, provenance.version);
    [(when, format!("{}{effort}", provenance.date)), (if provenance.effort.is_some() { "by" } else { "from" }, by)]
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { mib(bytes) }
}

fn processor(device: &DeviceInfo) -> Vec<Row> {
    let caches = device.caches.iter().map(|c| format!("L{} {} × {}", c.level, c.instances, size(c.bytes)));
    let unchecked = || "unknown: operations per cycle are not held against its pipes".to_owned();
    let architecture = match device.isas.as_slice() {
        [] => device.architecture.clone(),
        isas => format!("{}; {}", device.architecture, isas.join(", ")),
    };
    let caches = caches.collect::<Vec<_>>();
    let vectors = device.vector_lengths().map(|lengths| ("vectors", lengths));
    let mut rows = vec![
        ("architecture", architecture),
        ("core design", device.microarchitecture.clone().unwrap_or_else(unchecked)),
        ("caches", if caches.is_empty() { unknown() } else { caches.join(", ") }),
    ];
    rows.splice(1..1, vectors);
    rows
}

/// A GPU, as far as it is known: a quoted one may have neither table.
fn adapter(device: &DeviceInfo, asked: Option<&GpuProvenance>) -> Vec<Row> {
    let mut rows = vec![("architecture", device.microarchitecture.as_ref().unwrap_or(&device.architecture).clone())];
    if let Some(gpu) = &device.gpu {
        rows.extend(own_words(gpu));
    }
    if let Some(asked) = asked {
        let period = asked.timestamp_period_ns.map(|ns| format!(", ticks of {} ns", significant(ns)));
        rows.extend([
            ("backend", asked.backend.clone()),
            ("driver", format!("{} {}", asked.driver, asked.driver_info).trim().to_owned()),
            ("shader checks", asked.shader_checks.clone()),
            ("timer", format!("{}{}", asked.timer, period.unwrap_or_default())),
        ]);
    }
    rows
}

/// What a GPU says of itself.
fn own_words(gpu: &GpuInfo) -> Vec<Row> {
    let limits = &gpu.limits;
    let [x, y, z] = limits.workgroup_size;
    let class = match gpu.class {
        GpuClass::Software => "software: the host's cores run the shaders, so that these are no ceilings of a GPU",
        class => class.name(),
    };
    let place = [("", &gpu.pci_id), ("at ", &gpu.pci_bus)];
    let place = place.into_iter().filter_map(|(word, known)| Some(format!("{word}{}", known.as_ref()?)));
    let subgroup = match (gpu.subgroup_min, gpu.subgroup_max) {
        (Some(min), Some(max)) if min != max => format!("{min} … {max} invocations"),
        (Some(size), _) | (_, Some(size)) => format!("{size} invocations"),
        (None, None) => unknown(),
    };
    let listed = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let group = format!(
        "{} invocations, {x} × {y} × {z} at most, {} shared",
        limits.workgroup_invocations,
        size(limits.workgroup_memory_bytes.into())
    );
    let (binding, buffer) = (mib(limits.binding_bytes), mib(limits.buffer_bytes));
    vec![
        ("class", class.to_owned()),
        ("PCI", Some(place.collect::<Vec<_>>().join(" ")).filter(|place| !place.is_empty()).unwrap_or_else(unknown)),
        ("subgroup", subgroup),
        ("features", listed(&gpu.features)),
        ("cooperative matrices", listed(&gpu.cooperative_matrices)),
        ("buffers", format!("{buffer} at most, {binding} of it bound; {} at once", limits.storage_buffers)),
        ("workgroup", group),
        ("workgroups", format!("{} along each dimension", limits.workgroups_per_dimension)),
    ]
}

/// The circumstances; those of the host's cores only where these were measured.
fn circumstances(environment: &Environment, kind: DeviceKind) -> Vec<Row> {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
    let number = |value: Option<f64>, unit: &str| value.map_or_else(unknown, |v| format!("{}{unit}", significant(v)));
    let count = |value: Option<u32>| value.map_or_else(unknown, |n| n.to_string());
    let yes_no = |known: Option<bool>, name: &Option<String>| match known {
        Some(true) => format!("yes, {}", or_unknown(name)),
        Some(false) => "no".to_owned(),
        None => unknown(),
    };
    let cores = kind == DeviceKind::Cpu;
    let rows = [
        (true, "virtualised", yes_no(environment.virtualised, &environment.hypervisor)),
        (cores, "emulated", yes_no(environment.emulated, &environment.emulator)),
        (cores, "threads", format!("{} of {} allowed CPUs", environment.threads, environment.allowed_cpus.len())),
        (cores, "threads per core", count(environment.smt)),
        (cores, "two cores against one", number(environment.core_scaling, " ×")),
        (cores, "the same, of latency", number(environment.core_scaling_latency, " ×")),
        (cores, "NUMA nodes", count(environment.numa_nodes)),
        (cores, "CPU quota", environment.quota_cpus.map_or("none".to_owned(), |q| format!("{q} CPUs"))),
        (cores, "governor", or_unknown(&environment.governor)),
        (cores, "huge pages", or_unknown(&environment.huge_pages)),
        (environment.power_source.is_some(), "power by", or_unknown(&environment.power_source)),
        (environment.power_missing.is_some(), "no power", or_unknown(&environment.power_missing)),
        (true, "load at the start", number(environment.load_average, "")),
        (cores, "stolen time", number(environment.steal_percent, " %")),
        (cores, "throttled periods", environment.throttled_periods.map_or_else(unknown, |n| n.to_string())),
        (true, "drift", number(environment.drift_percent, " %")),
        (true, "disturbed samples", environment.disturbed_samples.unwrap_or(0).to_string()),
        (true, "grade", environment.grade.map_or("none".to_owned(), |grade| grade.to_string())),
    ];
    rows.into_iter().filter_map(|(shown, what, value)| shown.then_some((what, value))).collect()
}

/// Cores of several kinds, several nodes, and how many threads are worth having: what most machines have nothing to say of.
fn parts(profile: &Profile) -> Vec<Row> {
    let classes = profile.device.core_classes.iter().map(|class| {
        let cpus = class.cpus.as_ref().map_or_else(String::new, |cpus| format!(", CPUs {cpus}"));
        ("core class", format!("{} × {}{cpus}; told by {}", class.cores, class.name, class.told_by))
    });
    let nodes = profile.environment.iter().flat_map(|environment| &environment.nodes).map(|node| {
        let memory = node.memory_bytes.map_or_else(String::new, |bytes| format!(", {}", mib(bytes)));
        ("NUMA node", format!("{}: CPUs {}{memory}", node.node, node.cpus))
    });
    let threads = ThreadAdvice::of(profile).map(|advice| ("threads worth having", advice::threads(&advice)));
    classes.chain(nodes).chain(threads).collect()
}

/// Where the machine stands: what may be of use to whom another machine of the kind is slower.
fn surroundings(environment: &Environment) -> Vec<Row> {
    let kib = |bytes: u32| format!("{} KiB", bytes >> 10);
    let battery = |on: bool| if on { "battery" } else { "mains" }.to_owned();
    let rows = [
        ("firmware", environment.firmware.clone()),
        ("kernel command line", environment.kernel_command_line.clone()),
        ("page size", environment.page_bytes.map(kib)),
        ("fed by", environment.on_battery.map(battery)),
        ("power profile", environment.power_profile.clone()),
        ("memory limit", environment.memory_limit_bytes.map(mib)),
        ("slowed by heat", environment.thermal_throttles.map(|n| format!("{n} times"))),
        ("pages move by themselves", environment.numa_balancing.map(|on| if on { "yes" } else { "no" }.to_owned())),
    ];
    rows.into_iter().filter_map(|(what, value)| Some((what, value?))).collect()
}

/// Why the grade is no better.
fn grade_notes(environment: &Environment) -> Vec<String> {
    let Some(grade) = environment.grade else { return Vec::new() };
    environment.grade_reasons.iter().map(|reason| format!("grade {grade}: {reason}")).collect()
}
