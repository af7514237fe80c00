//! Attention achieved: one query token over a long cache, and a prompt over itself.

use super::footprint::{self, Footprint};
use super::memory;
use super::{CurveQuestion, Operands, PlanInputs, Question, curve, curve_without_points};
use crate::profile::{Attention, AttentionExtents, AttentionPhase, CeilingId, CurveAxis, Effort, Status, Tune};
use roofprobe_kernels::ops::attention::Ways;
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
pub(super) const GROUP: u64 = 4;
pub(super) const HEAD_DIM: u64 = 128;
/// The corners: without and with much sharing, small and large heads.
pub(super) const CORNERS: [Heads; 4] = [(1, 128), (8, 128), (1, 64), (8, 64)];
/// Small heads of a prompt: a score is as much work beside half as many products.
pub(super) const PROMPT_CORNER: Heads = (4, 64);

/// Which of the instruction sets with attention: that with the widest vectors, or the next one, which answers a single query
/// faster on Zen 4; or the one that multiplies in binary16.
#[derive(Clone, Copy, PartialEq)]
enum Width {
    Widest,
    Next,
    Halved,
}
use Width::{Halved, Next, Widest};

/// How far ahead lines are asked for.
#[derive(Clone, Copy)]
enum Ahead {
    Bytes(u32),
    /// As far as a span's keys or values reach: where a loop goes over them in strips, every line then comes in time.
    Span,
}
use Ahead::{Bytes, Span};

/// Streams, span, distance of the prefetch.
type Way = (Width, u32, u64, Ahead);

/// Ways, the expected winner first, and how many of them a quick look tries.
struct Candidates {
    ways: &'static [Way],
    quick: usize,
    /// Those in binary16, where there is such arithmetic, and how many of them a quick look tries beside.
    halved: &'static [Way],
    quick_halved: usize,
}

/// Two streams that never end need no prefetch on Zen 5 (the paired read itself, where one stream reached 0.87 of it); four blocks
/// of keys with one of 1 KiB reached the read on Emerald Rapids, where one stream had half of it.
const ONE_QUERY: Candidates = Candidates {
    ways: &[
        (Widest, 2, 64, Bytes(0)),
        (Widest, 4, 256, Bytes(1024)),
        (Widest, 1, 256, Bytes(4096)),
        (Widest, 2, 64, Bytes(4096)),
        (Widest, 4, 512, Bytes(2048)),
        (Widest, 1, 512, Bytes(0)),
        (Next, 1, 256, Bytes(4096)),
        (Next, 4, 256, Bytes(1024)),
    ],
    quick: 3,
    // Fewer instructions for each line; with one query what matters is the order of reading.
    halved: &[(Halved, 1, 256, Bytes(4096))],
    quick_halved: 0,
};
/// Several queries take a span in strips, which the hardware's prefetchers do not follow.
const QUERIES: Candidates = Candidates {
    ways: &[
        (Widest, 1, 256, Span),
        (Widest, 1, 128, Span),
        (Widest, 1, 512, Span),
        (Widest, 1, 64, Bytes(16_384)),
        (Widest, 1, 256, Bytes(0)),
        (Next, 1, 128, Span),
    ],
    quick: 2,
    halved: &[(Halved, 1, 256, Span), (Halved, 1, 128, Span)],
    quick_halved: 1,
};
/// A prompt's keys and values are in a cache.
const PROMPTS: Candidates = Candidates {
    ways: &[
        (Widest, 1, 512, Bytes(0)),
        (Widest, 1, 128, Bytes(0)),
        (Widest, 1, 256, Bytes(0)),
        (Next, 1, 256, Bytes(0)),
    ],
    quick: 2,
    halved: &[(Halved, 1, 512, Bytes(0)), (Halved, 1, 128, Bytes(0))],
    quick_halved: 1,
};
/// What `--tune thorough` combines.
const STREAMS: [u32; 3] = [1, 2, 4];
const SPANS: [u64; 4] = [64, 128, 256, 512];
const AHEAD: [Ahead; 5] = [Bytes(0), Bytes(1024), Bytes(2048), Bytes(4096), Span];

/// What attention multiplies unless its variant says otherwise.
pub(super) const USUAL_ARITHMETIC: Dtype = Dtype::F32;

/// Query heads per key/value head, and elements per head.
pub(super) type Heads = (u64, u64);

/// `attention.f16.decode` and `attention.f16.prefill`, each with its corners.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let ask = |id, heads| question(inputs, id, heads, 1, CONTEXT);
    let prompt = |id, heads| question(inputs, id, heads, PROMPT, PROMPT);
    let usual = prompt(prefill(), (GROUP, HEAD_DIM));
    let small = (inputs.effort != Effort::Quick).then(|| {
        let (group, head_dim) = PROMPT_CORNER;
        let extents = AttentionExtents::Heads { group, head_dim };
        prompt(CeilingId::attention(Dtype::F16, AttentionPhase::Prefill, extents), PROMPT_CORNER)
    });
    decodes(inputs.effort, ask).into_iter().chain([usual]).chain(small).collect()
}

/// What `ask` makes of `attention.f16.decode` and of its corners, `attention.f16.decode.g<group>d<head_dim>`.
fn decodes(effort: Effort, ask: impl Fn(CeilingId, Heads) -> Question) -> Vec<Question> {
    let decode = |extents| CeilingId::attention(Dtype::F16, AttentionPhase::Decode, extents);
    let corners: &[Heads] = if effort == Effort::Quick { &[] } else { &CORNERS };
    let corner = |&(group, head_dim): &Heads| (AttentionExtents::Heads { group, head_dim }, (group, head_dim));
    let all = std::iter::once((AttentionExtents::Usual, (GROUP, HEAD_DIM))).chain(corners.iter().map(corner));
    all.map(|(extents, heads)| ask(decode(extents), heads)).collect()
}

/// `attention.f16.prefill`.
fn prefill() -> CeilingId {
    CeilingId::attention(Dtype::F16, AttentionPhase::Prefill, AttentionExtents::Usual)
}

/// The cache takes long to make ready, once for all heads of one size.
pub(super) fn operands((_, head_dim): Heads) -> Option<Operands> {
    Some(Operands::Cache { head_dim, cache: Dtype::F16 })
}

/// `attention.f16.decode.context`: along the length of the cache.
pub(super) fn along_context(inputs: PlanInputs) -> CurveQuestion {
    let id = CeilingId::attention(Dtype::F16, AttentionPhase::Decode, AttentionExtents::Context);
    let variants = || {
        let quick = PlanInputs { effort: Effort::Quick, tune: Tune::Usual, ..inputs };
        let way = *raced(quick, (GROUP, HEAD_DIM), 1).first()?;
        // Not raced, so in the device's usual way: a curve has the same keys wherever it was measured.
        let usual = |point| Attention { streams: None, span: None, prefetch_bytes: None, ..point };
        let point = |context| variant(inputs, way, (GROUP, HEAD_DIM), 1, context).ok().map(usual);
        CONTEXTS.into_iter().map(point).collect()
    };
    let variants: Option<Vec<Attention>> = variants();
    match variants {
        Some(variants) => curve(id, Op::Attention, CurveAxis::Context, variants),
        None => curve_without_points(id, CurveAxis::Context, "too little memory for a cache that lives in it"),
    }
}

fn question(inputs: PlanInputs, id: CeilingId, heads: Heads, tokens: u64, context: u64) -> Question {
    let variants = raced(inputs, heads, tokens).into_iter().map(|way| variant(inputs, way, heads, tokens, context));
    Question { operands: operands(heads), ..question_of(id, variants.collect()) }
}

/// The question of such ways, or why there is none.
pub(super) fn question_of(id: CeilingId, variants: Result<Vec<Attention>, String>) -> Question {
    match variants {
        Ok(variants) => Question::of(id, Op::Attention, Dtype::F16, variants),
        Err(reason) => Question::unasked(id, Status::Skipped, reason),
    }
}

fn variant(
    inputs: PlanInputs,
    (isa, ways): (Isa, Ways),
    (group, head_dim): Heads,
    tokens: u64,
    context: u64,
) -> Result<Attention, String> {
    let machine = inputs.machine;
    let layer = layer_bytes(head_dim, context);
    // A prompt's keys and values have just been written, and are in a cache if they fit.
    let needed = if tokens > 1 { Footprint { target: layer, least: layer } } else { footprint::footprint(inputs) };
    let copies = footprint::copies(memory::operands_room(inputs), "keys and values", layer, needed)?;
    Ok(Attention {
        isa,
        threads: machine.environment.threads,
        pages: memory::largest_pages(machine),
        m: tokens,
        heads: group * KV_HEADS,
        kv_heads: KV_HEADS,
        head_dim,
        value_dim: None,
        context,
        copies,
        arithmetic: isa.attention_arithmetic().filter(|&arithmetic| arithmetic != USUAL_ARITHMETIC),
        streams: (ways.streams > 1).then_some(ways.streams as u32),
        span: Some(ways.span as u64),
        prefetch_bytes: Some(ways.prefetch_bytes as u32),
    })
}

/// Bytes of the keys and values of one layer.
fn layer_bytes(head_dim: u64, context: u64) -> u64 {
    KV_HEADS * context * head_dim * 2 * 2
}

/// The ways worth trying.
fn raced(inputs: PlanInputs, (group, head_dim): Heads, tokens: u64) -> Vec<(Isa, Ways)> {
    let candidates = match (group, tokens) {
        (1, 1) => ONE_QUERY,
        (_, 1) => QUERIES,
        _ => PROMPTS,
    };
    let in_arithmetic = |isa: Isa, arithmetic| isa.attention_arithmetic() == Some(arithmetic);
    let isas = super::widest_isas(inputs.machine, Effort::Standard, |isa| in_arithmetic(isa, USUAL_ARITHMETIC));
    let halved = super::widest_isas(inputs.machine, Effort::Quick, |isa| in_arithmetic(isa, Dtype::F16));
    let of = |width: Width| match width {
        Widest => isas.first().copied(),
        Next => isas.get(1).copied(),
        Halved => halved.first().copied(),
    };
    let ways_of = |streams: u32, span: u64, ahead: Ahead| {
        let prefetch_bytes = match ahead {
            Bytes(bytes) => bytes as usize,
            Span => (span * head_dim) as usize * size_of::<u16>(),
        };
        Ways { streams: streams as usize, span: span as usize, prefetch_bytes }
    };
    let there = |&(isa, ways): &(Isa, Ways)| isa.has_attention_working(ways);
    let named = |ways: &[Way], quick: usize| -> Vec<(Isa, Ways)> {
        let most = if inputs.effort == Effort::Quick { quick } else { usize::MAX };
        let named = ways.iter().filter_map(|&(width, s, span, ahead)| Some((of(width)?, ways_of(s, span, ahead))));
        named.filter(there).take(most).collect()
    };
    let mut ways = named(candidates.ways, candidates.quick);
    if ways.is_empty() {
        ways.extend(isas.first().map(|&isa| (isa, Ways::PLAIN)));
    }
    ways.extend(named(candidates.halved, candidates.quick_halved));
    if inputs.tune == Tune::Thorough {
        let streams = if (group, tokens) == (1, 1) { &STREAMS[..] } else { &STREAMS[..1] };
        let all = isas.iter().chain(&halved);
        for (&isa, &streams) in all.flat_map(|isa| streams.iter().map(move |streams| (isa, streams))) {
            let all = SPANS.iter().flat_map(|&span| AHEAD.map(|ahead| (isa, ways_of(streams, span, ahead))));
            let new: Vec<_> = all.filter(|way| there(way) && !ways.contains(way)).collect();
            ways.extend(new);
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;
    use crate::profile::Machine;

    #[test]
    fn a_decoded_cache_exceeds_the_last_level_and_a_prompts_need_not() {
        let machine = machine();
        let inputs = PlanInputs::new(&machine, &[], Effort::Standard);
        for question in questions(inputs) {
            let variant = question.candidates[0].variant.keys();
            let [kv, dim, context] = [variant.kv_heads, variant.head_dim, variant.context].map(Option::unwrap);
            let bytes = kv * dim * context * 4 * u64::from(variant.copies.unwrap());
            assert_eq!(bytes >= 4 * (32 << 20), variant.m == Some(1), "{}", question.id);
        }
        assert_eq!(along_context(inputs).points.len(), CONTEXTS.len());
    }

    #[test]
    fn ways_are_those_that_the_instruction_sets_have() {
        let mut machine = machine();
        let of = |machine: &Machine, heads, tokens, tune| {
            let inputs = PlanInputs { tune, ..PlanInputs::new(machine, &[], Effort::Standard) };
            raced(inputs, heads, tokens)
        };
        let one = of(&machine, (1, 128), 1, Tune::Usual);
        assert_eq!(one[0], (Isa::Avx512, Ways { streams: 2, span: 64, prefetch_bytes: 0 }));
        assert!(one.iter().any(|(isa, ways)| (*isa, ways.streams) == (Isa::Avx2, 4)));
        let many = of(&machine, (8, 64), 1, Tune::Usual);
        assert_eq!(many[0].1, Ways { streams: 1, span: 256, prefetch_bytes: 256 * 64 * 2 });
        let all = of(&machine, (8, 64), 1, Tune::Thorough);
        assert!(all.len() > 2 * many.len() && all.starts_with(&many) && all.iter().all(|(_, ways)| ways.streams == 1));
        // In binary16 beside f32, never in its place.
        machine.device.isas.push("avx512fp16".into());
        let inputs = PlanInputs::new(&machine, &[], Effort::Quick);
        for (heads, tokens) in [((4, 128), 1), ((4, 128), 512)] {
            let variant = |way| variant(inputs, way, heads, tokens, 512).unwrap();
            let tried: Vec<_> = raced(inputs, heads, tokens).into_iter().map(variant).collect();
            let tried: Vec<_> = tried.iter().map(|variant| (variant.isa.name(), variant.arithmetic)).collect();
            assert_eq!(tried, [("avx512", None), ("avx512", None), ("avx512fp16", Some(Dtype::F16))]);
        }
        assert_eq!(of(&machine, (1, 128), 1, Tune::Usual)[..one.len()], one);
        assert!(of(&machine, (8, 64), 1, Tune::Thorough).len() > all.len() + 10);
        // Without wide registers and prefetches there is still a way.
        machine.device.isas = vec!["portable".into()];
        for (heads, tokens) in [((1, 128), 1), ((4, 128), 1), ((4, 128), 512)] {
            assert!(of(&machine, heads, tokens, Tune::Usual).iter().all(|(_, ways)| ways.prefetch_bytes == 0));
            assert!(!of(&machine, heads, tokens, Tune::Usual).is_empty());
        }
    }
}
