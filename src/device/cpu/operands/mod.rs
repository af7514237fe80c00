//! Operands that the whole team reads: made up by all threads, each writing its share first, in the memory that the threads keep for
//! what is overwritten.
//!
//! They are large: one kind at a time, the next one in the place of the last.

mod caches;
mod made_up;
mod weights;

pub(super) use caches::{Lying, Pool};
pub(super) use made_up::MadeUp;
pub(super) use weights::{Matrices, SharedWeights, weight_bytes};

use super::Cpu;
use super::worker_state::WorkerState;
use crate::device::Refusal;
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::attention::Head;
use roofprobe_kernels::ops::matmul::MatmulKernel;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a thread has memory for operands from.
pub(super) type Give = fn(&mut WorkerState, Pages, usize) -> std::io::Result<Buffer>;

/// What the team has read last.
#[derive(Clone)]
pub(super) enum Operands {
    Weights(Arc<SharedWeights>),
    Caches(Arc<Pool>),
}

impl Cpu {
    /// Weights for such a job: those of the job before if they serve.
    ///
    /// # Errors
    /// Skipped, when there is too little memory.
    pub(super) fn weights(
        &mut self,
        kernel: MatmulKernel,
        pages: Pages,
        [n, k]: [usize; 2],
        copies: usize,
    ) -> Result<Arc<SharedWeights>, Refusal> {
        if let Some(Operands::Weights(weights)) = &self.operands
            && weights.serve(kernel, pages, [n, k], copies)
        {
            return Ok(Arc::clone(weights));
        }
        self.release_operands();
        let weights = Arc::new(self.make_weights(kernel, pages, [n, k], copies, WorkerState::lend)?);
        self.operands = Some(Operands::Weights(Arc::clone(&weights)));
        Ok(weights)
    }

    /// Keys and values of `kv_heads` heads for as many tokens as the context of `head`, in one place where they are `shared`: those of the job before if they serve.
    ///
    /// # Errors
    /// Skipped, when there is too little memory.
    pub(super) fn caches(
        &mut self,
        head: Head,
        shared: bool,
        kv_heads: usize,
        pages: Pages,
    ) -> Result<Arc<Pool>, Refusal> {
        if let Some(Operands::Caches(pool)) = &self.operands
            && pool.serves(head, shared, kv_heads, pages)
        {
            return Ok(Arc::clone(pool));
        }
        self.release_operands();
        let pool = Arc::new(self.make_pool(head, kv_heads, Lying { pages, shared, give: WorkerState::lend })?);
        self.operands = Some(Operands::Caches(Arc::clone(&pool)));
        Ok(pool)
    }

    /// Gives the threads back what operands lie in.
    pub(super) fn release_operands(&mut self) {
        // It holds them, too.
        self.prepared = None;
        let lent = match self.operands.take() {
            Some(Operands::Weights(weights)) => Arc::try_unwrap(weights).ok().map(SharedWeights::into_memory),
            Some(Operands::Caches(pool)) => Arc::try_unwrap(pool).ok().map(Pool::into_memory),
            None => None,
        };
        let Some((pages, buffers)) = lent else { return };
        let buffers: Mutex<Vec<Option<Buffer>>> = Mutex::new(buffers.into_iter().map(Some).collect());
        // A dead team is reported by the next pass.
        let _ = self.all(move |worker, _| {
            let mut buffers = buffers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(buffer) = buffers.get_mut(worker.index()).and_then(Option::take) {
                worker.take_back(pages, buffer);
            }
        });
    }
}
