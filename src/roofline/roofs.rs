//! The ceilings of a profile as roofs: found once, with their intervals and what has to be said of them.

use super::{Arithmetic, Bound, Load, Note, NoteKind, Roof};
use crate::error::{Error, Result};
use crate::profile::{Ceiling, CeilingId, DeviceKind, Means, Profile, Status, Unit};
use crate::units::{BytesPerSecond, FlopsPerSecond};
use roofprobe_kernels::{Dtype, Op};

/// The ceilings of one profile that a model runs under, found once.
#[derive(Clone, Debug)]
pub struct Roofs<'a> {
    /// Reading weights and cache.
    pub read: Roof<'a, BytesPerSecond>,
    /// Writing the cache.
    pub write: Roof<'a, BytesPerSecond>,
    /// By the type of each [`Arithmetic`]; what it lacks is an error only where it is asked for.
    compute: [Result<Roof<'a, FlopsPerSecond>>; Dtype::ALL.len()],
}

/// The unit of a ceiling, and a rate of that from its value.
type Measure<Rate> = (Unit, fn(f64) -> Rate);

const BANDWIDTH: Measure<BytesPerSecond> = (Unit::GbPerS, BytesPerSecond::from_giga);
const ARITHMETIC: Measure<FlopsPerSecond> = (Unit::GflopPerS, FlopsPerSecond::from_giga);

impl<'a> Roofs<'a> {
    /// The ceilings of `profile`, called `name` in messages.
    ///
    /// # Errors
    /// Misuse, naming the profile and the ceiling, when it has no bandwidth of main (on a GPU: video) memory.
    pub fn of(profile: &'a Profile, name: &str) -> Result<Roofs<'a>> {
        // A quoted GPU profile may call its memory by either name.
        let memories = [profile.device.kind, DeviceKind::Cpu].map(DeviceKind::main_memory);
        let ids = |accesses: &[Op]| -> Vec<CeilingId> {
            accesses.iter().flat_map(|&access| memories.map(|level| CeilingId::memory(level, access))).collect()
        };
        let (reads, writes) = (ids(&[Op::Read]), ids(&[Op::Write, Op::Read]));
        let memory = |ids: &[CeilingId]| first(profile, name, ids, &reads[0], BANDWIDTH);
        let (read, write) = (memory(&reads)?, memory(&writes)?);
        let [stand_in, half] = [Arithmetic::F32, Arithmetic::F16].map(Arithmetic::ceiling_id);
        let peak = |ids: &[CeilingId]| first(profile, name, ids, &stand_in, ARITHMETIC);
        let single = peak(std::slice::from_ref(&stand_in));
        let matrices = peak(&[CeilingId::compute(Dtype::F16, Means::CooperativeMatrix)]).ok();
        let mut compute = Dtype::ALL.map(|_| single.clone());
        for arithmetic in Arithmetic::all() {
            let mut ids = vec![arithmetic.ceiling_id(), stand_in.clone()];
            // Where integers have no rate, engines widen them to either.
            if arithmetic == Arithmetic::I8 && value(profile, &half) > value(profile, &stand_in) {
                ids.insert(1, half.clone());
            }
            let own = peak(&ids).map(|own| match &matrices {
                // Bytes are exact in f16, and products of either are summed in f32.
                Some(matrices) if [Arithmetic::F16, Arithmetic::I8].contains(&arithmetic) => {
                    faster(own, matrices, "whose matrix units do such products, too")
                }
                _ => own,
            });
            compute[arithmetic.dtype() as usize] = match &single {
                Ok(single) => own.map(|roof| faster(roof, single, "in which its products can be done")),
                Err(_) => own,
            };
        }
        Ok(Roofs { read, write, compute })
    }

    /// The compute ceiling of an arithmetic. `compute.f32` stands in where it has no value, or a lower one; the notes say
    /// so.
    ///
    /// # Errors
    /// Misuse, naming the profile and the ceilings, when `compute.f32` has no value either.
    pub fn compute(&self, arithmetic: Arithmetic) -> Result<&Roof<'a, FlopsPerSecond>> {
        self.compute[arithmetic.dtype() as usize].as_ref().map_err(Clone::clone)
    }

    /// The least time of `load`, and what binds it. Without FLOPs no compute ceiling is needed.
    ///
    /// # Errors
    /// As [`Roofs::compute`].
    #[inline]
    pub fn bound(&self, load: &Load, arithmetic: Arithmetic) -> Result<Bound<'a>> {
        let compute = if load.flops.0 > 0.0 { Some(self.compute(arithmetic)?) } else { None };
        Ok(Bound::of(load, compute, &self.read, &self.write))
    }
}

/// The rate of a compute ceiling, where it has one.
fn value(profile: &Profile, id: &CeilingId) -> Option<f64> {
    profile.ceiling(id).filter(|ceiling| ceiling.status.has_value()).and_then(|ceiling| ceiling.gflop_per_s)
}

/// `own`, or where `other` is faster that one, with the reason why it does such products.
fn faster<'a>(own: Roof<'a, FlopsPerSecond>, other: &Roof<'a, FlopsPerSecond>, why: &str) -> Roof<'a, FlopsPerSecond> {
    if own.rate >= other.rate {
        return own;
    }
    let mut roof = other.clone();
    let (slow, fast) = (own.rate.giga(), other.rate.giga());
    let text = format!("{} ({slow} GFLOP/s) is below {} ({fast}), {why}, so that is the roof", own.id, other.id);
    roof.notes.insert(0, Note::new(NoteKind::StandIn, text));
    roof
}

/// The first ceiling of `ids` that has a value; without any, `remedy` is the one to measure.
fn first<'a, Rate>(
    profile: &'a Profile,
    name: &str,
    ids: &[CeilingId],
    remedy: &CeilingId,
    (unit, from_giga): Measure<Rate>,
) -> Result<Roof<'a, Rate>> {
    let mut missed: Vec<String> = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        // An arithmetic, or a memory, may be its own stand-in.
        if ids[..place].contains(id) {
            continue;
        }
        match profile.ceiling(id).map(|ceiling| (ceiling, ceiling.figure(unit))) {
            Some((ceiling, Some(value))) => return Ok(roof(ceiling, interval(ceiling, value).map(from_giga), &missed)),
            Some((ceiling, None)) => missed.push(without_value(ceiling)),
            None => missed.push(format!("{id} is not in the profile")),
        }
    }
    let device = match profile.device.kind {
        DeviceKind::Cpu => "",
        DeviceKind::Gpu => " --device gpu",
    };
    Err(Error::misuse(format!(
        "{name}: {remedy} has no value to reckon with: {}; `roofprobe measure{device}` measures all",
        missed.join(", ")
    )))
}

fn roof<'a, Rate>(ceiling: &'a Ceiling, [low, rate, high]: [Rate; 3], missed: &[String]) -> Roof<'a, Rate> {
    let id = ceiling.id.as_str();
    let mut notes = Vec::new();
    if !missed.is_empty() {
        let text = format!("{}, so {id} stands in for it", missed.join(", "));
        notes.push(Note::new(NoteKind::StandIn, text));
    }
    notes.extend(doubts(ceiling));
    Roof { id, rate, low, high, notes }
}

/// `value` between the ends of the ceiling's interval, which contains it: a best-of value may lie outside the interval of its
/// resamples.
pub(super) fn interval(ceiling: &Ceiling, value: f64) -> [f64; 3] {
    let [low, high] = ceiling.ci95.unwrap_or([value, value]);
    [low.min(value), value, high.max(value)]
}

/// Why a ceiling that is used should be used with care.
pub(super) fn doubts(ceiling: &Ceiling) -> Vec<Note> {
    let (id, status) = (ceiling.id.as_str(), ceiling.status);
    let mut notes = Vec::new();
    if status == Status::Suspect {
        notes.push(Note::of(NoteKind::Suspect, id, reason(ceiling)));
    }
    if status == Status::Quoted {
        notes.push(Note::of(NoteKind::Quoted, id, "quoted, not measured"));
    } else if ceiling.ci95.is_none() {
        notes.push(Note::of(NoteKind::NoInterval, id, ""));
    }
    notes
}

/// That a ceiling has no value, and why.
pub(super) fn without_value(ceiling: &Ceiling) -> String {
    format!("{} is {} ({})", ceiling.id, ceiling.status, reason(ceiling))
}

/// The reason of a status, on one line.
fn reason(ceiling: &Ceiling) -> String {
    ceiling.reason.as_deref().unwrap_or("no reason given").replace('\n', " ")
}
