//! What Linux tells of cores and caches below `/sys/devices/system`. Elsewhere there is nothing to read, and nothing is told.

use super::cores::{Kind, LogicalCpu};
use super::{listed, midr, ranges, word};
use crate::profile::Cache;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A folder with `cpu` and `node` below it: the system's own, or a recorded one.
pub(super) struct Sysfs {
    pub(super) root: PathBuf,
}

impl Sysfs {
    /// This system's.
    pub(super) fn here() -> Sysfs {
        Sysfs { root: PathBuf::from("/sys/devices/system") }
    }

    fn of_cpu(&self, cpu: usize, below: &str) -> Option<String> {
        word(&self.root.join(format!("cpu/cpu{cpu}/{below}")))
    }

    /// Data and unified caches that these CPUs reach, nearest first. An instance that they share counts once, one that none of
    /// them reaches does not; instances of one level that differ in size stand apart.
    pub(super) fn caches(&self, cpus: impl IntoIterator<Item = usize>) -> Vec<Cache> {
        // One instance is one set of CPUs at one level.
        let mut instances: BTreeMap<(u32, String), u64> = BTreeMap::new();
        for cpu in cpus {
            for index in 0.. {
                let file = |name: &str| self.of_cpu(cpu, &format!("cache/index{index}/{name}"));
                let Some(kind) = file("type") else { break };
                let level = file("level").and_then(|l| l.parse().ok());
                let (Some(level), Some(bytes)) = (level, file("size").and_then(|size| bytes_of(&size))) else {
                    continue;
                };
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

    /// SMT siblings share one core's pipes and do not count as cores: the first one allowed stands for the core.
    pub(super) fn one_per_core<C: Copy>(&self, allowed: &[C], cpu: impl Fn(C) -> usize) -> Vec<C> {
        let mut seen = BTreeSet::new();
        let siblings = |core: C| self.of_cpu(cpu(core), "topology/thread_siblings_list");
        allowed.iter().copied().filter(|&core| siblings(core).is_none_or(|list| seen.insert(list))).collect()
    }

    /// Hardware threads of that CPU's core.
    pub(super) fn smt(&self, cpu: usize) -> Option<u32> {
        self.of_cpu(cpu, "topology/thread_siblings_list").map(|list| listed(&list)).filter(|&n| n > 0)
    }

    /// The frequency governor of that CPU.
    pub(super) fn governor(&self, cpu: usize) -> Option<String> {
        self.of_cpu(cpu, "cpufreq/scaling_governor")
    }

    /// What it prefers between speed and energy, where that can be chosen.
    pub(super) fn energy_preference(&self, cpu: usize) -> Option<String> {
        self.of_cpu(cpu, "cpufreq/energy_performance_preference")
    }

    /// NUMA nodes that have one of these CPUs; `None` where the system names none.
    pub(super) fn numa_nodes(&self, cpus: &[usize]) -> Option<u32> {
        let lists = self.node_lists();
        let ours = lists.iter().filter(|(_, list)| cpus.iter().any(|&cpu| is_in(list, cpu as u32)));
        Some(ours.count() as u32).filter(|&n| n > 0)
    }

    /// The CPUs of each node, by its number.
    fn node_lists(&self) -> Vec<(u32, String)> {
        let nodes = std::fs::read_dir(self.root.join("node")).into_iter().flatten().flatten();
        let list = |folder: std::fs::DirEntry| {
            let node = folder.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
            Some((node, word(&folder.path().join("cpulist"))?))
        };
        let mut lists: Vec<(u32, String)> = nodes.filter_map(list).collect();
        lists.sort();
        lists
    }

    /// Memory of a node, bytes.
    pub(super) fn node_memory_bytes(&self, node: u32) -> Option<u64> {
        let meminfo = word(&self.root.join(format!("node/node{node}/meminfo")))?;
        let total = meminfo.lines().find_map(|line| Some(line.split_once("MemTotal:")?.1))?;
        let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib << 10).filter(|&bytes| bytes > 0)
    }

    /// What is told of these CPUs. `cpuinfo` is the text of `/proc/cpuinfo`, which names AArch64 cores where their registers are hidden.
    pub(super) fn logical_cpus(&self, cpus: &[u32], cpuinfo: &str) -> Vec<LogicalCpu> {
        let nodes = self.node_lists();
        let listed_midrs: BTreeMap<u32, u64> = midr::from_cpuinfo(cpuinfo).into_iter().collect();
        // The kernel has a PMU for each kind of x86 core, beside `system`.
        let of_kind = |name: &str| self.root.parent().and_then(|devices| word(&devices.join(name).join("cpus")));
        let kinds = [("cpu_core", Kind::Performance), ("cpu_atom", Kind::Efficient), ("cpu_lowpower", Kind::Efficient)];
        let kinds = kinds.map(|(name, kind)| (of_kind(name).unwrap_or_default(), kind));
        let one = |&cpu: &u32| {
            let at = cpu as usize;
            let number = |below: &str| self.of_cpu(at, below)?.parse().ok();
            let register = self.of_cpu(at, "regs/identification/midr_el1");
            let midr = register.and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok());
            LogicalCpu {
                cpu,
                kind: kinds.iter().find(|(list, _)| is_in(list, cpu)).map(|&(_, kind)| kind),
                midr: midr.or_else(|| listed_midrs.get(&cpu).copied()),
                capacity: number("cpu_capacity").and_then(|capacity| u32::try_from(capacity).ok()),
                max_khz: number("cpufreq/cpuinfo_max_freq"),
                node: nodes.iter().find(|(_, list)| is_in(list, cpu)).map(|&(node, _)| node),
                last_cache: self.last_cache(at),
            }
        };
        cpus.iter().map(one).collect()
    }

    /// The CPUs that share the farthest cache of that CPU.
    fn last_cache(&self, cpu: usize) -> Option<String> {
        let level = |index: usize| self.of_cpu(cpu, &format!("cache/index{index}/level"))?.parse::<u32>().ok();
        let farthest = (0..).map_while(|index| Some((level(index)?, index))).max()?;
        self.of_cpu(cpu, &format!("cache/index{}/shared_cpu_list", farthest.1))
    }

    /// Times that these CPUs were slowed down because of their temperature so far; `None` where none of them says.
    pub(super) fn thermal_throttles(&self, cpus: &[u32]) -> Option<u64> {
        let count = |&cpu: &u32| self.of_cpu(cpu as usize, "thermal_throttle/core_throttle_count")?.parse::<u64>().ok();
        cpus.iter().filter_map(count).reduce(u64::saturating_add)
    }
}

/// Whether a list such as `0-3,8` has that CPU.
fn is_in(list: &str, cpu: u32) -> bool {
    ranges(list).any(|range| range.contains(&cpu))
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

#[cfg(test)]
mod tests {
    use super::super::recorded::recorded;
    use super::*;

    /// Level, KiB, instances, CPUs that share one.
    fn told(tree: &str, cpus: impl IntoIterator<Item = usize>) -> Vec<(u32, u64, u32, u32)> {
        let caches = recorded(tree).sysfs.caches(cpus);
        caches.iter().map(|c| (c.level, c.bytes >> 10, c.instances, c.shared_by)).collect()
    }

    const TWO_CCX: &str = include_str!("../../../../tests/data/topology/two-ccx.txt");
    const STACKED: &str = include_str!("../../../../tests/data/topology/stacked-cache.txt");
    const HYBRID: &str = include_str!("../../../../tests/data/topology/hybrid.txt");
    const VIRTUAL: &str = include_str!("../../../../tests/data/topology/virtual-machine.txt");

    #[test]
    fn only_the_caches_that_the_cores_reach_count() {
        let third = |cpus: std::ops::Range<usize>| told(TWO_CCX, cpus).pop().unwrap();
        assert_eq!(told(TWO_CCX, 0..16), [(1, 32, 16, 2), (2, 1024, 16, 2), (3, 32768, 2, 16)]);
        // Half a complex, two halves, the other one.
        assert_eq!([third(0..4), third(6..10), third(8..16)].map(|(.., n, _)| n), [1, 2, 1]);
    }

    #[test]
    fn caches_of_one_level_that_differ_in_size_stand_apart() {
        let third = |cpus| told(STACKED, cpus).into_iter().filter(|c| c.0 == 3).collect::<Vec<_>>();
        assert_eq!(third(0..16), [(3, 98304, 1, 16), (3, 32768, 1, 16)]);
        assert_eq!(third(8..16), [(3, 32768, 1, 16)], "the larger one is out of reach");
    }

    #[test]
    fn cores_of_two_kinds_have_caches_of_two_sizes() {
        let tree = recorded(HYBRID);
        let allowed: Vec<usize> = (0..12).collect();
        let cores = tree.sysfs.one_per_core(&allowed, |cpu| cpu);
        assert_eq!(cores, [0, 2, 4, 6, 8, 9, 10, 11]);
        assert_eq!([0, 8].map(|cpu| tree.sysfs.smt(cpu)), [Some(2), Some(1)]);
        let caches = told(HYBRID, cores);
        assert_eq!(
            caches,
            [(1, 48, 4, 2), (1, 32, 4, 1), (2, 1280, 4, 2), (2, 2048, 1, 4), (3, 12288, 1, 12)],
            "one L2 for all E cores"
        );
    }

    #[test]
    fn a_virtual_machine_tells_what_its_host_has() {
        assert_eq!(told(VIRTUAL, 0..2), [(1, 48, 2, 1), (2, 2048, 2, 1), (3, 307_200, 1, 2)]);
        let tree = recorded(VIRTUAL);
        assert_eq!((tree.sysfs.numa_nodes(&[0, 1]), tree.sysfs.governor(0)), (Some(1), None));
        assert_eq!(tree.sysfs.numa_nodes(&[7]), None);
        // A system that tells nothing.
        assert_eq!(recorded("").sysfs.caches(0..2), []);
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes_of("32768K"), Some(32 << 20));
        assert_eq!(bytes_of("1M"), Some(1 << 20));
        assert_eq!(bytes_of("512"), Some(512));
        assert_eq!(bytes_of("K"), None);
    }
}
