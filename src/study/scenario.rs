//! Prompts and answers of certain lengths, and which passes engines make of them.

use crate::error::{Error, Result};
use crate::measured::Passes;
use crate::model::{Forward, Model, Pass, Phase, Runtime, Workload};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde_with::SerializeDisplay;
use std::fmt;
use std::str::FromStr;

/// A prompt and an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens of the answer.
    pub generate: u64,
}

/// Those of the paper: a short (S) or long (L) input (I) and output (O).
const OF_THE_PAPER: [(&str, u64, u64); 4] =
    [("SISO", 128, 128), ("LISO", 4096, 128), ("SILO", 128, 4096), ("LILO", 4096, 4096)];

impl Scenario {
    /// The four of the paper.
    pub fn all() -> Vec<Scenario> {
        OF_THE_PAPER.map(|(name, prompt, generate)| Scenario { name: name.to_owned(), prompt, generate }).to_vec()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Scenario, String> {
        if let Some(scenario) = Scenario::all().into_iter().find(|one| one.name.eq_ignore_ascii_case(word)) {
            return Ok(scenario);
        }
        let lengths = word.split_once('/').and_then(|(p, g)| Some((p.parse().ok()?, g.parse().ok()?)));
        let (prompt, generate) = lengths
            .ok_or("must be SISO, LISO, SILO, LILO, or two numbers of tokens, PROMPT/GENERATE, as in 512/128")?;
        Ok(Scenario { name: word.to_owned(), prompt, generate })
    }
}

named_enum! {
    /// How a scenario is run.
    #[derive(Default, SerializeDisplay, JsonSchema)]
    #[schemars(rename_all = "kebab-case")]
    pub enum Engine: "engine" {
        /// As the words say: the answer follows the prompt, whose logits give its first token, so that G tokens take G − 1
        /// decode steps.
        #[default]
        Definition = "definition",
        /// As llama-bench does by its defaults: a test of the prompt and one of G decode steps, which begin with an empty
        /// context. The prompt is cut into micro-batches of 512, and rows without logits are left out of the last layer.
        LlamaBench = "llama-bench",
    }
}

impl Engine {
    /// Checks a scenario and the way it is run.
    ///
    /// # Errors
    /// Misuse: lengths beyond their limits, or what llama-bench does otherwise.
    pub(super) fn check(self, workload: &Workload) -> Result<()> {
        workload.validate()?;
        if self == Engine::Definition {
            return Ok(());
        }
        let refused = [
            ("--batch", workload.batch != 1, "runs one sequence"),
            ("--micro-batch", workload.micro_batch.is_some(), "takes 512 tokens at once"),
            ("--prune-last-layer", workload.prune_last_layer, "always does so"),
            ("--runtime", workload.runtime != Runtime::LlamaCpp, "is llama.cpp"),
        ];
        match refused.into_iter().find(|(_, asked, _)| *asked) {
            Some((option, _, why)) => Err(Error::misuse(format!("{option}: llama-bench {why}; leave the option out"))),
            None => Ok(()),
        }
    }

    /// The passes of a scenario: of its prompt, and of its decode steps.
    pub(super) fn passes(self, model: &Model, workload: &Workload) -> Result<[Vec<(Pass, Forward)>; 2]> {
        match self {
            Engine::Definition => {
                let all = workload.forwards(model, Phase::Generation)?;
                Ok(all.partition(|(pass, _)| *pass == Pass::Prefill).into())
            }
            Engine::LlamaBench => {
                let alone = |prompt, decode| {
                    let run =
                        |(pass, forward)| (pass, Forward { latents: workload.runtime.latents(model, pass), ..forward });
                    Passes::of_llama_bench(prompt, decode).forwards().into_iter().map(run).collect()
                };
                Ok([alone(workload.prompt, 0), alone(0, workload.generate.unwrap_or(0))])
            }
        }
    }

    /// The passes were every token of the answer decoded, the first one too.
    pub(super) fn with_all_decoded(self, model: &Model, workload: &Workload) -> Result<Vec<(Pass, Forward)>> {
        let [mut passes, decode] = self.passes(model, workload)?;
        if self == Engine::LlamaBench {
            passes.extend(decode);
            return Ok(passes);
        }
        let more = workload.generate.unwrap_or(0);
        let step = Workload { context: None, ..*workload }.forwards(model, Phase::Decode)?;
        passes.extend(step.map(|(pass, forward)| (pass, Forward { passes: more, ..forward })));
        Ok(passes)
    }
}
