//! Probes: which jobs to ask for, and what the answers mean.
//!
//! Pure, and blind to what the device is: a probe reads a [`Machine`] and writes [`Question`]s; the gates read ceilings.
//! Nothing is timed here.

mod attention;
mod compute;
mod curves;
mod gates;
mod grade;
mod levels;
mod matmul;
mod memory;
mod overhead;
mod sustained;

use crate::job::Job;
use crate::profile::{Axis, Curve, Effort, Machine, Status};

pub use gates::judge;
pub use grade::grade;
pub use levels::{Level, Levels, levels};
pub use sustained::{LongQuestion, sustained};

/// One ceiling that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The ceiling's id.
    pub id: String,
    /// The ways to do it; the fastest one answers.
    pub candidates: Vec<Job>,
    /// The answer when there is no candidate.
    pub otherwise: (Status, String),
    /// In how many rounds it is sampled, spread evenly over the run; `None` is all of them. For what is expensive to make
    /// ready: fewer visits with more samples each.
    pub visits: Option<u32>,
    /// Remarks for its answer.
    pub flags: Vec<String>,
}

impl Question {
    fn new(id: impl Into<String>) -> Question {
        let otherwise = (Status::Unsupported, "there is no kernel for it on this device".to_owned());
        Question { id: id.into(), candidates: Vec::new(), otherwise, visits: None, flags: Vec::new() }
    }
}

/// One curve that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveQuestion {
    /// The curve's id.
    pub id: String,
    /// The quantity along it.
    pub axis: Axis,
    /// One job per point, ascending along the axis. What the device cannot do is left out.
    pub points: Vec<Job>,
    /// The answer when there is no point.
    pub otherwise: (Status, String),
}

/// What is known when the questions are made: the machine, and the curves measured so far.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    machine: &'a Machine,
    curves: &'a [Curve],
    effort: Effort,
}

impl Known<'_> {
    /// The curve of that id, where there is one.
    fn curve(&self, id: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.id == id)
    }
}

type Probe = fn(Known) -> Vec<Question>;

/// The probe table: to add a probe, add its line.
const PROBES: &[Probe] = &[
    memory::questions,
    memory::latencies,
    compute::questions,
    matmul::questions,
    attention::questions,
    overhead::questions,
];

/// Every curve that is asked of `machine` at `effort` before the ceilings, in the order of the profile.
pub fn survey(machine: &Machine, effort: Effort) -> Vec<CurveQuestion> {
    curves::questions(machine, effort)
}

/// Every ceiling that is asked of `machine` at `effort`, in the order of the profile; `curves` are those of its survey, and
/// may be missing.
pub fn plan(machine: &Machine, curves: &[Curve], effort: Effort) -> Vec<Question> {
    let known = Known { machine, curves, effort };
    PROBES.iter().flat_map(|probe| probe(known)).collect()
}

/// The instruction sets of the machine that roofprobe has kernels for, by name, in order of preference.
fn isas(machine: &Machine) -> impl Iterator<Item = roofprobe_kernels::Isa> + '_ {
    use roofprobe_kernels::Isa;
    Isa::ALL.iter().copied().filter(|isa| machine.device.isas.iter().any(|name| name == isa.name()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::profile::{Cache, DeviceInfo, DeviceKind, Environment};

    /// A machine that nobody has: two cores, 32 MiB of last-level cache, 16 GiB.
    pub(crate) fn machine() -> Machine {
        Machine {
            device: DeviceInfo {
                name: "test".into(),
                kind: DeviceKind::Cpu,
                vendor: "AMD".into(),
                model: "test".into(),
                microarchitecture: Some("Zen 4".into()),
                architecture: "x86_64".into(),
                isas: ["portable", "avx2", "avx512", "avx512vnni", "avx512bf16"].map(String::from).to_vec(),
                logical_cpus: 2,
                cores: 2,
                memory_bytes: 16 << 30,
                caches: vec![Cache { level: 3, bytes: 32 << 20, instances: 1, shared_by: 2 }],
            },
            environment: Environment {
                grade: None,
                grade_reasons: Vec::new(),
                os: "linux".into(),
                kernel: None,
                virtualised: None,
                hypervisor: None,
                emulated: None,
                emulator: None,
                allowed_cpus: vec![0, 1],
                threads: 2,
                smt: None,
                core_scaling: None,
                numa_nodes: None,
                quota_cpus: None,
                governor: None,
                huge_pages: Some("madvise".into()),
                load_average: None,
                memory_available_bytes: 15 << 30,
                steal_percent: None,
                throttled_periods: None,
                drift_percent: None,
                disturbed_samples: None,
                timer_ns: 20.0,
            },
        }
    }

    #[test]
    fn ids_are_unique_and_every_job_knows_its_question() {
        for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
            let questions = plan(&machine(), &[], effort);
            let mut ids: Vec<_> = questions.iter().map(|q| q.id.clone()).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), questions.len());
            assert!(questions.iter().all(|q| q.candidates.iter().all(|job| job.ceiling == q.id)));
            assert!(questions.iter().all(|q| crate::profile::Unit::of(&q.id).is_some()));
        }
    }

    #[test]
    fn what_the_machine_lacks_is_still_asked_and_has_a_reason() {
        let mut machine = machine();
        machine.device.isas = vec!["portable".into()];
        let questions = plan(&machine, &[], Effort::Quick);
        let bf16 = questions.iter().find(|q| q.id == "compute.bf16").unwrap();
        assert!(bf16.candidates.is_empty() && bf16.otherwise.1.contains("avx512bf16"), "{bf16:?}");
        assert!(questions.iter().any(|q| q.id == "compute.f32.avx512" && q.candidates.is_empty()));
        assert!(questions.iter().any(|q| q.id == "compute.f32.avx512.fma_add" && q.candidates.is_empty()));
    }

    #[test]
    fn one_core_is_asked_beside_all_where_there_are_more() {
        let mut machine = machine();
        let singles = |machine: &Machine| -> Vec<Question> {
            plan(machine, &[], Effort::Quick).into_iter().filter(|q| q.id.ends_with(".single")).collect()
        };
        let found = singles(&machine);
        assert!(found.iter().any(|q| q.id == "compute.f32.single"));
        let mut jobs = found.iter().flat_map(|q| &q.candidates);
        assert!(found.iter().all(|q| !q.candidates.is_empty()) && jobs.all(|job| job.variant.threads == Some(1)));
        machine.environment.threads = 1;
        assert_eq!(singles(&machine), []);
    }

    #[test]
    fn arrays_exceed_the_cache_or_the_question_is_skipped() {
        let mut machine = machine();
        let footprint = |machine: &Machine| {
            let questions = plan(machine, &[], Effort::Standard);
            let read = questions.into_iter().find(|q| q.id == "memory.dram.read").unwrap();
            (read.candidates.first().and_then(|job| job.variant.footprint_bytes), read.otherwise)
        };
        assert!(footprint(&machine).0.unwrap() >= 4 * (32 << 20));
        machine.environment.memory_available_bytes = 512 << 20;
        let (none, (status, reason)) = footprint(&machine);
        assert_eq!((none, status), (None, Status::Skipped));
        assert!(reason.contains("512 MiB"), "{reason}");
    }

    #[test]
    fn without_huge_pages_none_are_asked() {
        let mut machine = machine();
        machine.environment.huge_pages = Some("never".into());
        let jobs: Vec<_> = plan(&machine, &[], Effort::Thorough).into_iter().flat_map(|q| q.candidates).collect();
        assert!(jobs.iter().all(|job| job.variant.pages != Some(crate::profile::Pages::Huge)));
    }
}
