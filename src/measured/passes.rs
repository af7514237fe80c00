//! What a measured time covers: which forward passes, at which contexts.

use crate::model::{Forward, Pass};

/// 16 Mi tokens: beyond any context window published.
const TOKENS_MAX: u64 = 1 << 24;
/// 16 Mi tokens in the usual micro-batches of 512 are half as many.
const PIECES_MAX: u64 = 1 << 16;

/// Forward passes of one sequence that were timed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
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
        Passes { past: 0, prompt, decode, chunks: Some(LLAMA_BENCH) }
    }

    /// The name of the phase, or phases, that it covers.
    pub const fn phase(&self) -> &'static str {
        match (self.prompt, self.decode) {
            (_, 0) => "prefill",
            (0, _) => "decode",
            _ => "prefill+decode",
        }
    }

    /// Tokens whose rate is given: every token is taken in or given by a pass.
    pub const fn tokens(&self) -> u64 {
        self.prompt + self.decode
    }

    /// Whether an engine can have run it: no more tokens, and no more pieces of a prompt, than any has.
    pub(super) fn are_possible(&self) -> bool {
        let pieces = self.chunks.map_or(1, |chunks| self.prompt.div_ceil(chunks.batch.min(chunks.micro_batch).max(1)));
        let tokens = [self.past, self.prompt, self.decode].into_iter().try_fold(0_u64, |sum, n| sum.checked_add(n));
        tokens.is_some_and(|tokens| tokens <= TOKENS_MAX) && pieces <= PIECES_MAX
    }

    /// The passes, in their order. How latent attention is done is left to the caller.
    pub fn forwards(&self) -> Vec<(Pass, Forward)> {
        let mut forwards = Vec::new();
        let Chunks { batch, micro_batch } =
            self.chunks.unwrap_or(Chunks { batch: self.prompt, micro_batch: self.prompt });
        let mut done = 0;
        while done < self.prompt {
            let of_batch = (self.prompt - done).min(batch - done % batch);
            let tokens = of_batch.min(micro_batch);
            // Only the last micro-batch of a batch goes on to the head.
            let logits = u64::from(tokens == of_batch);
            // llama.cpp, which cuts, also leaves rows out in the last layer.
            let pruned = self.chunks.is_some();
            let past = self.past + done;
            forwards.push((Pass::Prefill, Forward { tokens, past, logits, pruned, ..Forward::ONE_TOKEN }));
            done += tokens;
        }
        if self.decode > 0 {
            let past = self.past + self.prompt;
            forwards.push((Pass::Decode, Forward { past, passes: self.decode, ..Forward::ONE_TOKEN }));
        }
        forwards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_cut_and_decoding_follows() {
        let passes =
            Passes { past: 10, prompt: 5000, decode: 3, chunks: Some(Chunks { batch: 2048, micro_batch: 512 }) };
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
        let passes = Passes { past: 0, prompt: 4096, decode: 0, chunks: None };
        assert_eq!(passes.forwards().len(), 1);
        assert_eq!(passes.phase(), "prefill");
        assert_eq!(Passes { prompt: 0, decode: 7, ..passes }.phase(), "decode");
    }
}
