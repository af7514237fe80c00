//! What this machine is: read from the operating system, nothing timed.
//!
//! What the system does not report is absent, never guessed.

mod board;
mod control_groups;
mod cores;
mod identity;
mod midr;
#[cfg(test)]
mod recorded;
mod surroundings;
mod sysfs;

use super::timer;
use crate::profile::{CoreClass, CpuList, DeviceInfo, DeviceKind, Environment, Machine, NumaNode};
use crate::units::four_digits;
use control_groups::ControlGroups;
use core_affinity::CoreId;
use cores::LogicalCpu;
use roofprobe_kernels::Isa;
use std::path::Path;
use surroundings::Surroundings;
use sysfs::Sysfs;

pub(in crate::device) use control_groups::Taken;

/// The CPU as it presents itself, and the cores that a team may use: one logical CPU per physical core within the
/// allowed set.
pub(super) struct Topology {
    pub(super) machine: Machine,
    pub(super) cores: Vec<CoreId>,
    /// Whether the system calls each of them a core of its own.
    pub(super) separate: bool,
}

/// Reads the machine. `threads` asks for fewer (or more) threads than the default of one per allowed core within the
/// quota; never more than there are allowed logical CPUs. The first threads are on the fastest cores, and spread over caches and nodes.
pub(super) fn read(threads: Option<usize>) -> Result<Topology, String> {
    let allowed = core_affinity::get_core_ids().unwrap_or_else(cpus_online);
    if allowed.is_empty() {
        return Err("this process is allowed no CPU at all; widen its affinity (taskset, cpuset)".to_owned());
    }
    let timer_s = timer::step().ok_or("the clock stands still: nothing can be timed by it")?;
    let sysfs = Sysfs::here();
    let one_per_core = sysfs.one_per_core(&allowed, |core| core.id);
    let logical = logical_cpus(&sysfs, &one_per_core);
    let ordered: Vec<CoreId> = cores::order(&logical).into_iter().map(|at| one_per_core[at]).collect();
    let cores = match threads {
        None => {
            // The standard library's count is the affinity mask less the control group's quota, rounded down.
            let within_quota = std::thread::available_parallelism().map_or(1, usize::from);
            ordered[..ordered.len().min(within_quota).max(1)].to_vec()
        }
        Some(0) => return Err("0 threads cannot measure anything; ask for at least one".to_owned()),
        Some(n) if n <= ordered.len() => ordered[..n].to_vec(),
        Some(n) if n <= allowed.len() => {
            let siblings = allowed.iter().filter(|core| !ordered.contains(core));
            ordered.iter().chain(siblings).take(n).copied().collect()
        }
        Some(n) => {
            return Err(format!("{n} threads asked for, but this process may run on {} CPUs only", allowed.len()));
        }
    };
    let mut system = sysinfo::System::new().map_err(|e| format!("this system cannot be read: {e}"))?;
    system.refresh_memory();
    system.refresh_cpu_all();
    let caches = sysfs.caches(cores.iter().map(|core| core.id));
    let used: Vec<LogicalCpu> =
        logical.into_iter().filter(|known| cores.iter().any(|core| core.id == known.cpu as usize)).collect();
    let device = DeviceInfo { caches, core_classes: core_classes(&used), ..device(&system, &allowed, &one_per_core) };
    let environment =
        Environment { nodes: nodes(&sysfs, &used), ..environment(&system, &allowed, &cores, &device, timer_s) };
    let separate = cores.iter().all(|core| one_per_core.contains(core));
    Ok(Topology { machine: Machine { device, environment }, cores, separate })
}

/// Where the system refuses to say which CPUs the process may run on: as many as it says are there.
fn cpus_online() -> Vec<CoreId> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    (0..count).map(|id| CoreId { id }).collect()
}

/// Times that these CPUs were slowed down because of their temperature so far, where the system counts them.
pub(super) fn thermal_throttles(cpus: &[u32]) -> Option<u64> {
    Sysfs::here().thermal_throttles(cpus)
}

/// What the system tells of these CPUs, in their order; what it does not tell of their kinds, the cores themselves do.
fn logical_cpus(sysfs: &Sysfs, cores: &[CoreId]) -> Vec<LogicalCpu> {
    let cpus: Vec<u32> = cores.iter().map(|core| core.id as u32).collect();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut logical = sysfs.logical_cpus(&cpus, &cpuinfo);
    if logical.iter().any(|core| core.kind.is_none()) {
        for (core, kind) in logical.iter_mut().zip(identity::kinds(cores)) {
            core.kind = kind;
        }
    }
    logical
}

#[cfg(not(target_os = "macos"))]
fn core_classes(cores: &[LogicalCpu]) -> Vec<CoreClass> {
    cores::described(cores)
}

/// Of macOS the performance levels; where it tells none, as of any other system.
#[cfg(target_os = "macos")]
fn core_classes(cores: &[LogicalCpu]) -> Vec<CoreClass> {
    let told = std::process::Command::new("/usr/sbin/sysctl").arg("hw").output();
    let levels = told.map(|told| cores::performance_levels(&String::from_utf8_lossy(&told.stdout)));
    levels.ok().filter(|levels| !levels.is_empty()).unwrap_or_else(|| cores::described(cores))
}

/// The nodes that have these cores, where there are several.
fn nodes(sysfs: &Sysfs, cores: &[LogicalCpu]) -> Vec<NumaNode> {
    let mut numbers: Vec<u32> = cores.iter().filter_map(|core| core.node).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let node = |node: u32| {
        let cpus = CpuList::of(cores.iter().filter(|core| core.node == Some(node)).map(|core| core.cpu))?;
        Some(NumaNode { node, cpus, memory_bytes: sysfs.node_memory_bytes(node) })
    };
    if numbers.len() < 2 { Vec::new() } else { numbers.into_iter().filter_map(node).collect() }
}

fn device(system: &sysinfo::System, allowed: &[CoreId], one_per_core: &[CoreId]) -> DeviceInfo {
    let (vendor, model) = identity::vendor_and_model(system);
    let microarchitecture = identity::microarchitecture(&model);
    let name = microarchitecture.as_ref().map_or(model.clone(), |m| format!("{model} ({m})"));
    DeviceInfo {
        name: format!("{name}, {} cores", one_per_core.len()).replace(", 1 cores", ", 1 core"),
        kind: DeviceKind::Cpu,
        vendor,
        model,
        microarchitecture,
        board: board::board(Path::new("/")),
        soc: board::soc(Path::new("/")),
        architecture: std::env::consts::ARCH.to_owned(),
        isas: Isa::ALL.iter().filter(|isa| isa.available()).map(|isa| isa.name().to_owned()).collect(),
        isas_unused: identity::isas_unused(),
        sve_bits: Isa::Sve.vector_bits().map(|bits| bits as u32),
        sme_bits: Isa::Sme.vector_bits().map(|bits| bits as u32),
        logical_cpus: Some(system.cpus().len().max(allowed.len()) as u32),
        cores: Some(sysinfo::System::physical_core_count().unwrap_or(one_per_core.len()) as u32),
        memory_bytes: Some(installed_bytes(system)).filter(|&bytes| bytes > 0),
        caches: Vec::new(),
        core_classes: Vec::new(),
        gpu: None,
    }
}

fn environment(
    system: &sysinfo::System,
    allowed: &[CoreId],
    cores: &[CoreId],
    device: &DeviceInfo,
    timer_s: f64,
) -> Environment {
    let groups = ControlGroups::here();
    let available = groups.memory_left().unwrap_or(u64::MAX).min(available_bytes(system));
    let hypervisor = identity::hypervisor();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let built_for = word(Path::new("/proc/sys/kernel/arch"));
    let (emulated, emulator) =
        identity::emulation(&device.architecture, &device.model, hypervisor.as_ref(), &cpuinfo, built_for.as_deref());
    let (sysfs, first) = (Sysfs::here(), cores[0].id);
    let cpus: Vec<usize> = allowed.iter().map(|core| core.id).collect();
    let mut environment = Environment {
        os: std::env::consts::OS.to_owned(),
        kernel: sysinfo::System::kernel_version().ok(),
        virtualised: hypervisor.as_ref().map(Option::is_some),
        hypervisor: hypervisor.flatten(),
        emulated,
        emulator,
        allowed_cpus: allowed.iter().map(|core| core.id as u32).collect(),
        threads: cores.len() as u32,
        // Where threads cannot be pinned, no list of CPUs would be true.
        pinned_cpus: CpuList::of(cores.iter().map(|core| core.id as u32)).filter(|_| cfg!(not(target_os = "macos"))),
        smt: sysfs.smt(first),
        numa_nodes: sysfs.numa_nodes(&cpus),
        quota_cpus: groups.quota_cpus().map(four_digits),
        governor: sysfs.governor(first),
        power_profile: sysfs.energy_preference(first),
        huge_pages: bracketed(Path::new("/sys/kernel/mm/transparent_hugepage/enabled")),
        load_average: word(Path::new("/proc/loadavg")).and_then(|load| load.split(' ').next()?.parse().ok()),
        memory_available_bytes: available.max(1),
        // Version 1 writes no limit as a number beyond any memory.
        memory_limit_bytes: groups.memory_limit().filter(|&limit| device.memory_bytes.is_some_and(|all| limit < all)),
        timer_ns: four_digits(timer_s * 1e9),
        // What only a measurement can find out.
        ..Environment::default()
    };
    Surroundings::here().note(&mut environment);
    environment
}

/// Installed memory, bytes; 0 where nothing tells.
fn installed_bytes(system: &sysinfo::System) -> u64 {
    match system.total_memory() {
        0 => kernel_memory().0,
        bytes => bytes,
    }
}

/// Memory that can be allocated, bytes; 0 where nothing tells.
fn available_bytes(system: &sysinfo::System) -> u64 {
    match system.total_memory() {
        0 => kernel_memory().1,
        _ => system.available_memory(),
    }
}

/// What the kernel's own call tells where /proc is hidden: memory in all, and what is free or holds buffers; bytes.
#[cfg(target_os = "linux")]
fn kernel_memory() -> (u64, u64) {
    let told = rustix::system::sysinfo();
    let bytes = |units: u64| units.saturating_mul(u64::from(told.mem_unit.max(1)));
    (bytes(told.totalram as u64), bytes((told.freeram as u64).saturating_add(told.bufferram as u64)))
}

#[cfg(not(target_os = "linux"))]
fn kernel_memory() -> (u64, u64) {
    (0, 0)
}

fn word(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let word = text.trim();
    (!word.is_empty()).then(|| word.to_owned())
}

/// The chosen one of a list such as `always [madvise] never`.
fn bracketed(path: &Path) -> Option<String> {
    let text = word(path)?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// How many CPUs a list such as `0-3,8` names.
fn listed(list: &str) -> u32 {
    ranges(list).map(|range| range.end() - range.start() + 1).sum()
}

/// The ranges of a list such as `0-3,8`; what is no range is left out.
fn ranges(list: &str) -> impl Iterator<Item = std::ops::RangeInclusive<u32>> + '_ {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to).then_some(from..=to)
    };
    list.split(',').filter_map(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(listed("0-3,8"), 5);
        assert_eq!(listed("7"), 1);
        assert_eq!(listed(""), 0);
        assert_eq!(listed("3-0"), 0);
        let has = |cpu: u32| ranges("0-3,8").any(|range| range.contains(&cpu));
        assert_eq!([0, 3, 4, 8].map(has), [true, true, false, true]);
    }

    #[test]
    fn what_is_read_here_makes_a_valid_machine() {
        let topology = read(Some(1)).unwrap();
        let environment = topology.machine.environment;
        assert_eq!((environment.threads, topology.cores.len(), topology.separate), (1, 1, true));
        assert!(environment.smt.is_none_or(|n| n >= 1) && environment.numa_nodes.is_none_or(|n| n >= 1));
        assert!(environment.emulator.is_none() || environment.emulated == Some(true));
        assert!(read(Some(0)).is_err() && read(Some(1 << 20)).is_err());
    }
}
