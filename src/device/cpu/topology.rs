//! What this machine is: read from the operating system, nothing timed.
//!
//! Whatever cannot be told is absent, never guessed.

use crate::profile::{Cache, DeviceInfo, DeviceKind, Environment, Machine};
use core_affinity::CoreId;
use roofprobe_kernels::Isa;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The CPU as it presents itself, and the cores that a team may use: one logical CPU per physical core within the
/// allowed set.
pub(super) struct Topology {
    pub(super) machine: Machine,
    pub(super) cores: Vec<CoreId>,
}

/// Reads the machine. `threads` asks for fewer (or more) threads than the default of one per allowed core within the
/// quota; never more than there are allowed logical CPUs.
pub(super) fn read(threads: Option<usize>) -> Result<Topology, String> {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    if allowed.is_empty() {
        return Err("this process is allowed no CPU at all; widen its affinity (taskset, cpuset)".to_owned());
    }
    let one_per_core = one_per_core(&allowed);
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
    let (vendor, model) = identity(&system);
    let microarchitecture = microarchitecture();
    let logical_cpus = system.cpus().len().max(allowed.len());
    let available = memory_left_in_groups().unwrap_or(u64::MAX).min(system.available_memory());
    let name = microarchitecture.as_ref().map_or(model.clone(), |m| format!("{model} ({m})"));
    let device = DeviceInfo {
        name: format!("{name}, {} cores", one_per_core.len()).replace(", 1 cores", ", 1 core"),
        kind: DeviceKind::Cpu,
        vendor,
        model,
        microarchitecture,
        architecture: std::env::consts::ARCH.to_owned(),
        isas: Isa::ALL.iter().filter(|isa| isa.available()).map(|isa| isa.name().to_owned()).collect(),
        logical_cpus: logical_cpus as u32,
        cores: sysinfo::System::physical_core_count().unwrap_or(one_per_core.len()) as u32,
        memory_bytes: system.total_memory(),
        caches: caches(&one_per_core),
    };
    let hypervisor = hypervisor();
    let environment = Environment {
        os: std::env::consts::OS.to_owned(),
        kernel: sysinfo::System::kernel_version().ok(),
        virtualised: hypervisor.as_ref().map(Option::is_some),
        hypervisor: hypervisor.flatten(),
        allowed_cpus: allowed.iter().map(|core| core.id as u32).collect(),
        threads: cores.len() as u32,
        quota_cpus: quota_cpus().map(crate::units::four_digits),
        governor: word(&cpu_path(cores[0], "cpufreq/scaling_governor")),
        huge_pages: bracketed(Path::new("/sys/kernel/mm/transparent_hugepage/enabled")),
        memory_available_bytes: available.max(1),
        steal_percent: None,
        throttled_periods: None,
        drift_percent: None,
        disturbed_samples: None,
        timer_ns: crate::units::four_digits(timer_ns()),
    };
    Ok(Topology { machine: Machine { device, environment }, cores })
}

fn cpu_path(core: CoreId, below: &str) -> PathBuf {
    PathBuf::from(format!("/sys/devices/system/cpu/cpu{}/{below}", core.id))
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

/// SMT siblings share one core's pipes and do not count as cores: the first allowed sibling stands for the core.
fn one_per_core(allowed: &[CoreId]) -> Vec<CoreId> {
    let mut seen = BTreeSet::new();
    allowed
        .iter()
        .copied()
        .filter(|&core| match word(&cpu_path(core, "topology/thread_siblings_list")) {
            Some(siblings) => seen.insert(siblings),
            None => true,
        })
        .collect()
}

/// Data and unified caches of the allowed cores, from sysfs; empty where there is none.
fn caches(cores: &[CoreId]) -> Vec<Cache> {
    // One instance is one set of CPUs at one level.
    let mut instances: BTreeMap<(u32, String), u64> = BTreeMap::new();
    for &core in cores {
        for index in 0.. {
            let file = |name: &str| word(&cpu_path(core, &format!("cache/index{index}/{name}")));
            let Some(kind) = file("type") else { break };
            let level = file("level").and_then(|l| l.parse().ok());
            let (Some(level), Some(bytes)) = (level, file("size").and_then(|size| bytes_of(&size))) else { continue };
            if kind != "Instruction" {
                instances.insert((level, file("shared_cpu_list").unwrap_or_default()), bytes);
            }
        }
    }
    let mut caches: Vec<Cache> = Vec::new();
    for ((level, shared), bytes) in instances {
        match caches.iter_mut().find(|c| c.level == level && c.bytes == bytes) {
            Some(cache) => cache.instances += 1,
            None => caches.push(Cache { level, bytes, instances: 1, shared_by: listed(&shared).max(1) }),
        }
    }
    caches
}

/// Bytes of a sysfs size such as `32768K`.
fn bytes_of(size: &str) -> Option<u64> {
    let (digits, shift) = match size.strip_suffix(['K', 'M']) {
        Some(digits) if size.ends_with('K') => (digits, 10),
        Some(digits) => (digits, 20),
        None => (size, 0),
    };
    digits.parse::<u64>().ok().filter(|&n| n > 0).map(|n| n << shift)
}

/// How many CPUs a list such as `0-3,8` names.
fn listed(list: &str) -> u32 {
    list.split(',')
        .filter_map(|part| match part.split_once('-') {
            Some((from, to)) => Some(to.parse::<u32>().ok()?.checked_sub(from.parse().ok()?)? + 1),
            None => part.parse::<u32>().ok().map(|_| 1),
        })
        .sum()
}

/// Vendor and model as the CPU names itself.
fn identity(system: &sysinfo::System) -> (String, String) {
    let first = system.cpus().first();
    let or_unknown = |text: &str| if text.trim().is_empty() { "unknown".to_owned() } else { text.trim().to_owned() };
    let vendor = match first.map_or("", |cpu| cpu.vendor_id()) {
        "AuthenticAMD" => "AMD".to_owned(),
        "GenuineIntel" => "Intel".to_owned(),
        other => or_unknown(other),
    };
    (vendor, or_unknown(first.map_or("", |cpu| cpu.brand())))
}

/// The core design by family and model, for those whose pipes are known to the gates.
#[cfg(target_arch = "x86_64")]
fn microarchitecture() -> Option<String> {
    let cpuid = raw_cpuid::CpuId::new();
    let vendor = cpuid.get_vendor_info()?;
    let feature = cpuid.get_feature_info()?;
    let name = match (vendor.as_str(), feature.family_id(), feature.model_id()) {
        ("AuthenticAMD", 0x17, 0x30..) => "Zen 2",
        ("AuthenticAMD", 0x17, _) => "Zen",
        ("AuthenticAMD", 0x19, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf) => "Zen 4",
        ("AuthenticAMD", 0x19, _) => "Zen 3",
        ("AuthenticAMD", 0x1a, _) => "Zen 5",
        ("GenuineIntel", 6, 0x55) => "Skylake-SP",
        ("GenuineIntel", 6, 0x6a | 0x6c) => "Ice Lake-SP",
        ("GenuineIntel", 6, 0x8f) => "Sapphire Rapids",
        ("GenuineIntel", 6, 0xcf) => "Emerald Rapids",
        ("GenuineIntel", 6, 0x3c | 0x3f | 0x45 | 0x46) => "Haswell",
        ("GenuineIntel", 6, 0x3d | 0x47 | 0x4f | 0x56) => "Broadwell",
        ("GenuineIntel", 6, 0x4e | 0x5e | 0x8e | 0x9e | 0xa5 | 0xa6) => "Skylake",
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
fn microarchitecture() -> Option<String> {
    None
}

/// `None`: cannot be told. `Some(None)`: bare metal. `Some(Some(name))`: virtualised.
#[cfg(target_arch = "x86_64")]
fn hypervisor() -> Option<Option<String>> {
    let cpuid = raw_cpuid::CpuId::new();
    if !cpuid.get_feature_info()?.has_hypervisor() {
        return Some(None);
    }
    let name = cpuid.get_hypervisor_info().map(|info| match info.identify() {
        raw_cpuid::Hypervisor::Unknown(..) => "unknown".to_owned(),
        known => format!("{known:?}"),
    });
    Some(Some(name.unwrap_or_else(|| "unknown".to_owned())))
}

#[cfg(not(target_arch = "x86_64"))]
fn hypervisor() -> Option<Option<String>> {
    None
}

/// The smallest step of the clock that is seen in a thousand tries, ns.
fn timer_ns() -> f64 {
    let smallest = (0..1000)
        .map(|_| {
            let start = Instant::now();
            loop {
                let step = start.elapsed();
                if !step.is_zero() {
                    return step.as_nanos();
                }
            }
        })
        .min();
    smallest.unwrap_or(1) as f64
}

/// Folders of this process's control group for `controller`, innermost first; version 2 or 1.
fn control_groups(controller: &str) -> Vec<PathBuf> {
    let Ok(groups) = std::fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let root = match controllers {
            "" => PathBuf::from("/sys/fs/cgroup"),
            list if list.split(',').any(|c| c == controller) => Path::new("/sys/fs/cgroup").join(controller),
            _ => continue,
        };
        let inner = Path::new(path.trim_start_matches('/'));
        folders.extend(inner.ancestors().map(|part| root.join(part)));
    }
    folders
}

/// What the tightest memory limit of this process's control groups leaves, bytes.
fn memory_left_in_groups() -> Option<u64> {
    let number = |path: PathBuf| word(&path)?.parse::<u64>().ok();
    let left_of = |folder: PathBuf| {
        let limit = number(folder.join("memory.max")).or_else(|| number(folder.join("memory.limit_in_bytes")))?;
        let used = number(folder.join("memory.current")).or_else(|| number(folder.join("memory.usage_in_bytes")))?;
        // Cached files count as used, and are given up when memory is wanted.
        let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let field = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let cached = |kind: &str| field(&format!("total_{kind} ")).or_else(|| field(&format!("{kind} "))).unwrap_or(0);
        Some(limit.saturating_sub(used.saturating_sub(cached("inactive_file") + cached("active_file"))))
    };
    control_groups("memory").into_iter().filter_map(left_of).min()
}

/// The tightest quota of this process's control groups, in CPUs.
fn quota_cpus() -> Option<f64> {
    let quota_of = |folder: PathBuf| {
        if let Some(max) = word(&folder.join("cpu.max")) {
            let (quota, period) = max.split_once(' ')?;
            return Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?);
        }
        let quota: f64 = word(&folder.join("cpu.cfs_quota_us"))?.parse().ok()?;
        let period: f64 = word(&folder.join("cpu.cfs_period_us"))?.parse().ok()?;
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    };
    control_groups("cpu").into_iter().filter_map(quota_of).filter(|q| q.is_finite() && *q > 0.0).min_by(f64::total_cmp)
}

/// What was taken from the process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Taken {
    /// Ticks that the hypervisor gave to others, all CPUs.
    pub(super) steal_ticks: Option<u64>,
    /// Ticks in all, all CPUs.
    pub(super) all_ticks: u64,
    /// Periods in which the control group was throttled.
    pub(super) throttled_periods: Option<u64>,
}

impl Taken {
    /// Reads the system's books.
    pub(super) fn now() -> Taken {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> =
            stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
        // Every group above throttles what is in it.
        let throttled = control_groups("cpu").into_iter().filter_map(|folder| {
            let stat = std::fs::read_to_string(folder.join("cpu.stat")).ok()?;
            stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok())
        });
        let throttled_periods = throttled.reduce(u64::saturating_add);
        // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
        Taken { steal_ticks: ticks.get(7).copied(), all_ticks: ticks.iter().take(8).sum(), throttled_periods }
    }

    /// Whether anything was taken between `earlier` and now.
    pub(super) fn more_than(self, earlier: Taken) -> bool {
        self.steal_ticks > earlier.steal_ticks || self.throttled_periods > earlier.throttled_periods
    }

    /// The share stolen between `earlier` and now, percent.
    pub(super) fn steal_percent_since(self, earlier: Taken) -> Option<f64> {
        let all = self.all_ticks.checked_sub(earlier.all_ticks).filter(|&n| n > 0)?;
        Some(self.steal_ticks?.checked_sub(earlier.steal_ticks?)? as f64 / all as f64 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysfs_words_are_read() {
        assert_eq!(bytes_of("32768K"), Some(32 << 20));
        assert_eq!(bytes_of("1M"), Some(1 << 20));
        assert_eq!(bytes_of("512"), Some(512));
        assert_eq!(bytes_of("K"), None);
        assert_eq!(listed("0-3,8"), 5);
        assert_eq!(listed("7"), 1);
        assert_eq!(listed(""), 0);
        assert_eq!(listed("3-0"), 0);
    }

    #[test]
    fn what_was_taken_is_a_difference() {
        let before = Taken { steal_ticks: Some(10), all_ticks: 1000, throttled_periods: None };
        let after = Taken { steal_ticks: Some(15), all_ticks: 2000, throttled_periods: None };
        assert!(after.more_than(before) && !before.more_than(before));
        assert_eq!(after.steal_percent_since(before), Some(0.5));
        assert_eq!(before.steal_percent_since(before), None);
    }
}
