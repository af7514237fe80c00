//! What must be held at once.

use super::{Evaluator, exact};
use crate::error::{Error, Result};
use crate::model::{Demand, Pass, Phase, Workload};
use roofprobe_kernels::Dtype;

/// Tokens that engines process at once in a long prefill: the default micro-batch of llama.cpp. It limits the memory
/// that activations need, and nothing else here.
const MICRO_BATCH: u64 = 512;

/// What must be held at once, bytes.
pub(super) struct Memory {
    pub(super) weights: u64,
    /// Keys and values, and what recurrent layers keep.
    cache: u64,
    activations: u64,
}

impl Evaluator<'_> {
    /// Bytes of weights, of the cache at its longest, and of activations.
    ///
    /// # Errors
    /// Misuse for a workload beyond its limits, and when the number exceeds 64 bits.
    pub fn memory_needed(&self, workload: &Workload) -> Result<u64> {
        workload.validate()?;
        Memory::of(self, workload)?.total()
    }
}

impl Memory {
    pub(super) fn of(evaluator: &Evaluator, workload: &Workload) -> Result<Memory> {
        let demand = evaluator.demand();
        let model = demand.model();
        let latents = workload.runtime.latents(model, Pass::Decode);
        let sequences = u128::from(workload.batch);
        let cached = u128::from(model.cached_elements(workload.longest(), latents)?) * sequences;
        let state = u128::from(model.state_elements()?) * u128::from(Dtype::F32.block().bytes) * sequences;
        // Rows were found to be whole blocks when the steps were made.
        let cache =
            workload.kv.bytes(cached, 1, 1).ok_or_else(|| Error::misuse("--kv: rows are no whole number of blocks"))?;
        let activations = exact(Memory::widest(demand, workload)? * u128::from(Dtype::F32.block().bytes))?;
        Ok(Memory { weights: demand.types().bytes, cache: exact(cache + state)?, activations })
    }

    /// Activation elements of the operation with the most.
    fn widest(demand: &Demand, workload: &Workload) -> Result<u128> {
        let at_once = (workload.micro_batch.unwrap_or(MICRO_BATCH) / workload.batch).max(1);
        let chunk = Workload { prompt: workload.prompt.min(at_once), micro_batch: None, ..*workload };
        let mut widest = 0;
        for (_, forward) in chunk.forwards(demand.model(), Phase::Prefill)? {
            // Logits are kept for one token of each sequence; attention reads its queries, not the cache, from here.
            demand.each_step(&forward, |step| {
                let cost = step.op.cost(step.shape);
                widest = widest.max(cost.input_read + cost.output_written);
            })?;
        }
        Ok(widest)
    }

    /// Bytes of activations.
    pub(super) fn activations(&self) -> u64 {
        self.activations
    }

    pub(super) fn total(&self) -> Result<u64> {
        exact(u128::from(self.weights) + u128::from(self.cache) + u128::from(self.activations))
    }
}
