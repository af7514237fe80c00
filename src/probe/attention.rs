//! Attention achieved: one query token over a long cache, and a prompt over itself.

use super::curves::curve;
use super::memory::{self, CACHE_MULTIPLE_MIN};
use super::{CurveQuestion, PlanInputs, Question, Schedule};
use crate::job::Job;
use crate::profile::{AttentionExtents, AttentionPhase, CeilingId, CurveAxis, Effort, Machine, Status, Variant};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Key/value heads, as in most models of one to eight billion parameters.
const KV_HEADS: u64 = 8;
/// Cached tokens of the ceilings.
const CONTEXT: u64 = 4096;
/// Cached tokens of the curve.
const CONTEXTS: [u64; 6] = [512, 1024, 2048, 4096, 8192, 16384];
/// Tokens of the prompt.
const PROMPT: u64 = 512;
/// Query heads per key/value head, and elements per head, of the first ceilings: an 8-billion-parameter model's.
const GROUP: u64 = 4;
const HEAD_DIM: u64 = 128;
/// The corners: without and with much sharing, small and large heads.
const CORNERS: [(u64, u64); 4] = [(1, 128), (8, 128), (1, 64), (8, 64)];
/// The cache takes long to make ready, once for all heads of one size.
const SCHEDULES: [(u64, Schedule); 2] = [(64, Schedule::OneRoundInThree(1)), (128, Schedule::OneRoundInThree(2))];

/// `attention.f16.decode`, its corners `attention.f16.decode.g<group>d<head_dim>`, and `attention.f16.prefill`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let mut questions = vec![question(
        inputs,
        CeilingId::attention(Dtype::F16, AttentionPhase::Decode, AttentionExtents::Usual),
        (GROUP, HEAD_DIM),
        1,
        CONTEXT,
    )];
    if inputs.effort != Effort::Quick {
        questions.extend(CORNERS.into_iter().map(|(group, head_dim)| {
            question(
                inputs,
                CeilingId::attention(Dtype::F16, AttentionPhase::Decode, AttentionExtents::Heads { group, head_dim }),
                (group, head_dim),
                1,
                CONTEXT,
            )
        }));
    }
    questions.push(question(
        inputs,
        CeilingId::attention(Dtype::F16, AttentionPhase::Prefill, AttentionExtents::Usual),
        (GROUP, HEAD_DIM),
        PROMPT,
        PROMPT,
    ));
    questions
}

/// `attention.f16.decode.context`: along the length of the cache.
pub(super) fn along_context(machine: &Machine) -> CurveQuestion {
    let id = CeilingId::attention(Dtype::F16, AttentionPhase::Decode, AttentionExtents::Context);
    let variants = || {
        let isa = *isas(machine, Effort::Quick).first()?;
        let cache_bytes = memory::cache_bytes(machine);
        CONTEXTS
            .into_iter()
            .map(|context| variant(machine, isa, (GROUP, HEAD_DIM), 1, context, (cache_bytes, 1)).ok())
            .collect()
    };
    let variants: Option<Vec<Variant>> = variants();
    match variants {
        Some(variants) => curve(id, Op::Attention, CurveAxis::Context, variants),
        None => {
            let otherwise = (Status::Skipped, "too little memory for a cache that lives in it".to_owned());
            CurveQuestion { otherwise, ..curve(id, Op::Attention, CurveAxis::Context, []) }
        }
    }
}

fn question(inputs: PlanInputs, id: CeilingId, shape: (u64, u64), tokens: u64, context: u64) -> Question {
    let PlanInputs { machine, effort, .. } = inputs;
    // Twice the least where there is room, so that what the cache keeps is lost in the noise.
    let times = 2;
    let mut question = Question::new(id);
    let turn = SCHEDULES.into_iter().find(|(head_dim, _)| *head_dim == shape.1);
    question.schedule = turn.map_or(Schedule::EveryRound, |(_, turn)| turn);
    for isa in isas(machine, effort) {
        match variant(machine, isa, shape, tokens, context, (memory::last_cache_bytes(inputs), times)) {
            Ok(variant) => {
                let ceiling = question.id.clone();
                question.candidates.push(Job { ceiling, op: Op::Attention, dtype: Dtype::F16, variant });
            }
            Err(reason) => question.otherwise = (Status::Skipped, reason),
        }
    }
    question
}

fn variant(
    machine: &Machine,
    isa: Isa,
    (group, head_dim): (u64, u64),
    tokens: u64,
    context: u64,
    (cache_bytes, times): (u64, u64),
) -> Result<Variant, String> {
    let layer = KV_HEADS * context * head_dim * 2 * 2;
    let least = cache_bytes.saturating_mul(CACHE_MULTIPLE_MIN);
    // A prompt's keys and values have just been written, and are in a cache if they fit.
    let copies = if tokens > 1 { 1 } else { least.div_ceil(layer) };
    // As much again as the arrays, which are there as well.
    let room = memory::room(machine, 1) * memory::ARRAYS;
    if copies.saturating_mul(layer) > room {
        return Err(format!(
            "too little memory: {} MiB of keys and values, {CACHE_MULTIPLE_MIN} × the last-level cache, do not fit in the {} MiB \
             that may be used",
            copies.saturating_mul(layer) >> 20,
            room >> 20
        ));
    }
    let copies = if tokens > 1 { 1 } else { (copies * times).min(room / layer) };
    Ok(Variant {
        isa: Some(isa.name().to_owned()),
        threads: Some(machine.environment.threads),
        pages: Some(memory::largest_pages(machine)),
        m: Some(tokens),
        heads: Some(group * KV_HEADS),
        kv_heads: Some(KV_HEADS),
        head_dim: Some(head_dim),
        context: Some(context),
        copies: Some(copies as u32),
        ..Variant::default()
    })
}

/// The instruction sets worth trying, widest first: a single query to a head is answered faster by the second one on Zen 4.
fn isas(machine: &Machine, effort: Effort) -> Vec<Isa> {
    let mut isas: Vec<Isa> = super::isas(machine).filter(|isa| isa.has_attention()).collect();
    isas.reverse();
    isas.truncate(if effort == Effort::Quick { 1 } else { 2 });
    isas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    #[test]
    fn a_decoded_cache_exceeds_the_last_level_and_a_prompts_need_not() {
        let machine = machine();
        for question in questions(PlanInputs { machine: &machine, curves: &[], effort: Effort::Standard }) {
            let variant = &question.candidates[0].variant;
            let [kv, dim, context] = [variant.kv_heads, variant.head_dim, variant.context].map(Option::unwrap);
            let bytes = kv * dim * context * 4 * u64::from(variant.copies.unwrap());
            assert_eq!(bytes >= 4 * (32 << 20), variant.m == Some(1), "{}", question.id);
        }
        assert_eq!(along_context(&machine).points.len(), CONTEXTS.len());
    }
}
