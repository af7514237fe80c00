//! What others leave to this process: quota, memory, and the system's books of time taken away.

use super::word;
use crate::profile::Environment;
use crate::units::four_digits;
use std::path::{Path, PathBuf};

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
pub(super) fn memory_left() -> Option<u64> {
    let number = |path: PathBuf| word(&path)?.parse::<u64>().ok();
    let left_of = |folder: PathBuf| {
        let limit = number(folder.join("memory.max")).or_else(|| number(folder.join("memory.limit_in_bytes")))?;
        let used = number(folder.join("memory.current")).or_else(|| number(folder.join("memory.usage_in_bytes")))?;
        // Cached files count as used, and are given up when memory is needed.
        let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let field = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let cached = |kind: &str| field(&format!("total_{kind} ")).or_else(|| field(&format!("{kind} "))).unwrap_or(0);
        Some(limit.saturating_sub(used.saturating_sub(cached("inactive_file") + cached("active_file"))))
    };
    control_groups("memory").into_iter().filter_map(left_of).min()
}

/// The tightest quota of this process's control groups, in CPUs.
pub(super) fn quota_cpus() -> Option<f64> {
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
        // Every group above throttles what is in it.
        let throttled = control_groups("cpu").into_iter().filter_map(|folder| {
            let stat = std::fs::read_to_string(folder.join("cpu.stat")).ok()?;
            stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok())
        });
        let throttled_periods = throttled.reduce(u64::saturating_add);
        // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
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

    #[test]
    fn what_was_taken_is_a_difference() {
        let before = Taken { steal_ticks: Some(10), all_ticks: 1000, throttled_periods: None };
        let after = Taken { steal_ticks: Some(15), all_ticks: 2000, throttled_periods: None };
        assert!(after.more_than(before) && !before.more_than(before));
        assert_eq!(after.steal_percent_since(before), Some(0.5));
        assert_eq!(before.steal_percent_since(before), None);
    }
}
