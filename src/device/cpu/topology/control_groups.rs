//! What others leave to this process: quota, memory, and the system's books of time taken away.

use super::word;
use crate::profile::Environment;
use crate::units::four_digits;
use std::path::{Path, PathBuf};

/// The control groups of this process, below a root folder: the system's own, or a recorded one.
pub(super) struct ControlGroups {
    root: PathBuf,
}

impl ControlGroups {
    /// This system's.
    pub(super) fn here() -> ControlGroups {
        ControlGroups { root: PathBuf::from("/") }
    }

    /// Folders of this process's control group for `controller`, innermost first; version 2 or 1.
    fn folders(&self, controller: &str) -> Vec<PathBuf> {
        let groups = std::fs::read_to_string(self.root.join("proc/self/cgroup")).unwrap_or_default();
        let mounts = self.root.join("sys/fs/cgroup");
        let mut folders = Vec::new();
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let roots = match controllers {
                // Beside version 1, systemd mounts version 2 in a folder of its own.
                "" => ["unified", ""],
                // Several controllers may share a folder, which then has a link for each of them, or none.
                list if list.split(',').any(|c| c == controller) => [controller, list],
                _ => continue,
            };
            let Some(root) = roots.map(|name| mounts.join(name)).into_iter().find(|root| root.is_dir()) else {
                continue;
            };
            let inner = Path::new(path.trim_start_matches('/'));
            folders.extend(inner.ancestors().map(|part| root.join(part)));
        }
        if groups.is_empty() {
            // Without /proc the root of what is mounted is all that can be known: in a container that is its own group.
            folders.extend([mounts.clone(), mounts.join(controller)]);
        }
        folders
    }

    /// What the tightest memory limit of this process's control groups leaves, bytes.
    pub(super) fn memory_left(&self) -> Option<u64> {
        let number = |path: PathBuf| word(&path)?.parse::<u64>().ok();
        let left_of = |folder: PathBuf| {
            let limit = number(folder.join("memory.max")).or_else(|| number(folder.join("memory.limit_in_bytes")))?;
            let used =
                number(folder.join("memory.current")).or_else(|| number(folder.join("memory.usage_in_bytes")))?;
            // Cached files count as used, and are given up when memory is needed.
            let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
            let field = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            let cached =
                |kind: &str| field(&format!("total_{kind} ")).or_else(|| field(&format!("{kind} "))).unwrap_or(0);
            Some(limit.saturating_sub(used.saturating_sub(cached("inactive_file") + cached("active_file"))))
        };
        self.folders("memory").into_iter().filter_map(left_of).min()
    }

    /// The tightest memory limit of this process's control groups, bytes.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        let limit_of = |folder: PathBuf| {
            let limit = word(&folder.join("memory.max")).or_else(|| word(&folder.join("memory.limit_in_bytes")))?;
            limit.parse().ok()
        };
        self.folders("memory").into_iter().filter_map(limit_of).min()
    }

    /// The tightest quota of this process's control groups, in CPUs.
    pub(super) fn quota_cpus(&self) -> Option<f64> {
        let quota_of = |folder: PathBuf| {
            if let Some(max) = word(&folder.join("cpu.max")) {
                let (quota, period) = max.split_once(' ')?;
                return Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?);
            }
            let quota: f64 = word(&folder.join("cpu.cfs_quota_us"))?.parse().ok()?;
            let period: f64 = word(&folder.join("cpu.cfs_period_us"))?.parse().ok()?;
            (quota > 0.0 && period > 0.0).then_some(quota / period)
        };
        let quotas = self.folders("cpu").into_iter().filter_map(quota_of);
        quotas.filter(|q| q.is_finite() && *q > 0.0).min_by(f64::total_cmp)
    }

    /// Periods in which any group above this process was throttled.
    fn throttled_periods(&self) -> Option<u64> {
        let throttled = self.folders("cpu").into_iter().filter_map(|folder| {
            let stat = std::fs::read_to_string(folder.join("cpu.stat")).ok()?;
            stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok())
        });
        throttled.reduce(u64::saturating_add)
    }
}

/// What was taken from the process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::device) struct Taken {
    /// Ticks that the hypervisor gave to others, all CPUs.
    steal_ticks: Option<u64>,
    /// Ticks in all, all CPUs.
    all_ticks: u64,
    /// Periods in which the control group was throttled.
    throttled_periods: Option<u64>,
}

impl Taken {
    /// Reads the system's books.
    pub(in crate::device) fn now() -> Taken {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> =
            stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
        let throttled_periods = ControlGroups::here().throttled_periods();
        Taken { steal_ticks: ticks.get(7).copied(), all_ticks: ticks.iter().take(8).sum(), throttled_periods }
    }

    /// Writes what was taken between `earlier` and now into `environment`.
    pub(in crate::device) fn note_since(self, earlier: Taken, environment: &mut Environment) {
        environment.steal_percent = self.steal_percent_since(earlier).map(four_digits);
        let throttled = self.throttled_periods.zip(earlier.throttled_periods);
        environment.throttled_periods = throttled.map(|(now, then)| now.saturating_sub(then));
    }

    /// Whether anything was taken between `earlier` and now.
    pub(in crate::device) fn more_than(self, earlier: Taken) -> bool {
        self.steal_ticks > earlier.steal_ticks || self.throttled_periods > earlier.throttled_periods
    }

    /// The share stolen between `earlier` and now, percent.
    fn steal_percent_since(self, earlier: Taken) -> Option<f64> {
        let all = self.all_ticks.checked_sub(earlier.all_ticks).filter(|&n| n > 0)?;
        Some(self.steal_ticks?.checked_sub(earlier.steal_ticks?)? as f64 / all as f64 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(files: &[(&str, &str)]) -> (ControlGroups, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (ControlGroups { root: folder.path().to_owned() }, folder)
    }

    #[test]
    fn the_tightest_limit_of_version_2_counts() {
        // A container of systemd's, as a Debian 12 lays it out: 512 MiB for the service, 1.5 CPUs for the slice around it.
        let (groups, _folder) = recorded(&[
            ("proc/self/cgroup", "0::/user.slice/run-u1.service\n"),
            ("sys/fs/cgroup/user.slice/run-u1.service/memory.max", "536870912\n"),
            ("sys/fs/cgroup/user.slice/run-u1.service/memory.current", "104857600\n"),
            (
                "sys/fs/cgroup/user.slice/run-u1.service/memory.stat",
                "anon 1\nactive_file 1048576\ninactive_file 3145728\n",
            ),
            ("sys/fs/cgroup/user.slice/run-u1.service/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/user.slice/cpu.stat", "usage_usec 5\nnr_throttled 7\n"),
        ]);
        assert_eq!((groups.memory_left(), groups.memory_limit()), (Some((512 - 100 + 4) << 20), Some(512 << 20)));
        assert_eq!((groups.quota_cpus(), groups.throttled_periods()), (Some(1.5), Some(7)));
    }

    #[test]
    fn limits_of_version_1_are_read_where_the_container_sees_them() {
        // Docker without a namespace of its own: the path is the host's, the mounted folder is the container's.
        let (groups, _folder) = recorded(&[
            ("proc/self/cgroup", "4:memory:/docker/3f\n1:cpu,cpuacct:/docker/3f\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "73741824\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!((groups.memory_left(), groups.quota_cpus()), (Some(1_000_000_000), Some(0.5)));
        // Nothing is limited: version 1 says so with a number, −1 of a quota.
        let (groups, _folder) = recorded(&[
            ("proc/self/cgroup", "1:cpu:/\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!((groups.memory_left(), groups.quota_cpus()), (None, None));
    }

    #[test]
    fn without_proc_the_mounted_group_is_ours() {
        let (groups, _folder) =
            recorded(&[("sys/fs/cgroup/memory.max", "536870912\n"), ("sys/fs/cgroup/memory.current", "0\n")]);
        assert_eq!(groups.memory_left(), Some(512 << 20));
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
