//! Operands and operations of a sequence made ready; how much memory they take.

use super::elementwise::Scratch;
use super::experts::{self, PreparedExperts};
use super::rows::{PreparedGather, PreparedRows, Scratches, scratch_elements};
use super::{Prepared, PreparedSequence, Shared};
use crate::device::cpu::activations::{Activations, RowsKind};
use crate::device::cpu::attended::Attended;
use crate::device::cpu::attention::PreparedAttention;
use crate::device::cpu::operands::{Lying, Pool, SharedWeights, weight_bytes};
use crate::device::cpu::team_job::{TeamJob, extent};
use crate::device::cpu::worker_state::WorkerState;
use crate::device::cpu::{Cpu, self_test, skipped, unsupported};
use crate::device::{Refusal, Routing};
use crate::job::{Cache, Matrix, Routine, Sequence, Table};
use crate::profile::{CpuList, Matmul, Variant};
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::attention::{Head, KEY_BLOCK};
use roofprobe_kernels::ops::matmul::MatmulKernel;
use roofprobe_kernels::{Isa, Op, Shape};
use std::sync::{Arc, Mutex};

/// What every buffer is rounded up by at most: the page that it begins on, and a huge one at its end.
const ROUNDING_BYTES: u128 = 4 << 20;

/// What the program itself takes, its code in memory and its threads' stacks included: 23 MiB were seen on Linux, beside what is counted
/// here of a model of a billion parameters.
const PROGRAM_BYTES: u128 = 32 << 20;

/// The operands of a sequence in memory.
struct Made {
    weights: Vec<(MatmulKernel, Arc<SharedWeights>)>,
    pools: Vec<Arc<Pool>>,
    tables: Vec<Arc<Buffer>>,
    scratches: Scratches,
    activations: Vec<Arc<Activations>>,
}

impl Cpu {
    /// Memory that a sequence takes, bytes, and the program with it.
    ///
    /// # Errors
    /// Unsupported when there is no such kernel here.
    pub(super) fn sequence_bytes(&self, sequence: &Sequence) -> Result<u64, Refusal> {
        let threads = self.team.size();
        let mut all = PROGRAM_BYTES;
        for matrix in &sequence.matrices {
            let bytes = weight_bytes(kernel(matrix)?, [matrix.n, matrix.k], matrix.copies, threads);
            all += bytes.ok_or_else(too_large)? + ROUNDING_BYTES * threads as u128;
        }
        for cache in &sequence.caches {
            let tokens = u128::from(cache.copies) * u128::from(cache.tokens.saturating_add(KEY_BLOCK as u64));
            let row = u128::from(cache.kv_heads * cache.head_dim) * if cache.shared { 2 } else { 4 };
            all += tokens * row + ROUNDING_BYTES * threads as u128;
        }
        all += sequence.tables.iter().map(|table| u128::from(table.rows) * u128::from(table.row_bytes)).sum::<u128>();
        let mut rows = Vec::new();
        for routine in &sequence.routines {
            all += self.routine_bytes(sequence, routine, &mut rows)?;
        }
        all += (Scratch::bytes(scratch(sequence, threads)) * threads) as u128;
        u64::try_from(all).map_err(|_| too_large())
    }

    /// Makes a sequence ready: its operands, written by the threads that own them, and its operations. `shown` is told the share
    /// that is done, and says whether to go on.
    ///
    /// # Errors
    /// Unsupported when there is no such kernel here, skipped when there is too little memory or somebody wants it to end.
    pub(super) fn prepare_sequence(
        &mut self,
        sequence: &Sequence,
        mut shown: impl FnMut(f64) -> bool,
    ) -> Result<PreparedSequence, Refusal> {
        self.release_operands();
        let size = self.team.size();
        let elements = scratch(sequence, size);
        let scratches = (0..size).map(|index| Mutex::new(Scratch::new(elements, index as u64))).collect();
        let mut made =
            Made { weights: Vec::new(), pools: Vec::new(), tables: Vec::new(), scratches, activations: Vec::new() };
        let whole = sequence.matrices.len() + sequence.caches.len() + sequence.routines.len();
        let mut done = 0;
        let mut go_on = || {
            done += 1;
            if shown(f64::from(done) / whole.max(1) as f64) { Ok(()) } else { Err(skipped("interrupted")) }
        };
        for matrix in &sequence.matrices {
            made.weights.push(self.make_matrix(matrix)?);
            go_on()?;
        }
        for cache in &sequence.caches {
            made.pools.push(Arc::new(self.make_cache(cache)?));
            go_on()?;
        }
        for table in &sequence.tables {
            made.tables.push(Arc::new(make_table(table)?));
        }
        let mut routines: Vec<Prepared> = Vec::with_capacity(sequence.routines.len());
        for (place, routine) in sequence.routines.iter().enumerate() {
            let prepared = self.prepare_routine(sequence, routine, &mut made)?;
            routines.push(Prepared { checked: is_checked(sequence, place), ..prepared });
            go_on()?;
        }
        let shared = Shared { routines, launches: sequence.launches.clone(), steps: sequence.steps };
        Ok(PreparedSequence { shared: Arc::new(shared), passes: 0 })
    }

    fn make_matrix(&self, matrix: &Matrix) -> Result<(MatmulKernel, Arc<SharedWeights>), Refusal> {
        let kernel = kernel(matrix)?;
        let (n, k) = (extent(matrix.n, "n")?, extent(matrix.k, "k")?);
        let copies = extent(matrix.copies, "copies")?;
        let weights = self.make_weights(kernel, matrix.pages, [n, k], copies, WorkerState::fresh)?;
        Ok((kernel, Arc::new(weights)))
    }

    fn make_cache(&self, cache: &Cache) -> Result<Pool, Refusal> {
        let tokens = cache.tokens.next_multiple_of(KEY_BLOCK as u64).checked_mul(cache.copies).ok_or_else(too_large)?;
        let head =
            Head { head_dim: extent(cache.head_dim, "head_dim")?, group: 1, context: extent(tokens, "context")? };
        let lying = Lying { pages: cache.pages, shared: cache.shared, give: WorkerState::fresh };
        self.make_pool(head, extent(cache.kv_heads, "kv_heads")?, lying)
    }

    fn prepare_routine(&self, sequence: &Sequence, routine: &Routine, made: &mut Made) -> Result<Prepared, Refusal> {
        let all = u32::try_from(self.team.size()).unwrap_or(u32::MAX);
        let scratches = Arc::clone(&made.scratches);
        match routine {
            Routine::Matmul { matrix, variant: Variant::Matmul(variant) } => {
                let (kernel, weights) = &made.weights[*matrix];
                let (threads, cpus) = self.taking_part(variant);
                let job =
                    self.matmul_with(variant, threads as usize, *kernel, Arc::clone(weights), &mut made.activations)?;
                self.prepared(Arc::new(job), threads, cpus, sequence.matrices[*matrix].copies)
            }
            Routine::Experts { matrix, variant: Variant::Matmul(variant), tokens, experts, used } => {
                let (kernel, weights) = &made.weights[*matrix];
                let (threads, cpus) = self.taking_part(variant);
                let routing = routing([*tokens, *experts, *used], variant)?;
                let extents = ([extent(variant.n, "n")?, extent(variant.k, "k")?], threads as usize);
                let ways = self.matmul_ways(variant, *kernel)?;
                let job = PreparedExperts::new(*kernel, Arc::clone(weights), routing, extents, ways);
                let job = job.map_err(|e| skipped(&format!("tokens of experts could not be allocated: {e}")))?;
                self.prepared(Arc::new(job), threads, cpus, sequence.matrices[*matrix].copies / (*experts).max(1))
            }
            Routine::Attention { cache, variant: Variant::Attention(variant), window } => {
                let (attended, _) = Attended::of(variant)?;
                let threads = variant.threads.clamp(1, all);
                let (queries, copies) = (extent(variant.m, "m")?, sequence.caches[*cache].copies);
                let pool = Arc::clone(&made.pools[*cache]);
                let copies_of = extent(copies, "copies")?;
                let job = PreparedAttention::new(attended, queries, pool, copies_of, threads as usize);
                let job = match window.and_then(|window| usize::try_from(window).ok()) {
                    Some(window) => job.within(window),
                    None => job,
                };
                self.prepared(Arc::new(job), threads, None, copies)
            }
            Routine::Gather { table, rows, row } => {
                let Table { rows: table_rows, row_bytes } = sequence.tables[*table];
                let of_table = [extent(table_rows, "rows")?, extent(row_bytes, "bytes")?];
                let looked_up = [extent(*rows, "rows")?, extent(*row, "elements")?];
                let job = PreparedGather::new(Arc::clone(&made.tables[*table]), of_table, looked_up, scratches);
                self.prepared(Arc::new(job), all, None, 1)
            }
            Routine::Rows { op, shape, copies } => {
                let job = PreparedRows::new(*op, *shape, extent(*copies, "copies")?, scratches);
                self.prepared(Arc::new(job), all, None, *copies)
            }
            Routine::Matmul { variant, .. } | Routine::Experts { variant, .. } | Routine::Attention { variant, .. } => {
                Err(foreign(variant))
            }
        }
    }

    /// Memory that an operation takes beside the operands of the sequence, and the `rows` that others of it take.
    fn routine_bytes(&self, sequence: &Sequence, routine: &Routine, rows: &mut Vec<RowsKind>) -> Result<u128, Refusal> {
        Ok(match routine {
            Routine::Matmul { matrix, variant: Variant::Matmul(variant) } => {
                let (threads, _) = self.taking_part(variant);
                self.matmul_bytes(variant, threads as usize, kernel(&sequence.matrices[*matrix])?, rows)?
            }
            Routine::Experts { matrix, variant: Variant::Matmul(variant), tokens, experts, used } => {
                let routing = routing([*tokens, *experts, *used], variant)?;
                let extents = [extent(variant.n, "n")?, extent(variant.k, "k")?];
                experts::bytes(kernel(&sequence.matrices[*matrix])?, &routing, extents)
            }
            Routine::Attention { variant: Variant::Attention(variant), .. } => {
                let threads = (variant.threads as usize).clamp(1, self.team.size());
                PreparedAttention::bytes(variant, threads)?
            }
            Routine::Gather { .. } => 0,
            Routine::Rows { op, shape, copies } => {
                let cost = op.cost(*shape);
                // A state is shared out, and each thread has the weights.
                let weights = cost.weights_read * self.team.size() as u128;
                4 * (weights + cost.state_read) * u128::from(*copies)
            }
            Routine::Matmul { variant, .. } | Routine::Experts { variant, .. } | Routine::Attention { variant, .. } => {
                return Err(foreign(variant));
            }
        })
    }

    /// Who does a product: as many as won it, on the same cores if they are there.
    fn taking_part<'v>(&self, variant: &'v Matmul) -> (u32, Option<&'v CpuList>) {
        let all = u32::try_from(self.team.size()).unwrap_or(u32::MAX);
        let there = variant.cpus.as_ref().filter(|_| self.members(variant.threads, variant.cpus.as_ref()).is_ok());
        (if there.is_some() { variant.threads } else { variant.threads.clamp(1, all) }, there)
    }

    fn prepared(
        &self,
        job: Arc<dyn TeamJob>,
        threads: u32,
        cpus: Option<&CpuList>,
        copies: u64,
    ) -> Result<Prepared, Refusal> {
        let members = self.members(threads, cpus)?;
        let barrier = (members.count() < self.team.size()).then(|| self.team.barrier_of(members.count()));
        Ok(Prepared { job, members, barrier, copies: extent(copies, "copies")?, checked: true })
    }
}

/// Whether the result of a routine is held against the oracle: of the attentions of a long prompt the first and the last, for the
/// oracle takes its time over them.
fn is_checked(sequence: &Sequence, place: usize) -> bool {
    let attention = |routine: &Routine| matches!(routine, Routine::Attention { .. });
    let others = |part: &[Routine]| part.iter().any(attention);
    let (before, after) = (&sequence.routines[..place], &sequence.routines[place + 1..]);
    !attention(&sequence.routines[place]) || !others(before) || !others(after)
}

fn foreign(variant: &Variant) -> Refusal {
    Refusal::Unsupported(format!("the CPU does no {}", variant.family()))
}

fn too_large() -> Refusal {
    Refusal::OutOfMemory("it takes more memory than any machine has".to_owned())
}

fn kernel(matrix: &Matrix) -> Result<MatmulKernel, Refusal> {
    let isa = matrix.isa.unwrap_or(Isa::Portable);
    self_test::survived(isa).map_err(Refusal::Unsupported)?;
    MatmulKernel::find(matrix.dtype, isa, matrix.arithmetic).ok_or_else(|| unsupported(isa))
}

fn routing([tokens, experts, used]: [u64; 3], variant: &Matmul) -> Result<Routing, Refusal> {
    let [tokens, experts, used] = [extent(tokens, "tokens")?, extent(experts, "experts")?, extent(used, "experts")?];
    Routing::new([tokens, experts, used], extent(variant.m, "m")?)
}

/// Elements of the arrays of each thread.
fn scratch(sequence: &Sequence, threads: usize) -> usize {
    let of = |routine: &Routine| match routine {
        Routine::Rows { op, shape, .. } => scratch_elements(*op, *shape, threads),
        Routine::Gather { rows, row, .. } => scratch_elements(Op::Gather, Shape::rows(*rows, *row), threads),
        _ => 0,
    };
    sequence.routines.iter().map(of).max().unwrap_or(0)
}

fn make_table(table: &Table) -> Result<Buffer, Refusal> {
    let bytes = table.rows.checked_mul(table.row_bytes).and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(too_large)?;
    let refused = |e: std::io::Error| skipped(&format!("a table of {bytes} bytes could not be allocated: {e}"));
    let mut buffer = Buffer::new(bytes.div_ceil(8), Pages::Huge, 0).map_err(refused)?;
    let mut at = 0_u8;
    for byte in buffer.as_mut_bytes() {
        at = at.wrapping_mul(29).wrapping_add(17);
        *byte = at;
    }
    Ok(buffer)
}
