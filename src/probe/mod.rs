//! Probes: which jobs to ask for, and what the answers mean.
//!
//! Pure: a probe reads a [`Machine`] and writes [`Question`]s; the gates read ceilings. Nothing is timed here.

mod attention;
mod compute;
mod core_sets;
mod cores;
mod crowding;
mod curves;
mod footprint;
mod gates;
pub(crate) mod gpu;
mod grade;
mod heat;
mod latents;
mod levels;
mod matmul;
mod memory;
mod overhead;
mod pipes;
mod run_gate;
mod scope;
mod sustained;
mod ways;

use crate::job::Job;
use crate::profile::{
    AttentionPhase, CeilingId, Curve, CurveAxis, DeviceKind, Effort, Family, Flag, IdKind, Machine, MemoryLevel,
    Status, Tune, Variant,
};
use roofprobe_kernels::{Dtype, Isa, Op};

pub(crate) use footprint::will_do;
pub use gates::{interval_width_max, judge};
pub use grade::{SAVING_PROFILES, SLOW_GOVERNORS, grade, load_limit};
pub use levels::{Level, Levels, levels};
pub use matmul::variants as matmul_variants;
pub use memory::largest_pages;
pub use run_gate::judge_run;
pub use scope::Scope;
pub use sustained::{LongQuestion, sustained};

/// A ceiling to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The ceiling's id.
    pub id: CeilingId,
    /// The ways to do it; the fastest one answers.
    pub candidates: Vec<Job>,
    /// The ways that are tried when none of the candidates can be had.
    pub fallback: Vec<Job>,
    /// The answer when there is no candidate.
    pub otherwise: (Status, String),
    /// What it shares with others, where that is expensive to make ready: they are sampled one after another.
    pub operands: Option<Operands>,
    /// Remarks for its answer.
    pub flags: Vec<Flag>,
}

impl Question {
    fn new(id: CeilingId) -> Question {
        let otherwise = (Status::Unsupported, "there is no kernel for it on this device".to_owned());
        let (candidates, fallback, flags) = (Vec::new(), Vec::new(), Vec::new());
        Question { id, candidates, fallback, otherwise, operands: None, flags }
    }

    /// A question that cannot be asked, with its answer.
    fn unasked(id: CeilingId, status: Status, reason: impl Into<String>) -> Question {
        Question { otherwise: (status, reason.into()), ..Question::new(id) }
    }

    /// The question with one candidate for each of `variants`, the expected winner first.
    fn of(id: CeilingId, op: Op, dtype: Dtype, variants: impl IntoIterator<Item: Into<Variant>>) -> Question {
        Question { candidates: jobs(&id, op, dtype, variants), ..Question::new(id) }
    }

    /// Whether it waits for the curves of the survey: how much memory it goes over follows from them.
    pub fn waits_for_survey(&self) -> bool {
        !matches!(self.id.family(), Family::Compute | Family::Overhead)
    }

    /// Whether its samples tell in which mode memory is. A mode of memory that is shared may last for longer than all visits of a
    /// question.
    pub fn tells_memory_mode(&self) -> bool {
        self.id == CeilingId::memory(MemoryLevel::Dram, Op::Read)
    }

    /// Whether memory is what it waits for.
    pub fn waits_for_memory(&self) -> bool {
        match self.id.kind() {
            IdKind::Attention { phase, .. } => *phase == AttentionPhase::Decode,
            IdKind::Memory { sustained: false, .. } | IdKind::Latency { .. } => {
                self.id.level() == Some(MemoryLevel::Dram)
            }
            _ => matmul::is_of_memory(&self.id),
        }
    }

    /// Every way to do it.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.candidates.iter().chain(&self.fallback)
    }
}

/// One job for each of `variants`.
fn jobs(id: &CeilingId, op: Op, dtype: Dtype, variants: impl IntoIterator<Item: Into<Variant>>) -> Vec<Job> {
    variants.into_iter().map(|variant| Job { ceiling: id.clone(), op, dtype, variant: variant.into() }).collect()
}

/// The curve of that id, with one point for each of `variants`.
fn curve(id: CeilingId, op: Op, axis: CurveAxis, variants: impl IntoIterator<Item: Into<Variant>>) -> CurveQuestion {
    let dtype = match op {
        Op::Chase => Dtype::I8,
        Op::Attention => Dtype::F16,
        Op::Chain => Dtype::F32,
        _ => Dtype::F64,
    };
    curve_of(id, (op, dtype), axis, variants)
}

/// The same of another type.
fn curve_of(
    id: CeilingId,
    (op, dtype): (Op, Dtype),
    axis: CurveAxis,
    variants: impl IntoIterator<Item: Into<Variant>>,
) -> CurveQuestion {
    let points = jobs(&id, op, dtype, variants);
    CurveQuestion { points, ..curve_without_points(id, axis, "too little memory for a single point") }
}

/// A curve that cannot be measured, with the reason.
fn curve_without_points(id: CeilingId, axis: CurveAxis, reason: impl Into<String>) -> CurveQuestion {
    CurveQuestion { id, axis, points: Vec::new(), otherwise: (Status::Skipped, reason.into()), pairwise: false }
}

/// What is expensive to make ready, and serves several questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operands {
    /// The weights of a format.
    Weights(Dtype),
    /// A cache of keys and values with heads of so many elements.
    Cache {
        /// Elements of a head.
        head_dim: u64,
        /// How they are stored.
        cache: Dtype,
    },
}

/// A curve to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveQuestion {
    /// The curve's id.
    pub id: CeilingId,
    /// The quantity along it.
    pub axis: CurveAxis,
    /// One job per point, ascending along the axis. What the device cannot do is left out.
    pub points: Vec<Job>,
    /// The answer when there is no point.
    pub otherwise: (Status, String),
    /// Whether neighbours are raced against each other, the first two to begin with; the next point is only asked where the one
    /// before the last will not do.
    pub pairwise: bool,
}

impl CurveQuestion {
    /// Whether the arrays of later questions are as large as this curve says.
    pub fn gives_sizes(&self) -> bool {
        self.id == levels::resident_id() || self.id == footprint::footprint_id()
    }
}

/// What is known when the questions are made: the machine, and the curves measured so far.
#[derive(Clone, Copy, Debug)]
struct PlanInputs<'a> {
    machine: &'a Machine,
    curves: &'a [Curve],
    effort: Effort,
    tune: Tune,
}

impl<'a> PlanInputs<'a> {
    fn new(machine: &'a Machine, curves: &'a [Curve], scope: impl Into<Scope>) -> PlanInputs<'a> {
        let Scope { effort, tune } = scope.into();
        PlanInputs { machine, curves, effort, tune }
    }

    fn scope(&self) -> Scope {
        Scope { effort: self.effort, tune: self.tune }
    }

    /// The curve of that id, where there is one.
    fn curve(&self, id: &CeilingId) -> Option<&'a Curve> {
        self.curves.iter().find(|curve| curve.id == *id)
    }
}

type Probe = fn(PlanInputs) -> Vec<Question>;

/// The probe table of processors; that of GPUs stands in `gpu`. To add a probe, add its line.
const PROBES: &[Probe] = &[
    memory::questions,
    memory::latencies,
    compute::questions,
    cores::questions,
    matmul::questions,
    attention::questions,
    latents::questions,
    overhead::questions,
];

/// Every curve that is asked of `machine` at `effort` before the ceilings, in the order of the profile. `curves` are those that were
/// measured so far: sizes of later ones depend on them, and nothing else does.
pub fn survey(machine: &Machine, curves: &[Curve], effort: Effort) -> Vec<CurveQuestion> {
    let inputs = PlanInputs::new(machine, curves, effort);
    match machine.device.kind {
        DeviceKind::Cpu => curves::questions(inputs),
        DeviceKind::Gpu => gpu::curves(inputs),
    }
}

/// Every ceiling that is asked of `machine` within `scope`, in the order of the profile; `curves` are those of its survey, and
/// may be missing.
pub fn plan(machine: &Machine, curves: &[Curve], scope: impl Into<Scope>) -> Vec<Question> {
    let inputs = PlanInputs::new(machine, curves, scope);
    let probes = match machine.device.kind {
        DeviceKind::Cpu => PROBES,
        DeviceKind::Gpu => gpu::PROBES,
    };
    probes.iter().flat_map(|probe| probe(inputs)).collect()
}

/// The instruction sets with the widest vectors that have such a kernel, the widest first: one for a quick look, else two.
fn widest_isas(machine: &Machine, effort: Effort, has_kernel: impl Fn(Isa) -> bool) -> Vec<Isa> {
    let mut isas: Vec<Isa> = isas(machine).filter(|&isa| has_kernel(isa)).collect();
    isas.reverse();
    isas.truncate(if effort == Effort::Quick { 1 } else { 2 });
    isas
}

/// The instruction sets of the machine that roofprobe has kernels for, by name, in order of preference.
fn isas(machine: &Machine) -> impl Iterator<Item = Isa> + '_ {
    Isa::ALL.iter().copied().filter(|isa| machine.device.isas.iter().any(|name| name == isa.name()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::profile::{Cache, DeviceInfo, DeviceKind, Environment, GpuClass, Means, VariantKeys};

    /// A machine that nobody has: two cores, 32 MiB of last-level cache, 16 GiB.
    pub(crate) fn machine() -> Machine {
        Machine {
            device: DeviceInfo {
                name: "test".into(),
                kind: DeviceKind::Cpu,
                vendor: "AMD".into(),
                model: "test".into(),
                microarchitecture: Some("Zen 4".into()),
                board: None,
                soc: None,
                architecture: "x86_64".into(),
                isas: ["portable", "avx2", "avx512", "avx512vnni", "avx512bf16"].map(String::from).to_vec(),
                isas_unused: Vec::new(),
                sve_bits: None,
                sme_bits: None,
                logical_cpus: Some(2),
                cores: Some(2),
                memory_bytes: Some(16 << 30),
                caches: vec![Cache { level: 3, bytes: 32 << 20, instances: 1, shared_by: 2 }],
                core_classes: Vec::new(),
                gpu: None,
            },
            environment: Environment {
                os: "linux".into(),
                allowed_cpus: vec![0, 1],
                threads: 2,
                huge_pages: Some("madvise".into()),
                memory_available_bytes: 15 << 30,
                timer_ns: 20.0,
                ..Environment::default()
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
        }
    }

    #[test]
    fn every_variant_is_made_again_from_its_family_and_its_keys() {
        let gpus = [GpuClass::Discrete, GpuClass::Software].map(gpu::tests::machine);
        for machine in [machine()].iter().chain(&gpus) {
            let questions = plan(machine, &[], Effort::Thorough);
            let points = survey(machine, &[], Effort::Thorough).into_iter().flat_map(|curve| curve.points);
            let jobs: Vec<Job> = questions.iter().flat_map(Question::jobs).cloned().chain(points).collect();
            for job in jobs {
                let again = Variant::of_family(job.variant.family(), &job.variant.keys());
                assert_eq!(again.as_ref(), Some(&job.variant), "{job}");
                // As a profile has them.
                let text = serde_json::to_string(&job.variant.keys()).unwrap();
                assert_eq!(serde_json::from_str::<VariantKeys>(&text).unwrap(), job.variant.keys(), "{job}");
            }
        }
    }

    #[test]
    fn curves_ascend_and_every_point_knows_its_curve() {
        for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
            let curves = survey(&machine(), &[], effort);
            assert_eq!(curves.iter().any(|c| c.id == "latency.resident"), effort != Effort::Quick);
            for curve in curves {
                let places: Vec<_> =
                    curve.points.iter().map(|job| curve.axis.of(&job.variant.keys()).unwrap()).collect();
                assert!(places.len() > 1 && places.is_sorted_by(|a, b| a < b), "{}: {places:?}", curve.id);
                assert!(curve.points.iter().all(|job| job.ceiling == curve.id));
                let shared = |job: &Job| curve.axis.shared(job.variant.keys());
                let first = shared(&curve.points[0]);
                assert!(curve.points.iter().all(|job| shared(job) == first), "{}", curve.id);
            }
        }
    }

    #[test]
    fn working_sets_reach_from_the_nearest_cache_to_well_beyond_the_last() {
        let resident =
            survey(&machine(), &[], Effort::Standard).into_iter().find(|c| c.id == "memory.read.resident").unwrap();
        let footprints: Vec<u64> =
            resident.points.iter().filter_map(|job| job.variant.keys().footprint_bytes).collect();
        assert_eq!((footprints.first(), footprints.last()), (Some(&8192), Some(&(4 * (32 << 20)))));
    }

    #[test]
    fn each_level_has_its_ceilings_and_a_missing_one_its_reason() {
        let ids = |effort| plan(&machine(), &[], effort).into_iter().map(|q| q.id).collect::<Vec<_>>();
        let has = |ids: &[CeilingId], id: &str| ids.iter().any(|known| known == id);
        let (quick, standard) = (ids(Effort::Quick), ids(Effort::Standard));
        for id in ["memory.l3.read", "memory.dram.triad", "latency.l2", "latency.dram"] {
            assert!(has(&quick, id) && has(&standard, id), "{id}");
        }
        assert!(has(&standard, "memory.l1.triad") && !has(&quick, "memory.l1.triad"));
        // The test machine tells its third level only.
        let questions = plan(&machine(), &[], Effort::Standard);
        let of = |id: &str| questions.iter().find(|q| q.id == id).unwrap();
        assert_eq!(
            of("memory.l1.copy").otherwise,
            (Status::Unsupported, "this device has no level 1 cache".to_owned())
        );
        let triad = of("memory.l3.triad").candidates[0].variant.keys().footprint_bytes.unwrap();
        assert!(triad <= 16 << 20 && triad.is_multiple_of(3 * 2 * 512), "three arrays of two threads: {triad}");
        let mut untold = machine();
        untold.device.caches.clear();
        let questions = plan(&untold, &[], Effort::Standard);
        let l1 = questions.iter().find(|q| q.id == "memory.l1.read").unwrap();
        assert_eq!((l1.candidates.len(), l1.otherwise.0), (0, Status::Skipped));
    }

    #[test]
    fn arrays_grow_with_the_cache_that_the_curve_shows() {
        let mut curve = Curve::empty(levels::resident_id(), Status::Measured, None);
        curve.footprint_bytes = (13..=30).map(|octave| 1 << octave).collect();
        curve.gb_per_s = (13..=30).map(|octave| if octave <= 27 { 200.0 } else { 40.0 }).collect();
        let questions = plan(&machine(), &[curve], Effort::Standard);
        let read = questions.iter().find(|q| q.id == "memory.dram.read").unwrap();
        let footprint = read.candidates[0].variant.keys().footprint_bytes.unwrap();
        assert!(footprint >= 4 << 27, "the curve falls beyond 128 MiB: {footprint}");
        assert!(read.flags[0].to_string().contains("32 MiB"), "{:?}", read.flags);
    }

    #[test]
    fn with_little_memory_only_what_is_honest_is_asked() {
        let mut machine = machine();
        machine.environment.memory_available_bytes = 512 << 20;
        let asked = survey(&machine, &[], Effort::Standard);
        // Weights that are only read may fit, and say so where they do not.
        let (of_weights, others): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|curve| curve.id.family() == Family::Matmul);
        for curve in of_weights {
            assert!(!curve.points.is_empty() || curve.otherwise.1.contains("of weights do not fit"), "{curve:?}");
        }
        for curve in others {
            // A cache of keys and values fits where three arrays do not, and so does what is only read.
            let threads = CeilingId::memory_curve(Op::Read, "threads");
            let resident = [levels::resident_id(), CeilingId::latency_curve(), threads].contains(&curve.id)
                || curve.id.family() == Family::Attention;
            assert_eq!(curve.points.is_empty(), !resident, "{}", curve.id);
            let most = curve.points.iter().filter_map(|job| job.variant.keys().footprint_bytes).max();
            // Arrays of that are only read: two fifths of what is available.
            assert!(most.is_none_or(|bytes| bytes <= 205 << 20), "{}: {most:?}", curve.id);
            assert!(resident || curve.otherwise.0 == Status::Skipped && curve.otherwise.1.contains("512 MiB"));
        }
        let questions = plan(&machine, &[], Effort::Standard);
        let skipped = |id: &str| questions.iter().find(|q| q.id == id).unwrap().candidates.is_empty();
        assert!(skipped("memory.dram.copy") && skipped("latency.dram") && !skipped("memory.l3.copy"));
    }

    #[test]
    fn one_thread_has_everything_but_the_curves_of_threads() {
        let mut machine = machine();
        machine.environment.threads = 1;
        for curve in survey(&machine, &[], Effort::Standard) {
            assert_eq!(curve.points.is_empty(), curve.axis == CurveAxis::Threads, "{}", curve.id);
        }
    }

    #[test]
    fn what_the_machine_lacks_is_still_asked_and_has_a_reason() {
        let mut machine = machine();
        machine.device.isas = vec!["portable".into()];
        let questions = plan(&machine, &[], Effort::Standard);
        let bf16 = questions.iter().find(|q| q.id == "compute.bf16").unwrap();
        assert!(bf16.candidates.is_empty() && bf16.otherwise.1.contains("avx512bf16"), "{bf16:?}");
        assert!(questions.iter().any(|q| q.id == "compute.f32.avx512" && q.candidates.is_empty()));
        assert!(questions.iter().any(|q| q.id == "compute.f32.avx512.fma_add" && q.candidates.is_empty()));
    }

    #[test]
    fn one_core_is_asked_beside_all_where_there_are_more() {
        let mut machine = machine();
        let singles = |machine: &Machine| -> Vec<Question> {
            plan(machine, &[], Effort::Quick)
                .into_iter()
                .filter(|q| matches!(q.id.kind(), IdKind::Compute { means: Means::Single, .. }))
                .collect()
        };
        let found = singles(&machine);
        assert!(found.iter().any(|q| q.id == "compute.f32.single"));
        let mut jobs = found.iter().flat_map(|q| &q.candidates);
        assert!(
            found.iter().all(|q| !q.candidates.is_empty()) && jobs.all(|job| job.variant.keys().threads == Some(1))
        );
        machine.environment.threads = 1;
        assert_eq!(singles(&machine), []);
    }

    #[test]
    fn arrays_exceed_the_cache_or_the_question_is_skipped() {
        let mut machine = machine();
        let footprint = |machine: &Machine| {
            let questions = plan(machine, &[], Effort::Standard);
            let read = questions.into_iter().find(|q| q.id == "memory.dram.read").unwrap();
            (read.candidates.first().and_then(|job| job.variant.keys().footprint_bytes), read.otherwise)
        };
        assert!(footprint(&machine).0.unwrap() >= 4 * (32 << 20));
        machine.environment.memory_available_bytes = 512 << 20;
        let (none, (status, reason)) = footprint(&machine);
        assert_eq!((none, status), (None, Status::Skipped));
        assert!(reason.contains("512 MiB"), "{reason}");
    }

    #[test]
    fn no_rounding_makes_an_array_a_cache() {
        let mut machine = machine();
        machine.environment.threads = 48;
        for available in [1000_u64, 1275, 1290, 1400, 2000].map(|mib| mib << 20) {
            machine.environment.memory_available_bytes = available;
            let questions = plan(&machine, &[], Effort::Standard);
            let read = questions.into_iter().find(|q| q.id == "memory.dram.read").unwrap();
            let footprint = read.candidates.first().and_then(|job| job.variant.keys().footprint_bytes);
            assert!(footprint.is_none_or(|bytes| bytes >= 4 * (32 << 20)), "{available}: {footprint:?}");
        }
    }

    #[test]
    fn without_huge_pages_none_are_asked() {
        let mut machine = machine();
        machine.environment.huge_pages = Some("never".into());
        let jobs: Vec<_> = plan(&machine, &[], Effort::Thorough).into_iter().flat_map(|q| q.candidates).collect();
        assert!(jobs.iter().all(|job| job.variant.keys().pages != Some(roofprobe_kernels::buffer::Pages::Huge)));
    }
}
