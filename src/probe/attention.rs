//! Attention achieved: one query token over a long cache, and a prompt over itself.

use super::memory::{self, CACHE_MULTIPLE_MIN};
use super::{CurveQuestion, Operands, PlanInputs, Question, curve, curve_without_points};
use crate::profile::{Attention, AttentionExtents, AttentionPhase, CeilingId, CurveAxis, Effort, Machine, Status};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Key/value heads, as in most models of one to eight billion parameters.
pub(super) const KV_HEADS: u64 = 8;
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
const CORNERS: [Heads; 4] = [(1, 128), (8, 128), (1, 64), (8, 64)];

/// Query heads per key/value head, and elements per head.
pub(super) type Heads = (u64, u64);

/// `attention.f16.decode`, its corners, and `attention.f16.prefill`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let ask = |id, heads| question(inputs, id, heads, 1, CONTEXT);
    let prefill = question(inputs, prefill(), (GROUP, HEAD_DIM), PROMPT, PROMPT);
    decodes(inputs.effort, ask).into_iter().chain([prefill]).collect()
}

/// What `ask` makes of `attention.f16.decode` and of its corners, `attention.f16.decode.g<group>d<head_dim>`.
pub(super) fn decodes(effort: Effort, ask: impl Fn(CeilingId, Heads) -> Question) -> Vec<Question> {
    let decode = |extents| CeilingId::attention(Dtype::F16, AttentionPhase::Decode, extents);
    let corners: &[Heads] = if effort == Effort::Quick { &[] } else { &CORNERS };
    let corner = |&(group, head_dim): &Heads| (AttentionExtents::Heads { group, head_dim }, (group, head_dim));
    let all = std::iter::once((AttentionExtents::Usual, (GROUP, HEAD_DIM))).chain(corners.iter().map(corner));
    all.map(|(extents, heads)| ask(decode(extents), heads)).collect()
}

/// `attention.f16.prefill`.
pub(super) fn prefill() -> CeilingId {
    CeilingId::attention(Dtype::F16, AttentionPhase::Prefill, AttentionExtents::Usual)
}

/// The cache takes long to make ready, once for all heads of one size.
pub(super) fn operands((_, head_dim): Heads) -> Option<Operands> {
    Some(Operands::Cache { head_dim })
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
    let variants: Option<Vec<Attention>> = variants();
    match variants {
        Some(variants) => curve(id, Op::Attention, CurveAxis::Context, variants),
        None => curve_without_points(id, CurveAxis::Context, "too little memory for a cache that lives in it"),
    }
}

fn question(inputs: PlanInputs, id: CeilingId, heads: Heads, tokens: u64, context: u64) -> Question {
    let PlanInputs { machine, effort, .. } = inputs;
    let cache = memory::last_cache_bytes(inputs);
    // Twice the least where there is room, so that what the cache keeps is lost in the noise.
    let variant = |isa| variant(machine, isa, heads, tokens, context, (cache, 2));
    let question = match isas(machine, effort).into_iter().map(variant).collect::<Result<Vec<_>, _>>() {
        Ok(variants) => Question::of(id, Op::Attention, Dtype::F16, variants),
        Err(reason) => Question::unasked(id, Status::Skipped, reason),
    };
    Question { operands: operands(heads), ..question }
}

fn variant(
    machine: &Machine,
    isa: Isa,
    (group, head_dim): Heads,
    tokens: u64,
    context: u64,
    (cache_bytes, times): (u64, u64),
) -> Result<Attention, String> {
    let layer = layer_bytes(head_dim, context);
    // A prompt's keys and values have just been written, and are in a cache if they fit.
    let (least, times) = if tokens > 1 { (layer, 1) } else { (cache_bytes.saturating_mul(CACHE_MULTIPLE_MIN), times) };
    let copies = memory::copies(machine, "keys and values", layer, least, times)?;
    Ok(Attention {
        isa,
        threads: machine.environment.threads,
        pages: memory::largest_pages(machine),
        m: tokens,
        heads: group * KV_HEADS,
        kv_heads: KV_HEADS,
        head_dim,
        context,
        copies,
        arithmetic: None,
        streams: None,
        span: None,
        prefetch_bytes: None,
    })
}

/// Bytes of the keys and values of one layer.
pub(super) fn layer_bytes(head_dim: u64, context: u64) -> u64 {
    KV_HEADS * context * head_dim * 2 * 2
}

/// The instruction sets worth trying: a single query to a head is answered faster by the second one on Zen 4.
fn isas(machine: &Machine, effort: Effort) -> Vec<Isa> {
    super::widest_isas(machine, effort, Isa::has_attention)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    #[test]
    fn a_decoded_cache_exceeds_the_last_level_and_a_prompts_need_not() {
        let machine = machine();
        for question in questions(PlanInputs::new(&machine, &[], Effort::Standard)) {
            let variant = question.candidates[0].variant.keys();
            let [kv, dim, context] = [variant.kv_heads, variant.head_dim, variant.context].map(Option::unwrap);
            let bytes = kv * dim * context * 4 * u64::from(variant.copies.unwrap());
            assert_eq!(bytes >= 4 * (32 << 20), variant.m == Some(1), "{}", question.id);
        }
        assert_eq!(along_context(&machine).points.len(), CONTEXTS.len());
    }
}
