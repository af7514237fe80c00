//! One measured rate under the roofs of a profile.

use super::impossible::{self, Traffic};
use super::{Measured, Verdict, other_device};
use crate::engine::EngineTable;
use crate::error::{Error, Result};
use crate::model::{Class, Model, TensorTypes, Totals, Weights};
use crate::potential::{Point, Potential};
use crate::profile::{Family, Profile};
use crate::roofline::{Arithmetic, Note, Ridge, Roofs};
use crate::units::{Bytes, Flops, Seconds};
use roofprobe_kernels::Op;
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::skip_serializing_none;

/// Sums of f64 are exact to far less than this share.
const ROUNDING: f64 = 1e-9;

/// Parameters may differ by this share and still be the same model's: factors of rotary embeddings count as some in files.
const PARAMETERS_DIFFER: f64 = 1e-6;

/// A measured rate: what was run, counted exactly; what that comes to in FLOPs and bytes per second; where it stands.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MeasuredPoint {
    /// Where it stands in its file.
    pub record: String,
    /// What the file calls the case.
    pub label: Option<String>,
    /// The model's name.
    pub model: String,
    /// What the file calls it.
    pub measured_model: String,
    /// The profile's name.
    pub profile: String,
    /// The device's name in the profile.
    pub device: String,
    /// What the engine reports that it ran on.
    pub ran_on: Option<String>,
    /// Who ran it.
    pub engine: String,
    /// How weights are stored.
    pub weights: String,
    /// How the cache is stored.
    pub kv: String,
    /// What was timed: `prefill`, `decode`, or `prefill+decode`.
    pub phase: &'static str,
    /// Tokens of the prompt; 0 where none was taken in.
    pub prompt: u64,
    /// Passes of one token each.
    pub decode_passes: u64,
    /// Tokens in the cache before.
    pub cached: u64,
    /// Forward passes in all.
    pub forward_passes: u64,
    /// Measured: tokens taken in or given, per second.
    pub tokens_per_s: f64,
    /// The slowest and the fastest repetition.
    pub tokens_per_s_range: Option<[f64; 2]>,
    /// Their time.
    pub seconds: f64,
    /// W: matmul FLOPs of all passes.
    pub flops: u64,
    /// Weight bytes read; of routed experts, as expected.
    pub weight_bytes: u64,
    /// Cache bytes read and written.
    pub kv_bytes: u64,
    /// Bytes read and written of what recurrent layers keep.
    pub state_bytes: u64,
    /// Q: all bytes.
    pub bytes: u64,
    /// W/Q.
    pub oi: f64,
    /// W/T.
    pub gflop_per_s: f64,
    /// Q/T.
    pub gb_per_s: f64,
    /// π/β for the arithmetic of the weights.
    pub ridge_flop_per_byte: f64,
    /// Against the bandwidth roof.
    pub memory: Against,
    /// Against the compute roof of the weights' arithmetic.
    pub compute: Against,
    /// Other compute ceilings that it exceeds. Another arithmetic may well be faster; or that ceiling is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub exceeds: Vec<Against>,
    /// Where it stands.
    #[serde(flatten)]
    pub potential: Potential,
    /// How good it is; none where the profile has no achieved roof.
    pub verdict: Option<Verdict>,
    /// What has to be said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub notes: Vec<String>,
}

/// A measured rate against a ceiling.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Against {
    /// The ceiling's id.
    pub ceiling: String,
    /// Its status.
    pub status: &'static str,
    /// The ceiling, where it is of compute.
    pub gflop_per_s: Option<f64>,
    /// The ceiling, where it is of memory.
    pub gb_per_s: Option<f64>,
    /// What was reached, in the same unit, over the ceiling.
    pub share: f64,
    /// Whether the ceiling is broken: what was reached is above it, and above its 95 % interval.
    pub broken: bool,
}

impl Against {
    /// The ceiling `id` against a rate of FLOPs and one of bytes, both in 10⁹ per second; none without a value.
    fn of(profile: &Profile, id: &str, gflop_per_s: f64, gb_per_s: f64) -> Option<Against> {
        let ceiling = profile.ceiling(id)?;
        let (of_compute, of_memory) = match ceiling.id.family() == Family::Compute {
            true => (ceiling.gflop_per_s, None),
            false => (None, ceiling.gb_per_s),
        };
        let value = of_compute.or(of_memory)?;
        let reached = if of_compute.is_some() { gflop_per_s } else { gb_per_s };
        let highest = ceiling.ci95.map_or(value, |[_, high]| high.max(value));
        Some(Against {
            ceiling: id.to_owned(),
            status: ceiling.status.name(),
            gflop_per_s: of_compute,
            gb_per_s: of_memory,
            share: reached / value,
            broken: reached > highest * (1.0 + ROUNDING),
        })
    }
}

impl Measured {
    /// Whether this model was run: by its number of parameters where the engine reports that, else by name. `asked` is what
    /// the model was asked for by.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn is_of(&self, model: &Model, asked: &str) -> Result<bool> {
        let Some(parameters) = self.parameters else {
            return Ok([asked, model.name()].iter().any(|name| self.model.eq_ignore_ascii_case(name)));
        };
        let counted =
            model.storage.gguf.as_ref().map_or_else(|| model.parameters(), |stored| Ok(stored.params_total))?;
        Ok(parameters.abs_diff(counted) as f64 <= parameters as f64 * PARAMETERS_DIFFER)
    }

    /// Whether the engine had this very file before it, as far as its bytes and its format tell; of what is no file nobody knows.
    pub fn is_of_file(&self, model: &Model) -> bool {
        let Ok(types) = TensorTypes::of(model, None) else { return false };
        let format = self.weights.as_ref().is_none_or(|weights| weights.to_string() == types.format);
        model.storage.gguf.is_some() && format && self.tensor_bytes.is_some() && self.tensor_bytes == types.tensor_bytes
    }

    /// The weights to reckon with: a file's are as they are.
    pub(super) fn format(&self, model: &Model) -> Result<Option<Weights>> {
        match (&model.storage.gguf, self.weights) {
            (Some(_), _) => Ok(None),
            (None, Some(weights)) => Ok(Some(weights)),
            (None, None) if self.weights_named.is_empty() => {
                Err(self.wrong("weights", "the file does not tell; add --weights"))
            }
            (None, None) => Err(self.wrong(
                "weights",
                format!(
                    "\"{}\" is no format known here; name the GGUF file as the model, or add --weights",
                    self.weights_named
                ),
            )),
        }
    }

    fn wrong(&self, key: &str, what: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{}: {key}: {what}", self.record))
    }
}

/// Sets `measured`, a run of `model`, under the roofs of `profile`, which is called `profile_name`.
///
/// # Errors
/// Misuse: a format that is not known, a GGUF file that has other bytes than the run's, a profile without roofs, or counts
/// beyond their limits.
pub fn join(measured: &Measured, model: &Model, profile: &Profile, profile_name: &str) -> Result<MeasuredPoint> {
    join_engine(measured, model, profile, profile_name, None)
}

/// As [`join`]; by the table of the engine that ran it, the verdict says where time is lost.
///
/// # Errors
/// As [`join`].
pub fn join_engine(
    measured: &Measured,
    model: &Model,
    profile: &Profile,
    profile_name: &str,
    engine: Option<&EngineTable>,
) -> Result<MeasuredPoint> {
    let mut point = under_peaks(measured, model, profile, profile_name)?;
    point.verdict = Verdict::of(measured, model, (profile_name, profile), engine, &point.notes)?;
    Ok(point)
}

/// The point under the peak roofs, without a verdict.
fn under_peaks(measured: &Measured, model: &Model, profile: &Profile, profile_name: &str) -> Result<MeasuredPoint> {
    let types = TensorTypes::of(model, measured.format(model)?).map_err(|e| e.within(&measured.record))?;
    let mut notes = other_device::notes(measured, profile);
    let elsewhere = !notes.is_empty();
    notes.extend(said(measured, model, profile, &types)?);
    let (totals, forward_passes) = counted(measured, model, &types)?;
    let roofs = Roofs::of(profile, profile_name)?;
    let arithmetic = Arithmetic::of(Op::Matmul, types.main.nearest());
    let roof = roofs.compute(arithmetic)?;
    let ridge = Ridge { compute: roof.rate, bandwidth: roofs.read.rate };
    let (roof_id, read_id) = (roof.id.to_string(), roofs.read.id.to_string());
    notes.extend(roof.notes.iter().map(Note::to_string));
    let (passes, seconds) = (measured.passes, Seconds(measured.passes.tokens() as f64 / measured.tokens_per_s));
    let weight_bytes = exact(totals.weight_bytes.total())?;
    let traffic = Traffic { passes: forward_passes, weight_bytes, model_bytes: types.bytes, seconds: seconds.0 };
    if !elsewhere {
        impossible::refuse(measured, profile, roofs.read.id, &traffic)?;
    }
    let (flops, bytes) = (Flops(totals.flops.total() as f64), Bytes(totals.memory_bytes() as f64));
    let point = Point { intensity: flops / bytes, rate: flops / seconds };
    let (gflop_per_s, gb_per_s) = (point.rate.giga(), (bytes / seconds).giga());
    let against = |id: &str| Against::of(profile, id, gflop_per_s, gb_per_s);
    let missing = |id: &str| Error::misuse(format!("{profile_name}: {id} has no value"));
    let others = Arithmetic::all().map(Arithmetic::ceiling_id).filter(|id| id.as_str() != roof_id);
    Ok(MeasuredPoint {
        record: measured.record.clone(),
        label: measured.label.clone(),
        model: model.name().to_owned(),
        measured_model: measured.model.clone(),
        profile: profile_name.to_owned(),
        device: profile.device.name.clone(),
        ran_on: measured.ran_on.clone(),
        engine: measured.engine.clone(),
        weights: types.format.clone(),
        kv: measured.kv.to_string(),
        phase: passes.phase(),
        prompt: passes.prompt,
        decode_passes: passes.decode,
        cached: passes.past,
        forward_passes,
        tokens_per_s: measured.tokens_per_s,
        tokens_per_s_range: measured.tokens_per_s_range,
        seconds: seconds.0,
        flops: exact(totals.flops.total())?,
        weight_bytes,
        kv_bytes: exact(totals.kv_read_bytes + totals.kv_write_bytes)?,
        state_bytes: exact(totals.state_read_bytes + totals.state_write_bytes)?,
        bytes: exact(totals.memory_bytes())?,
        oi: point.intensity.0,
        gflop_per_s,
        gb_per_s,
        ridge_flop_per_byte: ridge.intensity().0,
        memory: against(&read_id).ok_or_else(|| missing(&read_id))?,
        compute: against(&roof_id).ok_or_else(|| missing(&roof_id))?,
        exceeds: others.filter_map(|id| against(id.as_str())).filter(|other| other.broken).collect(),
        potential: Potential::of(point, ridge),
        verdict: None,
        notes,
    })
}

/// What all passes take together, and how many there are.
fn counted(measured: &Measured, model: &Model, types: &TensorTypes) -> Result<(Totals, u64)> {
    let (mut steps, mut passes) = (Vec::new(), 0);
    for (pass, forward) in measured.passes.forwards() {
        let forward = crate::model::Forward { latents: measured.runtime.latents(model, pass), ..forward };
        passes += forward.passes;
        let of_pass = types.steps(model, &forward, measured.kv).map_err(|e| e.within(&measured.record))?;
        // Without logits there is no head to read.
        steps.extend(of_pass.into_iter().filter(|step| forward.logits > 0 || step.class != Class::LmHead));
    }
    Ok((Totals::of(&steps)?, passes))
}

/// What is to be said of the run and of its weights.
fn said(measured: &Measured, model: &Model, profile: &Profile, types: &TensorTypes) -> Result<Vec<String>> {
    let weights = [check_bytes(measured, model, types)?, cache_note(model, profile, types.bytes)];
    Ok(measured.notes.iter().cloned().chain(weights.into_iter().flatten()).collect())
}

/// That the engine had the same bytes before it as are counted here.
fn check_bytes(measured: &Measured, model: &Model, types: &TensorTypes) -> Result<Option<String>> {
    let (Some(ran), Some(counted)) = (measured.tensor_bytes, types.tensor_bytes) else { return Ok(None) };
    if ran == counted {
        return Ok(None);
    }
    let differ = format!("ran {ran} bytes of tensors, and {} as {} has {counted}", model.name(), types.format);
    if model.storage.gguf.is_some() {
        return Err(measured.wrong("model_size", format!("{differ}: another file")));
    }
    Ok(Some(format!("{differ}; name the GGUF file as the model to count its own")))
}

/// Where a cache holds all weights, main memory need not be the roof.
fn cache_note(model: &Model, profile: &Profile, weights: u64) -> Option<String> {
    let largest = profile.device.caches.iter().map(|c| c.bytes.saturating_mul(u64::from(c.instances))).max()?;
    let (mib, of) = (weights.div_ceil(1 << 20), largest >> 20);
    let fit = format!("the weights of {} ({mib} MiB) fit in a cache ({of} MiB)", model.name());
    (weights <= largest).then(|| format!("{fit}; a run may exceed the roof of main memory"))
}

fn exact(count: u128) -> Result<u64> {
    u64::try_from(count).map_err(|_| Error::misuse("a count of the measured run exceeds 64 bits"))
}
