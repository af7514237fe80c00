//! Speculative decoding: a small model drafts tokens, the model itself judges them in one pass.
//!
//! Where each drafted token is accepted with the chance a, independently of the others, a pass over k drafted tokens gives
//! (1 − a^(k+1))/(1 − a) tokens as expected (Leviathan, Kalman and Matias 2023, eq. 1): those accepted up to the first that is
//! not, and one that the model itself gives. A pass takes k steps of the draft and one of the model over k + 1 tokens, each
//! under the same roof.

use super::{Evaluator, ProfileFacts, RoofKind};
use crate::error::{Error, Result};
use crate::model::{Forward, Model, Pass};
use schemars::JsonSchema;
use serde::Serialize;

/// Drafts are looked at up to this length; engines draft 1 to 16 tokens.
const LONGEST: u64 = 32;
/// What a draft of a length that is asked for may have at most.
const LENGTH_MAX: u64 = 1 << 10;
/// Vocabularies of one tokenizer differ by padding: llama.cpp takes pairs whose sizes differ by so many.
const PADDING: u64 = 128;

/// What is asked of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DraftQuery {
    /// The chance that a drafted token is accepted.
    pub accept: f64,
    /// Tokens of each draft; none for the best.
    pub length: Option<u64>,
}

/// A model, and one that drafts for it, on one profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Speculation {
    /// The model's name.
    pub model: String,
    /// That of the model that drafts.
    pub draft: String,
    /// The profile.
    #[serde(flatten)]
    pub on: ProfileFacts,
    /// How the model's weights are stored.
    pub weights: String,
    /// How those of the other one are.
    pub draft_weights: String,
    /// The roof that speeds go by.
    pub roof: RoofKind,
    /// Sequences.
    pub batch: u64,
    /// Keys that a token sees, itself included.
    pub context: u64,
    /// The chance that a drafted token is accepted.
    pub accept: f64,
    /// A step of the model alone.
    pub alone: StepSpeed,
    /// A step of the other one alone.
    pub draft_alone: StepSpeed,
    /// The length of the fastest drafts, or that asked for; 0 where the model alone is faster than with any.
    pub draft_length: u64,
    /// Each length, 0 for the model alone.
    pub lengths: Vec<DraftLength>,
    /// Bytes of weights, caches and activations of both.
    pub memory_needed_bytes: u64,
    /// Whether the device has enough, where that is known.
    pub fits: Option<bool>,
    /// What has to be said about it.
    pub notes: Vec<String>,
}

/// A decode step of one token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StepSpeed {
    /// Its time.
    pub seconds: f64,
    /// Tokens per second, all sequences together.
    pub tokens_per_s: f64,
    /// The same with all ceilings at the ends of their 95 % intervals, where they have such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_s_interval: Option<[f64; 2]>,
}

/// Drafts of one length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DraftLength {
    /// Tokens drafted.
    pub draft_length: u64,
    /// Tokens that a pass gives, as expected, of each sequence.
    pub expected_tokens: f64,
    /// The time of drafting.
    pub draft_seconds: f64,
    /// The time of judging.
    pub verify_seconds: f64,
    /// Both.
    pub seconds: f64,
    /// Tokens per second, as expected, all sequences together.
    pub tokens_per_s: f64,
    /// The same with all ceilings at the ends of their 95 % intervals, where they have such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_s_interval: Option<[f64; 2]>,
    /// How many times as fast as the model alone.
    pub speedup: f64,
}

impl DraftQuery {
    /// Checks both numbers.
    ///
    /// # Errors
    /// Misuse, naming the option.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.accept) {
            return Err(Error::misuse(format!("--accept: must lie in 0..=1, is {}", self.accept)));
        }
        match self.length.filter(|length| !(1..=LENGTH_MAX).contains(length)) {
            None => Ok(()),
            Some(length) => Err(Error::misuse(format!("--draft-length: must lie in 1..={LENGTH_MAX}, is {length}"))),
        }
    }

    /// Tokens that a pass over `length` drafted ones gives, as expected.
    pub fn expected_tokens(&self, length: u64) -> f64 {
        // The sum of a^i for i from 0 to the length: the closed form divides by zero at 1.
        let (mut sum, mut power) = (0.0, 1.0);
        for _ in 0..=length {
            sum += power;
            power *= self.accept;
        }
        sum
    }
}

/// How fast `target` is with drafts of `draft`, at the context of their workload.
///
/// # Errors
/// Misuse for numbers beyond their limits, for evaluators by different roofs, and for models that do not share their tokens.
pub fn speculate(target: &Evaluator, draft: &Evaluator, query: &DraftQuery) -> Result<Speculation> {
    query.validate()?;
    let (model, small) = (target.demand.model(), draft.demand.model());
    share_tokens(model, small)?;
    if target.roof() != draft.roof() {
        return Err(Error::misuse("a model and its draft must be evaluated by the same roof"));
    }
    let longest = LONGEST.max(query.length.unwrap_or(0));
    let pair = Pair { target, draft, query };
    let none = pair.length(0, None)?;
    let lengths: Vec<DraftLength> =
        (0..=longest).map(|length| pair.length(length, Some(none.seconds))).collect::<Result<_>>()?;
    let fastest = lengths.iter().max_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    let workload = &target.query.workload;
    let memory_needed_bytes =
        target.memory_needed(workload)?.saturating_add(draft.memory_needed(&draft.query.workload)?);
    Ok(Speculation {
        model: model.name().to_owned(),
        draft: small.name().to_owned(),
        on: ProfileFacts::of(target.name, target.profile),
        weights: target.demand.types().format.clone(),
        draft_weights: draft.demand.types().format.clone(),
        roof: target.roof(),
        batch: workload.batch,
        context: workload.decode_context(),
        accept: query.accept,
        alone: step(target)?,
        draft_alone: step(draft)?,
        draft_length: query.length.unwrap_or(fastest.map_or(0, |fastest| fastest.draft_length)),
        lengths,
        memory_needed_bytes,
        fits: target.profile.usable_memory_bytes().map(|has| memory_needed_bytes <= has),
        notes: notes(model, small)?,
    })
}

/// A draft is judged token by token, so both must mean the same by each.
fn share_tokens(model: &Model, draft: &Model) -> Result<()> {
    let (own, other) = (model.shape.vocabulary, draft.shape.vocabulary);
    if own.abs_diff(other) <= PADDING {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "--draft: {} has a vocabulary of {other}, and {} one of {own}; choose a draft with the same tokenizer",
        draft.name(),
        model.name()
    )))
}

fn notes(model: &Model, draft: &Model) -> Result<Vec<String>> {
    let mut notes =
        vec!["each drafted token is taken to be accepted with the same chance, whatever stands before it".to_owned()];
    if model.shape.vocabulary != draft.shape.vocabulary {
        notes.push(format!(
            "the vocabularies differ ({} and {}), which may be padding",
            model.shape.vocabulary, draft.shape.vocabulary
        ));
    }
    if draft.shape.joined {
        notes.push("embedding and head are counted twice in the memory of both, and engines share them".to_owned());
    }
    if model.state_elements()? > 0 || draft.state_elements()? > 0 {
        notes.push("what recurrent layers keep must go back when a token is refused, which is not counted".to_owned());
    }
    Ok(notes)
}

/// A model, its draft, and what is asked.
struct Pair<'a, 'b> {
    target: &'a Evaluator<'b>,
    draft: &'a Evaluator<'b>,
    query: &'a DraftQuery,
}

impl Pair<'_, '_> {
    /// Drafts of that length; `alone` is the time of a step without any.
    fn length(&self, length: u64, alone: Option<f64>) -> Result<DraftLength> {
        let batch = self.target.query.workload.batch as f64;
        let verify = times(self.target, length + 1, 1)?;
        let draft = if length > 0 { times(self.draft, 1, length)? } else { [0.0; 3] };
        let [fast, seconds, slow] = std::array::from_fn(|at| verify[at] + draft[at]);
        let expected_tokens = self.query.expected_tokens(length);
        let rate = |seconds: f64| batch * expected_tokens / seconds;
        Ok(DraftLength {
            draft_length: length,
            expected_tokens,
            draft_seconds: draft[1],
            verify_seconds: verify[1],
            seconds,
            tokens_per_s: rate(seconds),
            tokens_per_s_interval: (fast < slow).then(|| [rate(slow), rate(fast)]),
            speedup: expected_tokens * alone.unwrap_or(seconds) / seconds,
        })
    }
}

/// The time of `passes` passes over `tokens` tokens of each sequence, from the context of the workload on: with all ceilings
/// at the upper ends of their intervals, as they are, and at the lower ends.
fn times(evaluator: &Evaluator, tokens: u64, passes: u64) -> Result<[f64; 3]> {
    let one = evaluator.query.workload.verification(evaluator.demand.model(), tokens)?;
    let figures = evaluator.figures_of([(Pass::Decode, Forward { passes, ..one })])?;
    let [fast, slow] = figures.extremes(evaluator.roof());
    Ok([fast.0, figures.seconds(evaluator.roof()).0, slow.0])
}

fn step(evaluator: &Evaluator) -> Result<StepSpeed> {
    let [fast, seconds, slow] = times(evaluator, 1, 1)?;
    let rate = |seconds: f64| evaluator.query.workload.batch as f64 / seconds;
    let tokens_per_s_interval = (fast < slow).then(|| [rate(slow), rate(fast)]);
    Ok(StepSpeed { seconds, tokens_per_s: rate(seconds), tokens_per_s_interval })
}
