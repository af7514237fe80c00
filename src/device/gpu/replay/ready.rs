//! The operations of a sequence made ready, in the worker: the routines of the measuring jobs on operands of which each layer has its
//! own.

use super::size;
use crate::device::Refusal;
use crate::device::Routing;
use crate::device::gpu::context::{Context, GpuError, GpuResult};
use crate::device::gpu::routines::rows::{Activations, Pool, RowsRoutine, has_shader, made_up};
use crate::device::gpu::routines::{Routine, SharedBuffers, entry_of};
use crate::job::{self, Job, Sequence};
use crate::profile::{
    AccessLayout, AttentionExtents, AttentionPhase, CeilingId, GpuAttention, GpuMatmul, Reduction, Tile, Variant,
};
use roofprobe_kernels::{Dtype, Op};
use std::cell::Cell;

/// Invocations of the workgroups that work on rows: of hardware, and of software, where a barrier costs more.
const ROWS_SIZE: u32 = 256;
const ROWS_SIZE_SOFTWARE: u32 = 64;

/// Operands in the GPU's memory, each made when the first operation needs it.
pub(super) struct Operands {
    /// For each matrix its parts.
    weights: Vec<Vec<SharedBuffers>>,
    caches: Vec<Cached>,
    tables: Vec<Option<wgpu::Buffer>>,
    activations: Option<Activations>,
    size: u32,
}

/// Keys and values, as the shaders read them, or as something that is only moved.
#[derive(Default)]
struct Cached {
    shared: SharedBuffers,
    pool: Option<Pool>,
}

/// A routine of the measuring jobs, and whether the last pass ran it.
pub(super) struct Part {
    routine: Box<dyn Routine>,
    /// The copy that was used last, if any was.
    used: Cell<Option<u64>>,
}

/// One operation made ready.
pub(super) enum Ready {
    /// The parts of a product, side by side; or attention.
    Parts(Vec<Part>),
    /// Products of experts, for some numbers of tokens.
    Experts { routing: Routing, layers: u64, by_rows: Vec<(usize, Vec<Part>)> },
    /// Work on rows, and traffic.
    Rows(RowsRoutine),
    /// Rows looked up: other ones in each pass.
    Gather(RowsRoutine),
}

impl Part {
    fn encode(&self, pass: &mut wgpu::ComputePass, copy: u64) {
        self.used.set(Some(copy));
        self.routine.seek(copy);
        self.routine.encode(pass, 1, 1);
    }
}

impl Ready {
    /// Encodes it for one layer, in the pass of that number.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass, copy: u64, turn: u64) {
        match self {
            Ready::Parts(parts) => parts.iter().for_each(|part| part.encode(pass, copy)),
            Ready::Experts { routing, layers, by_rows } => {
                for visit in routing.draw(turn.wrapping_mul(*layers).wrapping_add(copy)) {
                    let expert = copy * routing.experts as u64 + visit.expert as u64;
                    let enough = by_rows.iter().find(|(rows, _)| *rows >= visit.rows);
                    enough.into_iter().flat_map(|(_, parts)| parts).for_each(|part| part.encode(pass, expert));
                }
            }
            Ready::Rows(rows) => rows.encode(pass, copy),
            Ready::Gather(rows) => rows.encode(pass, turn),
        }
    }

    /// The routines that are held against the oracle.
    pub(super) fn parts(&mut self) -> Vec<&mut Part> {
        match self {
            Ready::Parts(parts) => parts.iter_mut().collect(),
            Ready::Experts { by_rows, .. } => by_rows.iter_mut().flat_map(|(_, parts)| parts).collect(),
            Ready::Rows(_) | Ready::Gather(_) => Vec::new(),
        }
    }
}

impl Part {
    /// Overwrites its results.
    pub(super) fn spoil(&mut self, context: &Context) -> GpuResult<()> {
        self.used.set(None);
        self.routine.prepare(context)
    }

    /// Whether its last results are right, if there were any.
    pub(super) fn verified(&mut self, context: &Context) -> GpuResult<bool> {
        let Some(copy) = self.used.get() else { return Ok(true) };
        // Held against what it was told to use, and not against what it counted itself.
        self.routine.seek(copy + 1);
        self.routine.verify(context, 1)
    }
}

impl Operands {
    pub(super) fn new(sequence: &Sequence, software: bool) -> Operands {
        Operands {
            weights: sequence.matrices.iter().map(|_| Vec::new()).collect(),
            caches: sequence.caches.iter().map(|_| Cached::default()).collect(),
            tables: vec![None; sequence.tables.len()],
            activations: None,
            size: if software { ROWS_SIZE_SOFTWARE } else { ROWS_SIZE },
        }
    }

    /// Makes an operation ready. Returns what is done otherwise than the sequence says, too.
    ///
    /// # Errors
    /// Refused when the adapter lacks something, or memory.
    pub(super) fn make(
        &mut self,
        context: &mut Context,
        sequence: &Sequence,
        place: usize,
    ) -> GpuResult<(Ready, Option<String>)> {
        if self.activations.is_none() {
            let elements = size::activation_elements(sequence, context.binding_bytes());
            let size = self.size.min(context.limits.max_compute_invocations_per_workgroup);
            self.activations = Some(Activations::new(context, elements, size)?);
        }
        match &sequence.routines[place] {
            job::Routine::Matmul { matrix, variant } => {
                let (parts, note) = self.product(context, sequence, (*matrix, variant), None)?;
                Ok((Ready::Parts(parts), note))
            }
            job::Routine::Experts { matrix, variant, tokens, experts, used } => {
                self.experts(context, sequence, (*matrix, variant), [*tokens, *experts, *used])
            }
            job::Routine::Attention { cache, variant, window } => {
                self.attention(context, sequence, (*cache, variant), *window)
            }
            job::Routine::Gather { table, rows, row } => self.gather(context, sequence, *table, [*rows, *row]),
            job::Routine::Rows { op, shape, copies } => {
                let activations = self.activations()?;
                let rows = RowsRoutine::of(context, activations, (*op, *shape), *copies)?;
                let note =
                    (!has_shader(*op)).then(|| format!("{op} has no shader: it is replayed by its traffic alone"));
                Ok((Ready::Rows(rows), note))
            }
        }
    }

    fn activations(&self) -> Result<&Activations, Refusal> {
        self.activations.as_ref().ok_or_else(|| Refusal::Skipped("no activations were made".to_owned()))
    }

    /// All activations that were written.
    pub(super) fn written(&self) -> Option<(&wgpu::Buffer, u64)> {
        self.activations.as_ref().map(|activations| (&activations.out, activations.elements * 4))
    }

    /// A product with all parts of a matrix, of as many tokens as the variant says or of `rows`.
    fn product(
        &mut self,
        context: &mut Context,
        sequence: &Sequence,
        (matrix, variant): (usize, &Variant),
        rows: Option<u64>,
    ) -> GpuResult<(Vec<Part>, Option<String>)> {
        let Variant::GpuMatmul(way) = variant else { return Err(foreign(variant).into()) };
        let job::Matrix { dtype, copies, .. } = sequence.matrices[matrix];
        let columns = size::parts(sequence, matrix, context.binding_bytes());
        self.weights[matrix].resize_with(columns.len(), SharedBuffers::default);
        let (mut parts, mut note) = (Vec::new(), None);
        for (n, shared) in columns.into_iter().zip(&mut self.weights[matrix]) {
            let (m, copies) = (rows.unwrap_or(way.m), u32::try_from(copies).unwrap_or(u32::MAX));
            let sized = |way: GpuMatmul| Job {
                ceiling: CeilingId::matmul(dtype, m),
                op: Op::Matmul,
                dtype,
                variant: GpuMatmul { m, n, copies, ..way }.into(),
            };
            let asked = sized(fitted(way, m));
            let routine = match made(context, shared, &asked) {
                Err(GpuError::Refused(Refusal::Unsupported(reason) | Refusal::Skipped(reason))) => {
                    note = Some(format!(
                        "a product of {dtype} weights is done row by row, as the measured way does not fit: {reason}"
                    ));
                    made(context, shared, &sized(plain(way)))?
                }
                other => other?,
            };
            parts.push(Part { routine, used: Cell::new(None) });
        }
        Ok((parts, note))
    }

    fn experts(
        &mut self,
        context: &mut Context,
        sequence: &Sequence,
        (matrix, variant): (usize, &Variant),
        [tokens, experts, used]: [u64; 3],
    ) -> GpuResult<(Ready, Option<String>)> {
        let most = variant.keys().m.unwrap_or(1);
        let routing = Routing::new([tokens, experts, used].map(|count| count as usize), most as usize)?;
        let (mut by_rows, mut note) = (Vec::new(), None);
        for rows in size::expert_rows(most) {
            let (parts, own) = self.product(context, sequence, (matrix, variant), Some(rows))?;
            note = note.or(own);
            by_rows.push((rows as usize, parts));
        }
        let layers = sequence.matrices[matrix].copies / experts.max(1);
        let note = note.or_else(|| Some("each visited expert is a dispatch of its own".to_owned()));
        Ok((Ready::Experts { routing, layers, by_rows }, note))
    }

    /// Attention by a shader; where none does it, its traffic.
    fn attention(
        &mut self,
        context: &mut Context,
        sequence: &Sequence,
        (cache, variant): (usize, &Variant),
        window: Option<u64>,
    ) -> GpuResult<(Ready, Option<String>)> {
        let Variant::GpuAttention(way) = variant else { return Err(foreign(variant).into()) };
        let job::Cache { copies, tokens, shared, .. } = sequence.caches[cache];
        let reason = if shared {
            "no shader reads keys and values that lie in one place".to_owned()
        } else if window.is_some_and(|window| way.context > window) {
            "no shader keeps to a window".to_owned()
        } else {
            let buffers = &mut self.caches[cache].shared;
            // The longest context first: its buffers have room for the others.
            let all = [tokens, way.context].map(|tokens| attention_job(way, tokens, copies));
            match made(context, buffers, &all[0]).and_then(|_| made(context, buffers, &all[1])) {
                Err(GpuError::Refused(Refusal::Unsupported(reason) | Refusal::Skipped(reason))) => reason,
                other => {
                    let part = Part { routine: other?, used: Cell::new(None) };
                    return Ok((Ready::Parts(vec![part]), None));
                }
            }
        };
        let all = size::attention_bytes(sequence, (cache, tokens, tokens), None);
        let bytes = size::attention_bytes(sequence, (cache, way.m, way.context), window);
        if self.caches[cache].pool.is_none() {
            self.caches[cache].pool = Some(Pool::new(context, all, copies)?);
        }
        let Some(pool) = &self.caches[cache].pool else { return Err(foreign(variant).into()) };
        let out = [way.m, way.heads * way.head_dim];
        let rows = RowsRoutine::traffic(context, self.activations()?, (pool, bytes), out, copies)?;
        let whose = if way.m == 1 { "one token" } else { "several tokens" };
        let note = format!("attention of {whose} is replayed by its traffic alone: {reason}");
        Ok((Ready::Rows(rows), Some(note)))
    }

    fn gather(
        &mut self,
        context: &mut Context,
        sequence: &Sequence,
        place: usize,
        extents: [u64; 2],
    ) -> GpuResult<(Ready, Option<String>)> {
        let table = &sequence.tables[place];
        let (rows, words) = (size::table_rows(table, context.binding_bytes()), size::words(table));
        let buffer = match &self.tables[place] {
            Some(there) => there.clone(),
            None => {
                let made = context.filled(bytemuck::cast_slice(&made_up(rows * words, 17)))?;
                self.tables[place].insert(made).clone()
            }
        };
        let gather = RowsRoutine::gather(context, self.activations()?, (&buffer, rows, words), extents)?;
        let note = (rows < table.rows)
            .then(|| format!("of {} rows of a table {rows} are there, as many as one binding holds", table.rows));
        Ok((Ready::Gather(gather), note))
    }
}

/// The routine of `job`, on the buffers that are there or new ones.
fn made(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Box<dyn Routine>> {
    (entry_of(job)?.new)(context, shared, job)
}

/// What every adapter can do: an invocation for each row of weights.
fn plain(way: &GpuMatmul) -> GpuMatmul {
    GpuMatmul {
        k: way.k,
        layout: Some(AccessLayout::Contiguous),
        reduction: Some(Reduction::Invocation),
        ..GpuMatmul::plain(Tile::of(1, 1), 64)
    }
}

/// The way for `m` tokens: whole rows of weights are multiplied with as many at once as there are.
fn fitted(way: &GpuMatmul, m: u64) -> GpuMatmul {
    let rows = u32::try_from(m).unwrap_or(u32::MAX).min(way.tile.rows);
    let whole_rows = way.staged.is_none() && way.matrix.is_none();
    GpuMatmul { tile: if whole_rows { Tile { rows, ..way.tile } } else { way.tile }, ..way.clone() }
}

fn attention_job(way: &GpuAttention, context: u64, copies: u64) -> Job {
    let phase = if way.m == 1 { AttentionPhase::Decode } else { AttentionPhase::Prefill };
    let copies = u32::try_from(copies).unwrap_or(u32::MAX);
    Job {
        ceiling: CeilingId::attention(Dtype::F16, phase, AttentionExtents::Usual),
        op: Op::Attention,
        dtype: Dtype::F16,
        variant: GpuAttention { context, copies, ..way.clone() }.into(),
    }
}

fn foreign(variant: &Variant) -> Refusal {
    Refusal::Unsupported(format!("a GPU does no {}", variant.family()))
}
