//! Matmul achieved: every weight format, from one token to many, with weights that live in memory.

use super::memory::{self, CACHE_MULTIPLE_MIN};
use super::{PlanInputs, Question, Schedule};
use crate::job::Job;
use crate::profile::{CeilingId, Effort, Machine, Status, Variant};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Weight formats, in the order of the profile.
const FORMATS: [Dtype; 8] =
    [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::I8, Dtype::Q8_0, Dtype::Q6K, Dtype::Q4K, Dtype::Q4_0];
/// Token counts.
const TOKENS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 512];
/// Those of a quick look: what decode and prefill need.
const TOKENS_QUICK: [u64; 2] = [1, 512];
/// Inner extent: the width of an 8-billion-parameter model, a whole number of every block.
const K: u64 = 4096;
/// Rows of weights where few tokens use them: long enough that beginning and end do not show.
const N_FEW: u64 = 12288;
/// Rows of weights where many tokens use them: as many as the time allows.
const N_MANY: u64 = 4096;
/// From so many tokens on a pass is bound by arithmetic on every device in sight.
const MANY_TOKENS: u64 = 16;

/// `matmul.<weights>.m<tokens>`, those of one format one after another, so that its weights are made once a round.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let tokens: &[u64] = if inputs.effort == Effort::Quick { &TOKENS_QUICK } else { &TOKENS };
    FORMATS.into_iter().flat_map(|weights| tokens.iter().map(move |&m| question(inputs, weights, m))).collect()
}

/// Whether a ceiling is of a matmul with so few tokens that memory is what it waits for.
pub(super) fn is_of_memory(id: &CeilingId) -> bool {
    id.tokens().is_some_and(|tokens| tokens < MANY_TOKENS)
}

fn question(inputs: PlanInputs, weights: Dtype, m: u64) -> Question {
    let machine = inputs.machine;
    let mut question = Question::new(CeilingId::matmul(weights, m));
    // The weights take long to make ready, once for all token counts.
    question.schedule =
        Schedule::OneRoundInThree(FORMATS.iter().position(|known| *known == weights).unwrap_or(0) as u32);
    let n = if m < MANY_TOKENS { N_FEW } else { N_MANY };
    let Some(matrix) = weights.bytes(u128::from(n * K)).and_then(|bytes| u64::try_from(bytes).ok()) else {
        return question;
    };
    let cache = memory::last_cache_bytes(inputs);
    let least = cache.saturating_mul(CACHE_MULTIPLE_MIN).div_ceil(matrix);
    // As much again as the arrays, which are there as well.
    let room = memory::room(machine, 1) * memory::ARRAYS;
    // Twice the least where there is room, so that what the cache keeps is lost in the noise.
    let copies = (2 * least).min(room / matrix);
    if copies < least {
        let mib = |bytes: u64| bytes >> 20;
        let reason = format!(
            "too little memory: {} MiB of weights, {CACHE_MULTIPLE_MIN} × the last cache, do not fit in the {} MiB that \
             may be used; fewer would be read from the cache",
            mib(least.saturating_mul(matrix)),
            mib(room)
        );
        question.otherwise = (Status::Skipped, reason);
        return question;
    }
    let isas = isas(machine, weights);
    if isas.is_empty() {
        question.otherwise = (Status::Unsupported, format!("there is no matmul of {weights} weights for this device"));
    }
    let job = |isa: Isa| Job {
        ceiling: question.id.clone(),
        op: Op::Matmul,
        dtype: weights,
        variant: Variant {
            isa: Some(isa.name().to_owned()),
            threads: Some(machine.environment.threads),
            pages: Some(memory::largest_pages(machine)),
            m: Some(m),
            n: Some(n),
            k: Some(K),
            copies: Some(copies as u32),
            ..Variant::default()
        },
    };
    question.candidates = isas.into_iter().map(job).collect();
    question
}

/// The instruction sets worth trying: the last one of the list that has such a matmul is the widest.
fn isas(machine: &Machine, weights: Dtype) -> Vec<Isa> {
    super::isas(machine).filter(|isa| isa.has_matmul(weights)).last().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    fn asked(machine: &Machine, effort: Effort) -> Vec<Question> {
        questions(PlanInputs { machine, curves: &[], effort })
    }

    #[test]
    fn a_quick_look_asks_for_decode_and_prefill_of_every_format() {
        let ids: Vec<CeilingId> = asked(&machine(), Effort::Quick).into_iter().map(|question| question.id).collect();
        assert_eq!(ids.len(), 16);
        assert!(ids.contains(&CeilingId::matmul(Dtype::Q4K, 1)) && ids.contains(&CeilingId::matmul(Dtype::Bf16, 512)));
        assert_eq!(asked(&machine(), Effort::Standard).len(), 72);
    }

    #[test]
    fn weights_exceed_the_cache_and_are_whole_blocks() {
        let machine = machine();
        for question in asked(&machine, Effort::Standard) {
            let job = &question.candidates[0];
            let [n, k, copies] = [job.variant.n, job.variant.k, job.variant.copies.map(u64::from)].map(Option::unwrap);
            let bytes = job.dtype.bytes(u128::from(n * k)).unwrap() * u128::from(copies);
            assert!(bytes >= 4 * (32 << 20), "{job}: {bytes}");
            assert!(job.dtype.bytes(u128::from(k)).is_some());
        }
    }

    #[test]
    fn the_widest_instruction_set_that_has_the_format_is_asked() {
        let of = |id: &str, machine: &Machine| {
            let question = asked(machine, Effort::Quick).into_iter().find(|q| q.id == id).unwrap();
            question.candidates[0].variant.isa.clone().unwrap()
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
