//! A profile made into a device: the only bridge between the wings.
//!
//! It answers every job from the profile's own record: trials with the values tried, samples with the samples kept, in
//! their order. A measurement of it therefore comes to the very profile it was made from; that property tests sampling,
//! statistics, conclusions and TOML together, without hardware and without a clock.

use crate::device::{Device, Purpose, Refusal, Timing};
use crate::error::Error;
use crate::job::Job;
use crate::probe::{CurveQuestion, Question};
use crate::profile::{
    Ceiling, CeilingId, Curve, Flag, IdKind, Machine, Profile, Status, Unit, Variant, VariantKeys, Word,
};
use crate::units::{Bytes, Flops, Seconds};
use crate::work::Work;
use roofprobe_kernels::{Dtype, Op};
use std::collections::HashMap;

/// A device that replays a profile.
pub struct Simulated {
    profile: Profile,
    machine: Machine,
    /// Samples already replayed.
    replayed: HashMap<Job, usize>,
}

impl Simulated {
    /// A device that has exactly the ceilings of `profile`.
    ///
    /// # Errors
    /// Misuse when it has no environment: nothing was measured that could be replayed.
    pub fn new(profile: Profile) -> crate::error::Result<Simulated> {
        let machine = profile.machine().ok_or_else(|| {
            Error::misuse(
                "was quoted, not measured: there is no environment and no sample to replay; name a measured profile",
            )
        })?;
        Ok(Simulated { profile, machine, replayed: HashMap::new() })
    }

    fn ceiling(&self, job: &Job) -> Result<&Ceiling, Refusal> {
        let id = &job.ceiling;
        let missing = || Refusal::Skipped(format!("the simulated profile has no {id}"));
        let ceiling = self.profile.ceiling(id).ok_or_else(missing)?;
        refused(ceiling.status, ceiling.reason.as_deref())?;
        Ok(ceiling)
    }

    fn time_ceiling(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> Result<Timing, Refusal> {
        let next = self.replayed.get(job).copied().unwrap_or(0);
        let ceiling = self.ceiling(job)?;
        let unknown = || Refusal::Unsupported(format!("the simulated profile has no {job}"));
        let (best, unit) = ceiling.value().ok_or_else(unknown)?;
        let keys = job.variant.keys();
        let tried = ceiling.trials.iter().find(|trial| trial.variant == keys).map(|trial| trial.value);
        let won = ceiling.variant.as_ref().is_none_or(|variant| *variant == keys);
        let value = match purpose {
            Purpose::Warm | Purpose::Trial => tried.or(won.then_some(best)).ok_or_else(unknown)?,
            // A quoted ceiling has no samples: its value is the one there is.
            Purpose::Sample if ceiling.sample_values.is_empty() && next == 0 => best,
            Purpose::Sample => *ceiling.sample_values.get(next).ok_or(Refusal::Exhausted)?,
        };
        // The second figure is to the value as the two kinds of work of every pass are to each other.
        let second = ceiling.second().map_or(0.0, |(second, _)| value * second / best);
        let pass = Timing {
            clock_hz: ceiling.clock_ghz.map(|ghz| ghz * 1e9),
            watts: ceiling.watts,
            huge_share: ceiling.huge_share,
            relative_error: ceiling.relative_error,
            note: note(&ceiling.flags, next),
            ..pass(unit, value, second, repetitions)
        };
        self.count(job, purpose);
        Ok(pass)
    }

    fn time_point(&mut self, curve: &Curve, job: &Job, repetitions: u64, purpose: Purpose) -> Result<Timing, Refusal> {
        refused(curve.status, curve.reason.as_deref())?;
        let next = self.replayed.get(job).copied().unwrap_or(0);
        let unknown = || Refusal::Unsupported(format!("the simulated profile has no {job}"));
        let (values, unit) = curve.values().ok_or_else(unknown)?;
        let (axis, places) = curve.axis().ok_or_else(unknown)?;
        let at =
            axis.of(&job.variant.keys()).and_then(|place| places.binary_search(&place).ok()).ok_or_else(unknown)?;
        let value = match (purpose, curve.sample_values.get(at)) {
            (Purpose::Warm | Purpose::Trial, _) => values[at],
            (Purpose::Sample, None) if next == 0 => values[at],
            (Purpose::Sample, samples) => *samples.and_then(|all| all.get(next)).ok_or(Refusal::Exhausted)?,
        };
        let note = note(&curve.flags, next);
        self.count(job, purpose);
        Ok(Timing { note, ..pass(unit, value, 0.0, repetitions) })
    }

    fn count(&mut self, job: &Job, purpose: Purpose) {
        if purpose == Purpose::Sample {
            *self.replayed.entry(job.clone()).or_default() += 1;
        }
    }
}

/// The questions as they were asked when `profile` was measured: those that it answers, with the variants that it tried. New
/// probes would otherwise make old profiles differ from their replay.
pub fn as_asked(profile: &Profile, mut questions: Vec<Question>) -> Vec<Question> {
    questions.retain(|question| profile.ceiling(&question.id).is_some());
    for question in &mut questions {
        let Some(ceiling) = profile.ceiling(&question.id) else { continue };
        let tried: Vec<_> = ceiling.trials.iter().map(|trial| &trial.variant).collect();
        let variants = if tried.is_empty() { ceiling.variant.iter().collect() } else { tried };
        let same = |keys| match question.candidates.first() {
            Some(job) => Some(Job { variant: Variant::of_family(job.variant.family(), keys)?, ..job.clone() }),
            // Other sizes are planned today, and may not fit.
            None => recorded_job(&question.id, keys),
        };
        let jobs: Vec<Job> = variants.into_iter().filter_map(same).collect();
        if !jobs.is_empty() {
            question.fallback.clear();
            question.candidates = jobs;
        }
    }
    questions
}

/// The curves as they were asked when `profile` was measured: those that it has, in its order, at the places that it has.
pub fn curves_as_asked(profile: &Profile, questions: Vec<CurveQuestion>) -> Vec<CurveQuestion> {
    let recorded = |curve: &Curve| {
        let question = questions.iter().find(|question| question.id == curve.id)?.clone();
        let place = |&place: &u64| {
            let Some(mut keys) = curve.variant.clone() else {
                return question
                    .points
                    .iter()
                    .find(|job| question.axis.of(&job.variant.keys()) == Some(place))
                    .cloned();
            };
            question.axis.set(&mut keys, place);
            recorded_job(&curve.id, &keys)
        };
        let points: Vec<Job> = curve.along(question.axis).iter().filter_map(place).collect();
        let otherwise = (curve.status, curve.reason.clone().unwrap_or_default());
        Some(CurveQuestion { points, otherwise, ..question })
    };
    profile.curve.iter().filter_map(recorded).collect()
}

/// What a recorded variant was of. The simulated device answers by id and variant alone: it has no use for the exact type.
fn recorded_job(id: &CeilingId, keys: &VariantKeys) -> Option<Job> {
    const FAMILIES: [&str; 10] = [
        "Stream",
        "Chase",
        "Chain",
        "Matmul",
        "Attention",
        "GpuStream",
        "GpuMatmul",
        "GpuAttention",
        "GpuChase",
        "WorkgroupStride",
    ];
    let (op, dtype) = match id.whole() {
        IdKind::Memory { access: Word::Known(op), .. } | IdKind::MemoryCurve { access: op, .. } => (*op, Dtype::F64),
        IdKind::Latency { .. } => (Op::Chase, Dtype::I8),
        IdKind::Compute { dtype: Word::Known(dtype), .. } => (Op::Chain, *dtype),
        IdKind::Matmul { weights: Word::Known(weights), .. }
        | IdKind::MatmulCurve { weights: Word::Known(weights), .. } => (Op::Matmul, *weights),
        IdKind::Attention { cache: Word::Known(cache), .. } => (Op::Attention, *cache),
        _ => return None,
    };
    let variant = FAMILIES.iter().find_map(|family| Variant::of_family(family, keys))?;
    Some(Job { ceiling: id.clone(), op, dtype, variant })
}

impl Device for Simulated {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> Result<Timing, Refusal> {
        match self.profile.curve(&job.ceiling).cloned() {
            Some(curve) => self.time_point(&curve, job, repetitions, purpose),
            None => self.time_ceiling(job, repetitions, purpose),
        }
    }

    fn renew(&mut self) {}
}

/// What the device said, one remark after another: the last one again and again.
fn note(flags: &[Flag], next: usize) -> Option<String> {
    let of_device = |flag: &Flag| if let Flag::Device(report) = flag { Some(report.clone()) } else { None };
    let reports: Vec<String> = flags.iter().filter_map(of_device).collect();
    reports.get(next).or(reports.last()).cloned()
}

/// The refusal that a status without a value was made from.
fn refused(status: Status, reason: Option<&str>) -> Result<(), Refusal> {
    let reason = reason.unwrap_or_default().to_owned();
    match status {
        Status::Unsupported => Err(Refusal::Unsupported(reason)),
        Status::Rejected => Err(Refusal::Rejected(reason)),
        Status::Skipped => Err(Refusal::Skipped(reason)),
        Status::Measured | Status::Suspect | Status::Quoted => Ok(()),
    }
}

/// A pass that has exactly this value, and this second figure where the unit has one.
fn pass(unit: Unit, value: f64, second: f64, repetitions: u64) -> Timing {
    let each = repetitions as f64;
    let (seconds, work) = match unit {
        Unit::GbPerS => (1.0, Work { bytes: Bytes(value * 1e9), flops: Flops(second * 1e9) }),
        Unit::GflopPerS => (1.0, Work { flops: Flops(value * 1e9), bytes: Bytes(second * 1e9) }),
        Unit::Us => (value * 1e-6 * each, Work::default()),
        Unit::Ns => (value * 1e-9 * each, Work::default()),
    };
    Timing { seconds: Seconds(seconds), repetitions, work, ..Timing::default() }
}
