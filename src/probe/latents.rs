//! Attention to latents achieved: a token's query heads over one long cache, and a prompt over itself in the same form, as llama.cpp
//! does both. It is bound by arithmetic, so that ways differ by their arithmetic and by what stays in which cache.

use super::attention::{USUAL_ARITHMETIC, operands, question_of};
use super::footprint::{self, Footprint};
use super::{PlanInputs, Question, memory, widest_isas};
use crate::profile::{Attention, AttentionExtents, AttentionPhase, CeilingId, Effort, Tune};
use roofprobe_kernels::{Dtype, Isa};

/// Elements of a cached row, and of the latent in it, in DeepSeek's, Kimi's and GLM's models.
const ROW: u64 = 576;
const VALUE_DIM: u64 = 512;
/// Query heads: DeepSeek-V2-Lite's, and DeepSeek-V2's and V3's.
const FEW: u64 = 16;
const MANY: u64 = 128;
/// Cached tokens, and tokens of the prompt.
const CONTEXT: u64 = 4096;
const PROMPT: u64 = 512;

/// Which of the instruction sets: that with the widest vectors, the next one, or the one that multiplies bfloat16.
#[derive(Clone, Copy, PartialEq)]
enum Width {
    Widest,
    Next,
    Rounded,
}
use Width::{Next, Rounded, Widest};

/// Tokens of a span, the expected winner first.
const WAYS: [(Width, usize); 7] =
    [(Rounded, 64), (Widest, 64), (Rounded, 128), (Widest, 128), (Rounded, 256), (Widest, 256), (Next, 64)];
/// What `--tune thorough` tries with all.
const SPANS: [usize; 4] = [64, 128, 256, 512];

/// `attention.f16.decode.g<group>d576v512`, and `attention.f16.prefill` of few heads: a prompt has rows enough.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    if inputs.effort == Effort::Quick {
        return Vec::new();
    }
    let decode = |group| question(inputs, AttentionPhase::Decode, group, (1, CONTEXT));
    vec![decode(FEW), decode(MANY), question(inputs, AttentionPhase::Prefill, FEW, (PROMPT, PROMPT))]
}

fn question(inputs: PlanInputs, phase: AttentionPhase, group: u64, (tokens, context): (u64, u64)) -> Question {
    let id =
        CeilingId::attention(Dtype::F16, phase, AttentionExtents::Latents { group, row: ROW, value_dim: VALUE_DIM });
    let variants = raced(inputs).into_iter().map(|way| variant(inputs, way, group, (tokens, context)));
    Question { operands: operands((group, ROW)), ..question_of(id, variants.collect()) }
}

fn variant(
    inputs: PlanInputs,
    (isa, span): (Isa, usize),
    group: u64,
    (tokens, context): (u64, u64),
) -> Result<Attention, String> {
    let machine = inputs.machine;
    let layer = context * ROW * 2;
    let needed = if tokens > 1 { Footprint { target: layer, least: layer } } else { footprint::footprint(inputs) };
    let copies = footprint::copies(memory::operands_room(inputs), "latents", layer, needed)?;
    Ok(Attention {
        isa,
        threads: machine.environment.threads,
        pages: memory::largest_pages(machine),
        m: tokens,
        copies,
        heads: group,
        kv_heads: 1,
        head_dim: ROW,
        value_dim: Some(VALUE_DIM),
        context,
        arithmetic: isa.latent_arithmetic().filter(|&arithmetic| arithmetic != USUAL_ARITHMETIC),
        streams: None,
        span: Some(span as u64),
        prefetch_bytes: Some(0),
    })
}

/// The ways worth trying.
fn raced(inputs: PlanInputs) -> Vec<(Isa, usize)> {
    let of_arithmetic =
        |arithmetic| widest_isas(inputs.machine, inputs.effort, |isa: Isa| isa.latent_arithmetic() == Some(arithmetic));
    let (widened, rounded) = (of_arithmetic(USUAL_ARITHMETIC), of_arithmetic(Dtype::Bf16));
    let isa = |width| match width {
        Widest => widened.first().copied(),
        Next => widened.get(1).copied(),
        Rounded => rounded.first().copied(),
    };
    let mut ways: Vec<(Isa, usize)> = WAYS.into_iter().filter_map(|(width, span)| Some((isa(width)?, span))).collect();
    if inputs.tune == Tune::Thorough {
        let all = widened.iter().chain(&rounded).flat_map(|isa| SPANS.map(|span| (*isa, span)));
        let more: Vec<_> = all.filter(|way| !ways.contains(way)).collect();
        ways.extend(more);
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    #[test]
    fn latents_are_asked_for_where_there_is_time() {
        let machine = machine();
        let of = |effort| questions(PlanInputs::new(&machine, &[], effort));
        assert!(of(Effort::Quick).is_empty());
        let asked = of(Effort::Standard);
        let ids: Vec<String> = asked.iter().map(|question| question.id.to_string()).collect();
        let few = "attention.f16.decode.g16d576v512";
        assert_eq!(ids, [few, "attention.f16.decode.g128d576v512", "attention.f16.prefill.g16d576v512"]);
        for question in &asked {
            let keys: Vec<_> = question.candidates.iter().map(|candidate| candidate.variant.keys()).collect();
            assert_eq!(keys.len(), WAYS.len(), "{}", question.id);
            assert!(keys[0].arithmetic.is_some() && keys[1].arithmetic.is_none());
            assert!(keys.iter().all(|keys| (keys.head_dim, keys.value_dim) == (Some(ROW), Some(VALUE_DIM))));
            // A decoded cache exceeds the last level, a prompt's need not.
            let bytes = keys[0].context.unwrap() * ROW * 2 * u64::from(keys[0].copies.unwrap());
            assert_eq!(bytes >= 4 * (32 << 20), keys[0].m == Some(1), "{}", question.id);
        }
        let thorough = PlanInputs { tune: Tune::Thorough, ..PlanInputs::new(&machine, &[], Effort::Standard) };
        assert_eq!(raced(thorough).len(), 3 * SPANS.len());
    }

    #[test]
    fn what_multiplies_in_halves_alone_is_not_asked() {
        let mut machine = machine();
        machine.device.isas = vec!["portable".into(), "avx512fp16".into()];
        let isas: Vec<Isa> =
            raced(PlanInputs::new(&machine, &[], Effort::Standard)).into_iter().map(|way| way.0).collect();
        assert!(!isas.is_empty() && isas.iter().all(|&isa| isa == Isa::Portable), "{isas:?}");
    }
}
