//! The advice for one model and workload.

use super::advice::{Advice, CacheSpeed, FormatSpeed, Free, MicroBatchSpeed, because};
use super::{Evaluator, RoofKind, ThreadAdvice, memory::Memory};
use crate::error::Result;
use crate::model::weights::recipe::Recipe;
use crate::model::{BATCH_MAX, Phase, TensorType, Weights, Workload};
use crate::profile::Ceiling;
use roofprobe_kernels::{Dtype, Op};

/// Batches and drafts are searched up to here: beyond what any cache of a small device holds.
const MOST: u64 = 1 << 12;

/// The formats that are set side by side: those whose kernels are measured, as checkpoints come in them.
const FORMATS: [Weights; 6] = [
    Weights::Every(TensorType::F16),
    Weights::Every(TensorType::Bf16),
    Weights::Mixture(Recipe::Q8_0),
    Weights::Mixture(Recipe::Q6K),
    Weights::Mixture(Recipe::Q4KM),
    Weights::Mixture(Recipe::Q4_0),
];

/// Those that are set beside them where a profile has products of their main type.
const MEASURED_FORMATS: [(Dtype, Weights); 5] = [
    (Dtype::Q5K, Weights::Mixture(Recipe::Q5KM)),
    (Dtype::Iq4Xs, Weights::Mixture(Recipe::Iq4Xs)),
    (Dtype::Iq4Nl, Weights::Mixture(Recipe::Iq4Nl)),
    (Dtype::Q3K, Weights::Mixture(Recipe::Q3KM)),
    (Dtype::Q2K, Weights::Mixture(Recipe::Q2K)),
];

/// Types of a cache that engines offer.
const CACHES: [TensorType; 3] = [TensorType::F16, TensorType::Q8_0, TensorType::Q4_0];
/// Tokens at once, as engines let one choose.
const MICRO_BATCHES: [u64; 6] = [64, 128, 256, 512, 1024, 2048];

/// What follows from the speeds of what was asked about.
///
/// # Errors
/// Misuse for a workload beyond its limits, and for a count beyond 64 bits.
pub(super) fn advice(evaluator: &Evaluator) -> Result<Advice> {
    let (model, workload) = (evaluator.demand().model(), &evaluator.query.workload);
    let batch = Free::find(MOST, 1, |batch| {
        let workload = Workload { batch, micro_batch: None, ..*workload };
        Ok(evaluator.seconds(&workload.verification(model, 1)?)?.0)
    })?;
    let draft =
        Free::find(MOST, workload.batch, |tokens| Ok(evaluator.seconds(&workload.verification(model, tokens)?)?.0))?;
    let mut formats = formats(evaluator)?;
    formats.sort_by(|a, b| b.decode_tokens_per_s.total_cmp(&a.decode_tokens_per_s));
    Ok(Advice {
        tolerance: super::TOLERANCE,
        batch,
        draft,
        fitting_batch: fitting_batch(evaluator)?,
        fastest_because: because(&formats),
        caches: caches(evaluator)?,
        micro_batches: micro_batches(evaluator)?,
        threads: ThreadAdvice::of(evaluator.profile),
        formats,
    })
}

/// Weights once, caches for each sequence.
fn fitting_batch(evaluator: &Evaluator) -> Result<Option<u64>> {
    let Some(has) = evaluator.profile.usable_memory_bytes() else { return Ok(None) };
    let workload = &evaluator.query.workload;
    let fits = |batch: u64| -> Result<bool> {
        let workload =
            Workload { batch, micro_batch: workload.micro_batch.map(|tokens| tokens.max(batch)), ..*workload };
        Ok(Memory::of(evaluator, &workload)?.total()? <= has)
    };
    let (mut low, mut high) = (0, BATCH_MAX + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle)? { low = middle } else { high = middle }
    }
    Ok((low > 0).then_some(low))
}

/// What was asked about, then the same shape in every format that its rows allow.
fn formats(asked: &Evaluator) -> Result<Vec<FormatSpeed>> {
    let mut speeds = vec![speed(asked)?];
    // Of a file's model the shape is asked about, not the file.
    let shape = asked.demand().model().without_tensors();
    let own = speeds[0].weights.clone();
    let measured = |dtype: Dtype| {
        let of_type = |ceiling: &&Ceiling| ceiling.id.tokens().is_some() && ceiling.id.dtype() == Some(dtype);
        asked.profile.ceiling.iter().filter(of_type).any(|ceiling| ceiling.status.has_value())
    };
    let more = MEASURED_FORMATS.into_iter().filter(|&(dtype, _)| measured(dtype)).map(|(_, weights)| weights);
    for weights in FORMATS.into_iter().chain(more).filter(|weights| weights.to_string() != own) {
        let workload = Workload { weights: Some(weights), ..asked.query.workload };
        let query = asked.query.with(workload).by(asked.roof());
        // A format whose blocks its rows do not fill is none for this model.
        let Ok(evaluator) = Evaluator::of_engine(&shape, &query, asked.profile, asked.name, asked.engine) else {
            continue;
        };
        speeds.push(speed(&evaluator)?);
    }
    Ok(speeds)
}

fn speed(evaluator: &Evaluator) -> Result<FormatSpeed> {
    let (workload, roof) = (&evaluator.query.workload, evaluator.roof());
    let phase = |phase| evaluator.figures(workload, phase);
    let (prefill, decode) = (phase(Phase::Prefill)?, phase(Phase::Decode)?);
    let memory_needed_bytes = Memory::of(evaluator, workload)?.total()?;
    let seconds = decode.seconds(roof);
    Ok(FormatSpeed {
        weights: evaluator.demand().types().format.clone(),
        bytes_per_token: super::exact(decode.totals.weight_bytes.total())?,
        gb_per_s: (decode.bytes() / seconds).giga(),
        decode_tokens_per_s: workload.batch as f64 / seconds.0,
        prefill_tokens_per_s: (workload.batch * workload.prompt) as f64 / prefill.seconds(roof).0,
        memory_needed_bytes,
        fits: evaluator.profile.usable_memory_bytes().map(|has| memory_needed_bytes <= has),
        stand_ins: stand_ins(evaluator)?,
    })
}

/// Types of weights that a decode step multiplies by the measured rates of another type.
fn stand_ins(evaluator: &Evaluator) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let Some(achieved) = evaluator.achieved.as_ref().ok().filter(|_| evaluator.roof() != RoofKind::Peak) else {
        return Ok(found);
    };
    let (demand, workload) = (evaluator.demand(), &evaluator.query.workload);
    for (_, forward) in workload.forwards(demand.model(), Phase::Decode)? {
        demand.each_counted(&forward, |counted| {
            let stored = counted.step.operand;
            let by = achieved.stand_in(stored).filter(|_| counted.step.op == Op::Matmul);
            let words = by.map(|by| format!("{stored} by {by}"));
            found.extend(words.filter(|words| !found.contains(words)));
        })?;
    }
    Ok(found)
}

/// The cache as asked for, then in the other types that its rows allow.
fn caches(asked: &Evaluator) -> Result<Vec<CacheSpeed>> {
    let own = asked.query.workload.kv;
    let mut speeds = Vec::new();
    for kv in std::iter::once(own).chain(CACHES.into_iter().filter(|&kv| kv != own)) {
        let query = asked.query.with(Workload { kv, ..asked.query.workload }).by(asked.roof());
        let model = asked.demand().model();
        let Ok(evaluator) = Evaluator::of_engine(model, &query, asked.profile, asked.name, asked.engine) else {
            continue;
        };
        // Rows that are no whole blocks of the type are found where they are counted.
        let Ok(FormatSpeed { decode_tokens_per_s, prefill_tokens_per_s, memory_needed_bytes, .. }) = speed(&evaluator)
        else {
            continue;
        };
        speeds.push(CacheSpeed { kv: kv.to_string(), decode_tokens_per_s, prefill_tokens_per_s, memory_needed_bytes });
    }
    Ok(speeds)
}

/// The prompt in parts, up to the first that takes in all of it.
fn micro_batches(asked: &Evaluator) -> Result<Vec<MicroBatchSpeed>> {
    let (workload, roof) = (&asked.query.workload, asked.roof());
    let tokens = workload.batch * workload.prompt;
    let parts = MICRO_BATCHES.into_iter().filter(|&at_once| at_once >= workload.batch && at_once < tokens);
    let speed = |micro_batch: u64| {
        let parted = Workload { micro_batch: Some(micro_batch), ..*workload };
        let seconds = asked.figures(&parted, Phase::Prefill)?.seconds(roof);
        Ok(MicroBatchSpeed { micro_batch, prefill_tokens_per_s: tokens as f64 / seconds.0 })
    };
    parts.chain([tokens.max(workload.batch)]).map(speed).collect()
}
