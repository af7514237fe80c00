//! What a measured time covers: which forward passes, at which contexts.

use crate::model::{BATCH_MAX, Forward, Pass};

/// 16 Mi tokens: beyond any context window published.
const TOKENS_MAX: u64 = 1 << 24;
/// 16 Mi tokens in the usual micro-batches of 512 are half as many.
const PIECES_MAX: u64 = 1 << 16;

/// Forward passes that were timed together: of one sequence, or of several alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Sequences that are processed together; all counts below are of each.
    pub batch: u64,
    /// Tokens in the cache before.
    pub past: u64,
    /// Tokens of a prompt, taken in first; 0 for none.
    pub prompt: u64,
    /// Passes of one token each behind that; 0 for none. The first sees `past + prompt + 1` keys.
    pub decode: u64,
    /// How the engine cuts a prompt; none where it does not.
    pub chunks: Option<Chunks>,
}

/// How llama.cpp cuts a prompt. Weights are read once for each micro-batch, and logits computed once for each batch; the last
/// layer goes on, behind its mixer, with the rows whose logits are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// Tokens of a batch.
    pub batch: u64,
    /// Tokens that go through the model at once.
    pub micro_batch: u64,
}

/// The defaults of llama-bench, `-b` and `-ub`.
pub(super) const LLAMA_BENCH: Chunks = Chunks { batch: 2048, micro_batch: 512 };

impl Passes {
    /// What llama-bench times by its defaults: `-p` alone, `-n` alone, each from an empty context, or `-pg`.
    pub const fn of_llama_bench(prompt: u64, decode: u64) -> Passes {
        Passes { batch: 1, past: 0, prompt, decode, chunks: Some(LLAMA_BENCH) }
    }

    /// The name of the phase, or phases, that it covers.
    pub const fn phase(&self) -> &'static str {
        match (self.prompt, self.decode) {
            (_, 0) => "prefill",
            (0, _) => "decode",
            _ => "prefill+decode",
        }
    }

    /// Tokens whose rate is given, of all sequences together: every token is taken in or given by a pass.
    pub const fn tokens(&self) -> u64 {
        self.prompt.saturating_add(self.decode).saturating_mul(self.batch)
    }

    /// Whether an engine can have run it: no more tokens, and no more pieces of a prompt, than any has.
    pub(super) fn are_possible(&self) -> bool {
        let pieces = self.chunks.map_or(1, |chunks| self.prompt.div_ceil(chunks.batch.min(chunks.micro_batch).max(1)));
        let tokens = [self.past, self.prompt, self.decode].into_iter().try_fold(0_u64, |sum, n| sum.checked_add(n));
        let pieces = pieces.checked_mul(self.batch.div_ceil(self.together()));
        tokens.is_some_and(|tokens| tokens <= TOKENS_MAX)
            && (1..=BATCH_MAX).contains(&self.batch)
            && pieces.is_some_and(|pieces| pieces <= PIECES_MAX)
    }

    /// Sequences whose prompts go through the model at once: all of them, or as many as one micro-batch holds.
    fn together(&self) -> u64 {
        let fit = self.chunks.map_or(self.batch, |chunks| chunks.micro_batch / self.prompt.max(1));
        fit.clamp(1, self.batch.max(1))
    }

    /// The passes, in their order. How latent attention is done is left to the caller.
    pub fn forwards(&self) -> Vec<(Pass, Forward)> {
        let mut forwards = Vec::new();
        let mut left = if self.prompt > 0 { self.batch } else { 0 };
        while left > 0 {
            let batch = left.min(self.together());
            self.prefill(batch, &mut forwards);
            left -= batch;
        }
        if self.decode > 0 {
            let past = self.past + self.prompt;
            let decode = Forward { past, passes: self.decode, batch: self.batch, ..Forward::ONE_TOKEN };
            forwards.push((Pass::Decode, decode));
        }
        forwards
    }

    /// The prompts of `batch` sequences.
    fn prefill(&self, batch: u64, forwards: &mut Vec<(Pass, Forward)>) {
        let chunks = self.chunks.unwrap_or(Chunks { batch: self.prompt, micro_batch: self.prompt });
        let mut done = 0;
        while done < self.prompt {
            let of_batch = (self.prompt - done).min(chunks.batch - done % chunks.batch);
            let tokens = of_batch.min(chunks.micro_batch);
            // Only the last micro-batch of a batch goes on to the head.
            let logits = u64::from(tokens == of_batch);
            // llama.cpp, which cuts, also leaves rows out in the last layer.
            let pruned = self.chunks.is_some();
            let past = self.past + done;
            forwards.push((Pass::Prefill, Forward { tokens, past, batch, logits, pruned, ..Forward::ONE_TOKEN }));
            done += tokens;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_cut_and_decoding_follows() {
        let passes = Passes {
            batch: 1,
            past: 10,
            prompt: 5000,
            decode: 3,
            chunks: Some(Chunks { batch: 2048, micro_batch: 512 }),
        };
        let forwards = passes.forwards();
        let chunks: Vec<(u64, u64)> = forwards.iter().map(|(_, f)| (f.tokens, f.logits)).collect();
        let whole = [(512, 0), (512, 0), (512, 0), (512, 1)];
        let last = [(512, 0), (392, 1), (1, 1)];
        assert_eq!(chunks, [&whole[..], &whole, &last].concat());
        let pasts: Vec<u64> = forwards.iter().map(|(_, f)| f.past).collect();
        assert_eq!((pasts[0], pasts[1], pasts[9], pasts[10]), (10, 522, 4618, 5010));
        assert_eq!((forwards[10].1.passes, passes.phase(), passes.tokens()), (3, "prefill+decode", 5003));
    }

    #[test]
    fn an_uncut_prompt_is_one_pass() {
        let passes = Passes { batch: 1, past: 0, prompt: 4096, decode: 0, chunks: None };
        assert_eq!(passes.forwards().len(), 1);
        assert_eq!(passes.phase(), "prefill");
        assert_eq!(Passes { prompt: 0, decode: 7, ..passes }.phase(), "decode");
    }

    #[test]
    fn prompts_of_several_sequences_share_a_micro_batch_where_they_fit() {
        let chunks = Some(Chunks { batch: 2048, micro_batch: 512 });
        let passes = Passes { batch: 7, past: 0, prompt: 128, decode: 3, chunks };
        let batches = |passes: Passes| passes.forwards().iter().map(|(_, f)| (f.tokens, f.batch)).collect::<Vec<_>>();
        assert_eq!(batches(passes), [(128, 4), (128, 3), (1, 7)]);
        assert_eq!(batches(Passes { prompt: 600, batch: 2, ..passes }), [(512, 1), (88, 1), (512, 1), (88, 1), (1, 2)]);
        assert_eq!(batches(Passes { chunks: None, ..passes }), [(128, 7), (1, 7)]);
        assert_eq!(passes.tokens(), 7 * 131);
        assert!(passes.are_possible() && !Passes { batch: 0, ..passes }.are_possible());
    }
}
