//! What this machine is: read from the operating system, nothing timed.
//!
//! What the system does not report is absent, never guessed.

mod board;
mod control_groups;
mod identity;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod midr;
mod sysfs;

use crate::profile::{DeviceInfo, DeviceKind, Environment, Machine};
use crate::units::four_digits;
use core_affinity::CoreId;
use roofprobe_kernels::Isa;
use std::path::Path;
use std::time::Instant;
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
/// quota; never more than there are allowed logical CPUs.
pub(super) fn read(threads: Option<usize>) -> Result<Topology, String> {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    if allowed.is_empty() {
        return Err("this process is allowed no CPU at all; widen its affinity (taskset, cpuset)".to_owned());
    }
    let sysfs = Sysfs::here();
    let one_per_core = sysfs.one_per_core(&allowed, |core| core.id);
    let cores = match threads {
        None => {
            // The standard library's count is the affinity mask less the control group's quota, rounded down.
            let within_quota = std::thread::available_parallelism().map_or(1, usize::from);
            one_per_core[..one_per_core.len().min(within_quota).max(1)].to_vec()
        }
        Some(0) => return Err("0 threads cannot measure anything; ask for at least one".to_owned()),
        Some(n) if n <= one_per_core.len() => one_per_core[..n].to_vec(),
        Some(n) if n <= allowed.len() => allowed[..n].to_vec(),
        Some(n) => {
            return Err(format!("{n} threads asked for, but this process may run on {} CPUs only", allowed.len()));
        }
    };
    let mut system = sysinfo::System::new().map_err(|e| format!("this system cannot be read: {e}"))?;
    system.refresh_memory();
    system.refresh_cpu_all();
    let caches = sysfs.caches(cores.iter().map(|core| core.id));
    let device = DeviceInfo { caches, ..device(&system, &allowed, &one_per_core) };
    let environment = environment(&system, &allowed, &cores, &device);
    let separate = cores.iter().all(|core| one_per_core.contains(core));
    Ok(Topology { machine: Machine { device, environment }, cores, separate })
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
        memory_bytes: Some(system.total_memory()),
        caches: Vec::new(),
        gpu: None,
    }
}

fn environment(system: &sysinfo::System, allowed: &[CoreId], cores: &[CoreId], device: &DeviceInfo) -> Environment {
    let available = control_groups::memory_left().unwrap_or(u64::MAX).min(system.available_memory());
    let hypervisor = identity::hypervisor();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let built_for = word(Path::new("/proc/sys/kernel/arch"));
    let (emulated, emulator) =
        identity::emulation(&device.architecture, &device.model, hypervisor.as_ref(), &cpuinfo, built_for.as_deref());
    let (sysfs, first) = (Sysfs::here(), cores[0].id);
    let cpus: Vec<usize> = allowed.iter().map(|core| core.id).collect();
    Environment {
        os: std::env::consts::OS.to_owned(),
        kernel: sysinfo::System::kernel_version().ok(),
        virtualised: hypervisor.as_ref().map(Option::is_some),
        hypervisor: hypervisor.flatten(),
        emulated,
        emulator,
        allowed_cpus: allowed.iter().map(|core| core.id as u32).collect(),
        threads: cores.len() as u32,
        smt: sysfs.smt(first),
        numa_nodes: sysfs.numa_nodes(&cpus),
        quota_cpus: control_groups::quota_cpus().map(four_digits),
        governor: sysfs.governor(first),
        huge_pages: bracketed(Path::new("/sys/kernel/mm/transparent_hugepage/enabled")),
        load_average: word(Path::new("/proc/loadavg")).and_then(|load| load.split(' ').next()?.parse().ok()),
        memory_available_bytes: available.max(1),
        timer_ns: four_digits(timer_ns()),
        // What only a measurement can find out.
        ..Environment::default()
    }
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

/// The smallest step of the clock that is seen in a thousand tries, ns.
fn timer_ns() -> f64 {
    let step = |_| {
        let start = Instant::now();
        std::iter::repeat_with(|| start.elapsed()).find(|step| !step.is_zero())
    };
    (0..1000).filter_map(step).min().map_or(1.0, |smallest| smallest.as_nanos() as f64)
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
