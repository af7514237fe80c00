//! Matmul achieved: every weight format, from one token to many, with weights that live in memory.

mod extents;
mod ways;

use super::core_sets;
use super::footprint;
use super::memory;
use super::{Operands, PlanInputs, Question};
use crate::profile::{CeilingId, Effort, Status};
use roofprobe_kernels::{Dtype, Isa, Op};

pub(super) use extents::along_extents;
pub use ways::variants;

/// Weight formats, in the order of the profile: those that there is a kernel for.
fn formats() -> impl Iterator<Item = Dtype> {
    Dtype::ALL.into_iter().filter(|&weights| Isa::Portable.has_matmul(weights))
}
/// The formats that are asked at length. The others have kernels that are built alike: fewer token counts say how they differ, and a quick
/// look leaves them out.
const AT_LENGTH: [Dtype; 8] =
    [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::I8, Dtype::Q8_0, Dtype::Q6K, Dtype::Q4K, Dtype::Q4_0];
/// Token counts.
const TOKENS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 512];
/// Those of a quick look: what decode and prefill need.
const TOKENS_QUICK: [u64; 2] = [1, 512];
/// Those of the formats that are not asked at length.
const TOKENS_BRIEF: [u64; 4] = [1, 8, 64, 512];
/// Inner extent: the width of an 8-billion-parameter model, a whole number of every block.
pub(super) const K: u64 = 4096;
/// Rows of weights where few tokens use them: long enough that beginning and end do not show.
const N_FEW: u64 = 12288;
/// Rows of weights where many tokens use them: as many as the time allows.
pub(super) const N_MANY: u64 = 4096;
/// From this many tokens on a pass is bound by arithmetic on every device in sight, and a GPU does it in tiles.
pub(super) const MANY_TOKENS: u64 = 16;

/// `matmul.<weights>.m<tokens>`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let ask = |weights, m| Question { operands: Some(Operands::Weights(weights)), ..question(inputs, weights, m) };
    for_each(inputs.effort, ask)
}

/// What `ask` makes of every format and token count, those of one format one after another, so that its weights are made once
/// a round.
pub(super) fn for_each(effort: Effort, ask: impl Fn(Dtype, u64) -> Question) -> Vec<Question> {
    let of_format = |weights| tokens(effort, weights).iter().map(|&m| ask(weights, m)).collect::<Vec<_>>();
    formats().flat_map(of_format).collect()
}

fn tokens(effort: Effort, weights: Dtype) -> &'static [u64] {
    match (effort, AT_LENGTH.contains(&weights)) {
        (Effort::Quick, true) => &TOKENS_QUICK,
        (Effort::Quick, false) => &[],
        (Effort::Standard, false) => &TOKENS_BRIEF,
        _ => &TOKENS,
    }
}

/// Whether a ceiling is of a matmul with so few tokens that memory is what it waits for.
pub(super) fn is_of_memory(id: &CeilingId) -> bool {
    id.tokens().is_some_and(|tokens| tokens < MANY_TOKENS)
}

fn question(inputs: PlanInputs, weights: Dtype, m: u64) -> Question {
    let machine = inputs.machine;
    let id = CeilingId::matmul(weights, m);
    let n = if m < MANY_TOKENS { N_FEW } else { N_MANY };
    let Some(matrix) = weights.bytes(u128::from(n * K)).and_then(|bytes| u64::try_from(bytes).ok()) else {
        return Question::new(id);
    };
    let copies = match footprint::copies(memory::operands_room(inputs), "weights", matrix, footprint::footprint(inputs))
    {
        Ok(copies) => copies,
        Err(reason) => return Question::unasked(id, Status::Skipped, reason),
    };
    let mut scope = inputs.scope();
    // With several tokens the ways that win are those of the formats that are asked at length.
    if scope.effort == Effort::Standard && m > 1 && !AT_LENGTH.contains(&weights) {
        scope.effort = Effort::Quick;
    }
    let mut variants = variants(machine, weights, [m, n, K], copies, scope);
    variants.extend(core_sets::products_elsewhere(inputs, variants.first()));
    if variants.is_empty() {
        let reason = format!("there is no matmul of {weights} weights for this device");
        return Question::unasked(id, Status::Unsupported, reason);
    }
    Question::of(id, Op::Matmul, weights, variants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;
    use crate::profile::Machine;

    fn asked(machine: &Machine, effort: Effort) -> Vec<Question> {
        questions(PlanInputs::new(machine, &[], effort))
    }

    #[test]
    fn a_quick_look_asks_for_decode_and_prefill_of_every_format() {
        let ids: Vec<CeilingId> = asked(&machine(), Effort::Quick).into_iter().map(|question| question.id).collect();
        assert_eq!(ids.len(), 16);
        assert!(ids.contains(&CeilingId::matmul(Dtype::Q4K, 1)) && ids.contains(&CeilingId::matmul(Dtype::Bf16, 512)));
    }

    #[test]
    fn a_measurement_asks_for_every_format_and_for_some_briefly() {
        let of = |effort, weights| {
            let of_format = |question: &Question| question.id.dtype() == Some(weights);
            let asked = asked(&machine(), effort).into_iter().filter(of_format);
            asked.map(|question| (question.id.tokens().unwrap(), question.candidates.len())).collect::<Vec<_>>()
        };
        let [often, seldom] = [Dtype::Q4K, Dtype::Q5K].map(|weights| of(Effort::Standard, weights));
        assert_eq!(often.iter().map(|&(m, _)| m).collect::<Vec<_>>(), TOKENS);
        assert_eq!(seldom.iter().map(|&(m, _)| m).collect::<Vec<_>>(), TOKENS_BRIEF);
        assert_eq!(seldom[0], often[0]);
        assert!(seldom[3].1 < often[8].1 && seldom[3].1 > 1, "raced, but with less");
        assert_eq!(of(Effort::Thorough, Dtype::Iq4Xs), of(Effort::Thorough, Dtype::Q4K));
        assert!(of(Effort::Quick, Dtype::Mxfp4).is_empty());
        assert_eq!(asked(&machine(), Effort::Standard).len(), 8 * 9 + 7 * 4);
    }

    #[test]
    fn weights_exceed_the_cache_and_are_whole_blocks() {
        let machine = machine();
        for question in asked(&machine, Effort::Standard) {
            let job = &question.candidates[0];
            let keys = job.variant.keys();
            let [n, k, copies] = [keys.n, keys.k, keys.copies.map(u64::from)].map(Option::unwrap);
            let bytes = job.dtype.bytes(u128::from(n * k)).unwrap() * u128::from(copies);
            assert!(bytes >= 4 * (32 << 20), "{job}: {bytes}");
            assert!(job.dtype.bytes(u128::from(k)).is_some());
        }
    }

    #[test]
    fn the_widest_instruction_set_that_has_the_format_is_asked() {
        let of = |id: &str, machine: &Machine| {
            let question = asked(machine, Effort::Quick).into_iter().find(|q| q.id == id).unwrap();
            question.candidates[0].variant.isa().unwrap().name()
        };
        let mut machine = machine();
        assert_eq!(of("matmul.f32.m1", &machine), "avx512");
        assert_eq!(of("matmul.bf16.m1", &machine), "avx512bf16");
        assert_eq!(of("matmul.q4_0.m512", &machine), "avx512vnni");
        machine.device.isas = vec!["portable".into(), "avx2".into()];
        assert_eq!(of("matmul.q4_0.m512", &machine), "avx2");
    }

    #[test]
    fn too_little_memory_is_said() {
        let mut machine = machine();
        machine.environment.memory_available_bytes = 256 << 20;
        let question = &asked(&machine, Effort::Quick)[0];
        assert!(question.candidates.is_empty());
        assert_eq!(question.otherwise.0, Status::Skipped);
    }
}
