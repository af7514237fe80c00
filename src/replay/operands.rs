//! Operands and routines of a sequence: each named once, however many launches there are.

use super::ways::{Layout, Ways};
use crate::error::{Error, Result};
use crate::job::{Cache, Launch, Matrix, Routine, Sequence, Table};
use crate::model::{Among, Class, FeedForward, Forward, INDEXER, Mixer, Model, Step, TensorType};
use crate::profile::{Attention, Matmul, Variant};
use roofprobe_kernels::ops::attention::DIM_STEP;
use roofprobe_kernels::{Dtype, Op, Shape};
use std::collections::{BTreeMap, HashMap};

/// Tokens of one expert at a time at most: a panel or two of the quantised formats.
const EXPERT_ROWS_MAX: u64 = 32;
/// Rows of a table of which there is no more than the rows that are read: a tied head has the others.
const TIED_ROWS: u64 = 1024;

/// Where a tensor stands in the model: the entry of its layers, which of them, its name, its type.
type Place = (Option<usize>, u8, &'static str, TensorType);

/// What a sequence reads, and what it does.
pub(super) struct Operands<'a> {
    ways: Ways<'a>,
    /// Tokens of each sequence at the end.
    pub(super) longest: u64,
    matrices: Vec<Matrix>,
    by_place: BTreeMap<Place, usize>,
    caches: Vec<Cache>,
    cache_of: BTreeMap<(Option<usize>, u64, u64), usize>,
    tables: Vec<Table>,
    table_of: BTreeMap<&'static str, usize>,
    routines: Vec<Routine>,
    /// By the step's place in its pass, and its extents.
    routine_of: HashMap<(usize, Shape), usize>,
    notes: Vec<String>,
}

impl<'a> Operands<'a> {
    pub(super) fn new(ways: Ways<'a>) -> Operands<'a> {
        Operands {
            ways,
            longest: 0,
            matrices: Vec::new(),
            by_place: BTreeMap::new(),
            caches: Vec::new(),
            cache_of: BTreeMap::new(),
            tables: Vec::new(),
            table_of: BTreeMap::new(),
            routines: Vec::new(),
            routine_of: HashMap::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn into_sequence(self, launches: Vec<Launch>, steps: usize) -> (Sequence, Vec<String>) {
        let Operands { matrices, caches, tables, routines, notes, .. } = self;
        (Sequence { matrices, caches, tables, routines, launches, steps }, notes)
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The routine of the step at that place of a pass: the one of an earlier pass, if that is the same.
    pub(super) fn routine(
        &mut self,
        model: &Model,
        (place, step): (usize, &Step),
        forward: &Forward,
        batch: u64,
    ) -> Result<usize> {
        if let Some(&known) = self.routine_of.get(&(place, step.shape)) {
            return Ok(known);
        }
        let routine = match step.op {
            Op::Matmul => self.matmul(model, step)?,
            Op::Attention => self.attention(model, step, forward, batch)?,
            Op::Gather => self.gather(model, step),
            op => Routine::Rows { op, shape: step.shape, copies: step.repeat },
        };
        self.routines.push(routine);
        self.routine_of.insert((place, step.shape), self.routines.len() - 1);
        Ok(self.routines.len() - 1)
    }

    fn matmul(&mut self, model: &Model, step: &Step) -> Result<Routine> {
        let Shape { m, n, k, .. } = step.shape;
        let mixture = (step.class == Class::Expert).then(|| mixture(model, step)).flatten();
        let Some((experts, used)) = mixture else {
            let (matrix, variant) = self.matrix(step, [m, n, k], step.repeat)?;
            return Ok(Routine::Matmul { matrix, variant });
        };
        let tokens = m / used.max(1);
        // As many as an expert gets, if all get the same.
        let rows = m.div_ceil(experts).clamp(1, EXPERT_ROWS_MAX);
        let (matrix, variant) = self.matrix(step, [rows, n, k], step.repeat.saturating_mul(experts))?;
        Ok(Routine::Experts { matrix, variant, tokens, experts, used })
    }

    /// Weights of a step, and how they are multiplied: laid out as the first product that asks for them wants them.
    fn matrix(&mut self, step: &Step, extents: [u64; 3], copies: u64) -> Result<(usize, Variant)> {
        let [_, n, k] = extents;
        let place = (step.kind, among(step.among), step.name, step.operand);
        let known = self.by_place.get(&place).copied();
        let layout: Option<Layout> = known.and_then(|at| Some((self.matrices[at].isa?, self.matrices[at].arithmetic)));
        let dtype = self.dtype(step, extents);
        let variant = self.ways.matmul(dtype, extents, layout).ok_or_else(|| {
            Error::misuse(format!("{}: there is no matmul of {dtype} weights for this machine", step.name))
        })?;
        if let Some(known) = known {
            return Ok((known, variant));
        }
        let (isa, arithmetic) = match &variant {
            Variant::Matmul(Matmul { isa, arithmetic, .. }) => (Some(*isa), *arithmetic),
            _ => (None, None),
        };
        let pages = self.ways.pages();
        self.matrices.push(Matrix { dtype, isa, arithmetic, pages, n, k, copies });
        self.by_place.insert(place, self.matrices.len() - 1);
        Ok((self.matrices.len() - 1, variant))
    }

    /// The type of the kernel: that of the weights, or the nearest one that divides their rows and has one.
    fn dtype(&mut self, step: &Step, extents: [u64; 3]) -> Dtype {
        let [.., k] = extents;
        let multiplied = |dtype: &Dtype| {
            k.is_multiple_of(dtype.block().elements) && self.ways.matmul(*dtype, extents, None).is_some()
        };
        let stored = step.operand;
        let nearest = [stored.nearest(), stored.stand_in(), Dtype::Q8_0, Dtype::F16];
        let dtype = nearest.into_iter().find(multiplied).unwrap_or(Dtype::F32);
        if TensorType::from(dtype) != step.operand {
            self.note(format!("weights in {} have no kernel of their own: {dtype} stands in", step.operand));
        }
        dtype
    }

    fn attention(&mut self, model: &Model, step: &Step, forward: &Forward, batch: u64) -> Result<Routine> {
        let shape = step.shape;
        if step.operand != TensorType::F16 {
            self.note(format!("a cache in {} has no kernel of its own: it is attended to in f16", step.operand));
        }
        let mixer = step.kind.and_then(|kind| model.shape.layers.get(kind)).map(|layer| &layer.mixer);
        let (heads, kv_heads, window) = heads(mixer, step)
            .ok_or_else(|| Error::misuse(format!("{}: whose attention this is is not known", step.name)))?;
        let is_latent = shape.shared > 0;
        let whole = |width: u64| width.next_multiple_of(DIM_STEP as u64);
        // A latent's row is the key, and its first part the value; else keys and values are of their mean width.
        let head_dim = whole(if is_latent { shape.k } else { shape.k.div_ceil(2) });
        let value_dim = is_latent.then(|| whole(shape.shared));
        if value_dim.map_or(head_dim * 2, |_| head_dim) != shape.k || value_dim.is_some_and(|dim| dim != shape.shared) {
            let values = value_dim.map_or(String::new(), |dim| format!(", {dim} of them values as well"));
            let kept = if is_latent { "rows" } else { "keys and values" };
            self.note(format!(
                "attention to rows of {} elements is replayed with {kept} of {head_dim}{values}",
                shape.k
            ));
        }
        let all = forward.past + forward.tokens;
        let visible = |longest: u64| match window {
            Some(window) if forward.tokens == 1 => longest.min(window),
            _ => longest,
        };
        let group = heads.div_ceil(kv_heads);
        let kv_heads = kv_heads * batch;
        let cache = self.cache(step, (head_dim, kv_heads, is_latent), visible(self.longest))?;
        let asked = Attention {
            isa: roofprobe_kernels::Isa::Portable,
            threads: 1,
            pages: self.ways.pages(),
            m: forward.tokens,
            copies: u32::try_from(step.repeat).unwrap_or(u32::MAX),
            heads: kv_heads * group,
            kv_heads,
            head_dim,
            value_dim,
            context: visible(all),
            streams: None,
            span: None,
            prefetch_bytes: None,
            arithmetic: None,
        };
        let variant = self
            .ways
            .attention(asked)
            .ok_or_else(|| Error::misuse(format!("{}: there is no attention for this machine", step.name)))?;
        Ok(Routine::Attention { cache, variant, window: window.filter(|_| forward.tokens > 1) })
    }

    fn cache(&mut self, step: &Step, (head_dim, kv_heads, shared): (u64, u64, bool), tokens: u64) -> Result<usize> {
        let key = (step.kind, head_dim, kv_heads);
        if let Some(&known) = self.cache_of.get(&key) {
            return Ok(known);
        }
        let (copies, pages) = (step.repeat, self.ways.pages());
        self.caches.push(Cache { head_dim, kv_heads, tokens, copies, shared, pages });
        self.cache_of.insert(key, self.caches.len() - 1);
        Ok(self.caches.len() - 1)
    }

    fn gather(&mut self, model: &Model, step: &Step) -> Routine {
        let Shape { m, n, k, .. } = step.shape;
        let table = match self.table_of.get(step.name) {
            Some(&known) => known,
            None => {
                let row_bytes = step.operand.matrix_bytes(1, n).and_then(|bytes| u64::try_from(bytes).ok());
                let tied = model.shape.tied && step.class == Class::Embed;
                let rows = if tied { k.min(TIED_ROWS) } else { k };
                self.tables.push(Table { rows, row_bytes: row_bytes.unwrap_or(4 * n) });
                self.table_of.insert(step.name, self.tables.len() - 1);
                self.tables.len() - 1
            }
        };
        Routine::Gather { table, rows: m, row: n }
    }

    /// Bytes of weights, cache and state that one launch moves.
    pub(super) fn moved_bytes(&self, routine: usize) -> u64 {
        let narrow = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
        let weights = |matrix: &Matrix| matrix.dtype.bytes(u128::from(matrix.n) * u128::from(matrix.k)).unwrap_or(0);
        match &self.routines[routine] {
            Routine::Matmul { matrix, .. } => narrow(weights(&self.matrices[*matrix])),
            Routine::Experts { matrix, tokens, experts, used, .. } => {
                let visited = crate::model::Reads::experts(*experts, *used, *tokens).expected;
                (weights(&self.matrices[*matrix]) as f64 * visited).round() as u64
            }
            Routine::Attention { cache, variant, window } => {
                let Cache { kv_heads, head_dim, shared, .. } = self.caches[*cache];
                let per_token = if shared { 2 } else { 4 };
                let keys = variant.keys();
                let (m, context) = (keys.m.unwrap_or(1), keys.context.unwrap_or(0));
                let most = window.map_or(u64::MAX, |window| window.saturating_add(m - 1));
                narrow(u128::from(kv_heads * head_dim * per_token) * u128::from(context.min(most)))
            }
            Routine::Gather { table, rows, .. } => {
                let table = &self.tables[*table];
                table.row_bytes.saturating_mul(*rows)
            }
            Routine::Rows { op, shape, .. } => {
                let cost = op.cost(*shape);
                let state = cost.weights_read + cost.state_read + cost.state_written;
                narrow(4 * state + 2 * (cost.cache_read + cost.cache_written))
            }
        }
    }

    /// How a routine is done, in words.
    pub(super) fn way(&self, routine: usize) -> Option<String> {
        match &self.routines[routine] {
            Routine::Matmul { variant, .. } | Routine::Experts { variant, .. } | Routine::Attention { variant, .. } => {
                Some(variant.to_string())
            }
            Routine::Gather { .. } | Routine::Rows { .. } => None,
        }
    }
}

/// Experts of the layers of a step, and how many a token visits.
fn mixture(model: &Model, step: &Step) -> Option<(u64, u64)> {
    match &model.shape.layers.get(step.kind?)?.feed_forward {
        Some(FeedForward::Mixture(mixture)) => Some((mixture.experts, mixture.used)),
        _ => None,
    }
}

/// A number for which of the layers a step stands for.
const fn among(among: Among) -> u8 {
    match among {
        Among::All => 0,
        Among::Earlier => 1,
        Among::Last => 2,
    }
}

/// Heads of queries, heads of keys and values, and the keys that a token sees at most; none for what does not attend.
fn heads(mixer: Option<&Mixer>, step: &Step) -> Option<(u64, u64, Option<u64>)> {
    let shape = step.shape;
    Some(match mixer {
        Some(Mixer::GroupedQuery(a)) if step.name == INDEXER => {
            (a.chosen.map_or(1, |chosen| chosen.indexer.heads), 1, None)
        }
        Some(Mixer::GroupedQuery(a) | Mixer::Both(a, _)) => {
            let chosen = a.chosen.map(|chosen| chosen.block * chosen.blocks);
            (a.heads, a.kv_heads, a.window.or(a.chunk).or(chosen))
        }
        Some(Mixer::Latent(a)) if step.name == INDEXER => (a.indexer.map_or(1, |indexer| indexer.heads), 1, None),
        // So many keys as a query sees on average: its window, and compressed ones.
        Some(Mixer::Compressed(a)) => {
            let indexer = a.compression.and_then(|c| c.chosen).map_or(1, |(indexer, _)| indexer.heads);
            let heads = if step.name == INDEXER { indexer } else { a.heads };
            (heads, 1, Some(shape.pairs.div_ceil(shape.m).max(1)))
        }
        Some(Mixer::Latent(a)) => {
            let kv_heads = if shape.shared > 0 { 1 } else { a.heads };
            (a.heads, kv_heads, a.selected)
        }
        _ => return None,
    })
}
