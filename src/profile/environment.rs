//! The circumstances of a measurement, and the grade that they earn.

use super::cores::validate_nodes;
use super::figure::positive;
use super::{CpuList, NumaNode};
use crate::error::{Error, Result};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// Under which circumstances a device was measured. What cannot be told is absent, never guessed.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// How far the circumstances can be trusted, A (nothing stood in the way) to F; docs/methodology.md has the table.
    pub grade: Option<Grade>,
    /// What cost the grade its steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grade_reasons: Vec<String>,
    /// Operating system.
    pub os: String,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Whether a hypervisor stands between; absent when it cannot be told.
    pub virtualised: Option<bool>,
    /// The hypervisor's own name.
    pub hypervisor: Option<String>,
    /// Whether the instructions are translated by software; absent when it cannot be told.
    pub emulated: Option<bool>,
    /// What gives the emulator away.
    pub emulator: Option<String>,
    /// CPUs that the process may run on.
    #[serde(default)]
    pub allowed_cpus: Vec<u32>,
    /// Threads that the probes used: one per allowed core, within the quota.
    #[schemars(range(min = 1))]
    pub threads: u32,
    /// The CPUs that the threads are pinned to, in the order of the threads: a job of `n` threads that names no CPUs runs on the
    /// first `n` of these.
    pub pinned_cpus: Option<CpuList>,
    /// False where the system refused to pin threads, so that it may have moved them at any time.
    pub pinned: Option<bool>,
    /// Hardware threads of one core, as the topology tells; 1 without SMT.
    #[schemars(range(min = 1))]
    pub smt: Option<u32>,
    /// What the first thread and the one on the next CPU reach together, against one alone, in f32 arithmetic: about 2 on two cores, about 1 on
    /// two hardware threads of one.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub core_scaling: Option<f64>,
    /// The same of additions that wait for each other: about 2 on two cores and on two hardware threads of one, about 1 where the
    /// two take turns.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub core_scaling_latency: Option<f64>,
    /// NUMA nodes that the allowed CPUs belong to.
    #[schemars(range(min = 1))]
    pub numa_nodes: Option<u32>,
    /// Those that have CPUs which threads are pinned to, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NumaNode>,
    /// Whether the kernel moves pages to the node that uses them, by itself and at any time.
    pub numa_balancing: Option<bool>,
    /// CPU quota of the control group, in CPUs.
    pub quota_cpus: Option<f64>,
    /// Frequency governor of the first allowed CPU.
    pub governor: Option<String>,
    /// Transparent huge page mode: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// Bytes of a base page.
    #[schemars(range(min = 1))]
    pub page_bytes: Option<u32>,
    /// Maker, version and date of the firmware, as it tells them.
    pub firmware: Option<String>,
    /// The kernel's command line.
    pub kernel_command_line: Option<String>,
    /// Whether the machine ran on its battery when the measurement began.
    pub on_battery: Option<bool>,
    /// The power profile that was chosen: that of the platform, else the energy preference of the first allowed CPU.
    pub power_profile: Option<String>,
    /// Programs that ran or wanted to run in the minute before the measurement, on average.
    #[schemars(range(min = 0))]
    pub load_average: Option<f64>,
    /// Memory that could be allocated when the measurement began, control group limit included; bytes.
    pub memory_available_bytes: u64,
    /// The least memory limit of the process's control groups, where there is one below the installed memory; bytes.
    #[schemars(range(min = 1))]
    pub memory_limit_bytes: Option<u64>,
    /// Share of CPU time that the hypervisor gave to others during the measurement, percent.
    pub steal_percent: Option<f64>,
    /// Times that the control group was throttled during the measurement.
    pub throttled_periods: Option<u64>,
    /// Times that a core was slowed down because of its temperature during the measurement, all allowed CPUs.
    pub thermal_throttles: Option<u64>,
    /// How far the reference chain's rate moved from the earlier half of the run to the later, percent.
    pub drift_percent: Option<f64>,
    /// Samples during which CPU time was taken away by the hypervisor, the quota or other programs, and that were kept
    /// because repeating them did not help.
    pub disturbed_samples: Option<u32>,
    /// Where the power beside the ceilings was read; absent where none could be.
    pub power_source: Option<String>,
    /// Why there is no power beside the ceilings.
    pub power_missing: Option<String>,
    /// What an earlier measurement of the same machine read from DRAM, where it was more than this one saw: the highest of those
    /// that were kept.
    pub earlier_read: Option<EarlierRead>,
    /// The smallest step of the clock used, ns.
    pub timer_ns: f64,
}

/// How fast memory was when the machine was measured before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlierRead {
    /// `memory.dram.read` of that measurement, GB/s.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gb_per_s: f64,
    /// When it was begun, RFC 3339 in UTC.
    pub date: String,
}

named_enum! {
    /// A mark for the circumstances of a measurement: each step down is something that may have cost speed.
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub enum Grade: "grade" {
        /// Nothing stood in the way.
        A = "A",
        /// One step below A.
        B = "B",
        /// Two steps below A.
        C = "C",
        /// Three steps below A.
        D = "D",
        /// Four steps below A.
        E = "E",
        /// Five or more steps below A, or an emulator: these are no ceilings of the hardware.
        F = "F",
    }
}

impl Grade {
    /// The grade that many steps below A.
    pub fn below_best(steps: usize) -> Grade {
        Grade::ALL.get(steps).copied().unwrap_or(Grade::F)
    }
}

/// Beyond any machine in sight: 2²⁰ hardware threads of a core, NUMA nodes, or programs that run.
const COUNT_MAX: u32 = 1 << 20;

impl Environment {
    /// Checks everything that the types cannot.
    pub(super) fn validate(&self) -> Result<()> {
        positive("environment.timer_ns", Some(self.timer_ns))?;
        positive("environment.quota_cpus", self.quota_cpus)?;
        positive("environment.core_scaling", self.core_scaling)?;
        positive("environment.earlier_read.gb_per_s", self.earlier_read.as_ref().map(|read| read.gb_per_s))?;
        positive("environment.core_scaling_latency", self.core_scaling_latency)?;
        for (key, value, least) in [
            ("environment.steal_percent", self.steal_percent, 0.0),
            ("environment.drift_percent", self.drift_percent, -100.0),
            ("environment.load_average", self.load_average, 0.0),
        ] {
            if value.is_some_and(|v| !(least..=f64::from(COUNT_MAX)).contains(&v)) {
                return Err(Error::misuse(format!("{key}: must lie in {least}..={COUNT_MAX}")));
            }
        }
        for (key, count) in [("environment.smt", self.smt), ("environment.numa_nodes", self.numa_nodes)] {
            if count.is_some_and(|n| n == 0 || n > COUNT_MAX) {
                return Err(Error::misuse(format!("{key}: must lie in 1..={COUNT_MAX}")));
            }
        }
        validate_nodes(&self.nodes)?;
        if self.page_bytes == Some(0) {
            return Err(Error::misuse("environment.page_bytes: must be positive"));
        }
        if self.emulator.is_some() && self.emulated != Some(true) {
            return Err(Error::misuse("environment.emulator: is named, but emulated is not true"));
        }
        match (self.grade, self.grade_reasons.is_empty()) {
            (None | Some(Grade::A), false) => {
                Err(Error::misuse("environment.grade_reasons: say what a grade below A is for, and there is none"))
            }
            (Some(grade), true) if grade != Grade::A => {
                Err(Error::misuse(format!("environment.grade: {grade} needs its grade_reasons")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_go_down_by_steps_and_end_at_f() {
        let letters: String = (0..8).map(|steps| Grade::below_best(steps).to_string()).collect();
        assert_eq!(letters, "ABCDEFFF");
    }
}
