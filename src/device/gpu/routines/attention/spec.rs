//! What a job of attention asks for, and the programs that do it.

use super::stored::Stored;
use crate::device::Refusal;
use crate::device::gpu::context::Context;
use crate::device::gpu::params::params;
use crate::device::gpu::routines::routine::{foreign, skipped};
use crate::device::gpu::shader::{Access, Program, Shader, number, shader};
use crate::job::Job;
use crate::profile::{AccessLayout, GpuAttention, Tile, Variant};
use roofprobe_kernels::ops::attention::Head;

params! {
    /// `Params` of `attention.wgsl`.
    AttentionParams {
        /// Cached tokens.
        context: u32,
        /// Tokens of a split.
        tokens: u32,
        splits: u32,
        /// What a dot product is multiplied by for a softmax in powers of two.
        scale: f32,
    }
}

params! {
    /// `Params` of `attention_prefill.wgsl`.
    PrefillParams {
        /// Tokens of the prompt.
        tokens: u32,
        /// Cached tokens.
        context: u32,
        /// Workgroups of a query head.
        blocks: u32,
        /// As for one token.
        scale: f32,
    }
}

/// Attention of one token to a cache.
const ATTENTION: Shader = shader!("attention.wgsl", AttentionParams, "cache.wgsl");
const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write, Access::Write];
/// Attention of a prompt.
const PREFILL: Shader = shader!("attention_prefill.wgsl", PrefillParams, "cache.wgsl");
const PREFILL_BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write];

/// The heads that there are shaders for.
const HEAD_DIMS: [usize; 5] = [64, 80, 96, 128, 256];
const GROUP_MAX: usize = 16;
/// Elements of a vector of four words of halves, and of what a shader unpacks at once.
const EIGHT: u32 = 8;
/// Vectors of eight that an invocation has in flight. Drivers take long to compile more.
const IN_FLIGHT: u32 = 4;
/// Vectors of eight that an invocation holds of all heads that it does at once: of the queries, and as many sums. With more, registers
/// run out.
const HELD_MAX: u32 = 8;
/// Vectors of four that are staged at once, where a head has a multiple of it, and elsewhere.
const CHUNKS: [u32; 2] = [8, 4];
/// Keys whose values are staged at once.
const STAGED_KEYS: u32 = 8;
/// Invocations side by side of a prompt.
const PREFILL_LANES: u32 = 8;

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// One token: the elements of a row that one invocation holds, and workgroups.
    Decode { layout: AccessLayout, vector: u32, groups: u32 },
    /// Several: scores that one invocation holds.
    Prefill { tile: Tile },
}

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spec {
    pub(super) head: Head,
    /// Tokens that attend.
    pub(super) tokens: usize,
    pub(super) kv_heads: u64,
    pub(super) copies: u64,
    pub(super) stored: Stored,
    pub(super) way: Way,
    pub(super) size: u32,
}

impl Spec {
    pub(super) fn of(job: &Job) -> Result<Spec, Refusal> {
        let Variant::GpuAttention(variant) = &job.variant else { return Err(foreign(job)) };
        let (heads, kv_heads) = (variant.heads, variant.kv_heads);
        let group = heads.checked_div(kv_heads).filter(|group| group * kv_heads == heads);
        let group = group
            .ok_or_else(|| skipped(&format!("{heads} query heads do not share {kv_heads} key/value heads evenly")))?;
        let stored = Stored::of(job.dtype).ok_or_else(|| unsupported(&format!("over a cache of {}", job.dtype)))?;
        let spec = Spec {
            head: Head {
                head_dim: variant.head_dim as usize,
                group: group as usize,
                context: variant.context as usize,
            },
            tokens: variant.m as usize,
            kv_heads,
            copies: u64::from(variant.copies.max(1)),
            stored,
            way: way(variant),
            size: variant.workgroup_size,
        };
        if !(spec.has_heads() && spec.has_way()) {
            return Err(unsupported(&format!("of {group} query heads of {} in this way", variant.head_dim)));
        }
        Ok(spec)
    }

    fn has_heads(&self) -> bool {
        let Head { head_dim, group, context } = self.head;
        HEAD_DIMS.contains(&head_dim)
            && head_dim.is_multiple_of(self.stored.block().0)
            && (1..=GROUP_MAX).contains(&group)
            && (1..=u32::MAX as usize / 2).contains(&context)
            && (1..=context).contains(&self.tokens)
    }

    fn has_way(&self) -> bool {
        match self.way {
            Way::Decode { layout, vector, .. } => {
                let whole_blocks = self.stored == Stored::Halves || [8, 16, 32].contains(&vector);
                let held = vector.is_multiple_of(EIGHT) && (1..=HELD_MAX).contains(&self.pieces());
                held && whole_blocks && self.size.is_multiple_of(self.lanes()) && layout != AccessLayout::Blocked
            }
            Way::Prefill { tile: Tile { rows, columns, .. } } => {
                // Each token has an invocation that computes its softmax.
                (1..=PREFILL_LANES).contains(&rows)
                    && (1..=8).contains(&columns)
                    && self.size.is_multiple_of(PREFILL_LANES)
            }
        }
    }

    fn dim(&self) -> u32 {
        self.head.head_dim as u32
    }

    /// Vectors of eight of a row that one invocation holds.
    fn pieces(&self) -> u32 {
        if let Way::Decode { vector, .. } = self.way { vector / EIGHT } else { 1 }
    }

    /// Invocations that hold a row together: a power of two, so that the last ones may hold nothing.
    pub(super) fn lanes(&self) -> u32 {
        (self.dim() / EIGHT).div_ceil(self.pieces().max(1)).next_power_of_two()
    }

    pub(super) fn heads(&self) -> u64 {
        self.kv_heads * self.head.group as u64
    }

    /// Query heads of a key/value head that are done at once.
    fn at_once(&self) -> u32 {
        let group = self.head.group as u32;
        (1..=group).rev().find(|&n| group.is_multiple_of(n) && n * self.pieces() <= HELD_MAX).unwrap_or(1)
    }

    /// Parts that the query heads of a key/value head are done in.
    fn parts(&self) -> u32 {
        self.head.group as u32 / self.at_once()
    }

    /// Tokens of a split, and how many splits there are: no more than that each has a few.
    pub(super) fn splits(&self) -> (u32, u32) {
        let context = self.head.context as u32;
        let Way::Decode { groups, .. } = self.way else { return (context, 1) };
        let least = self.size / self.lanes();
        let splits = (groups / (self.kv_heads as u32 * self.parts())).clamp(1, context.div_ceil(least));
        let tokens = context.div_ceil(splits);
        (tokens, context.div_ceil(tokens))
    }

    /// Workgroups of a query head of a prompt.
    pub(super) fn blocks(&self) -> u32 {
        let Way::Prefill { tile } = self.way else { return 1 };
        (self.tokens as u32).div_ceil(self.size / PREFILL_LANES * tile.rows)
    }

    /// Workgroups of each program.
    pub(super) fn groups(&self) -> Vec<u32> {
        match self.way {
            Way::Decode { .. } => {
                vec![self.kv_heads as u32 * self.parts() * self.splits().1, self.heads() as u32]
            }
            Way::Prefill { .. } => vec![self.heads() as u32 * self.blocks()],
        }
    }

    pub(super) fn programs(&self) -> Vec<Program> {
        match self.way {
            Way::Decode { layout, .. } => self.decode(layout),
            Way::Prefill { tile } => vec![self.prefill(tile)],
        }
    }

    fn decode(&self, layout: AccessLayout) -> Vec<Program> {
        let pieces = self.pieces();
        let mergers = (self.size / (self.dim() / 4)).max(1);
        let mut lines = vec![
            number("const HEADS: u32 = 1u;", self.at_once()),
            number("const PARTS: u32 = 1u;", self.parts()),
            number("const DIM: u32 = 128u;", self.dim()),
            number("const PIECES: u32 = 1u;", pieces),
            number("const LANES: u32 = 16u;", self.lanes()),
            number("const SHUFFLES: u32 = 1u;", self.lanes().ilog2()),
            number("const TOKENS: u32 = 1u;", (IN_FLIGHT / pieces).max(1)),
            number("const MERGERS: u32 = 1u;", mergers),
        ];
        if layout == AccessLayout::Strided {
            lines.push(("    return x;", "    return subgroupShuffleXor(x, mask);".to_owned()));
        }
        if self.stored == Stored::Q8_0 {
            let whole = "fn place(lane: u32, piece: u32) -> u32 { return lane * PIECES + piece; }";
            lines.push(("fn place(lane: u32, piece: u32) -> u32 { return piece * LANES + lane; }", whole.to_owned()));
        }
        lines.extend(self.stored_lines());
        let program = |entry| Program {
            shader: ATTENTION,
            lines: lines.clone(),
            entry,
            constants: vec![("SIZE", f64::from(self.size))],
            bindings: BINDINGS,
        };
        let entry = if layout == AccessLayout::Strided { "attention" } else { "attention_blocked" };
        vec![program(entry), program("attention_merge")]
    }

    fn prefill(&self, tile: Tile) -> Program {
        let fours = self.dim() / 4;
        let chunk = CHUNKS.into_iter().find(|chunk| fours.is_multiple_of(*chunk)).unwrap_or(CHUNKS[1]);
        let mut lines = vec![
            number("const GROUP: u32 = 1u;", self.head.group as u32),
            number("const DIM: u32 = 128u;", self.dim()),
            number("const ROWS: u32 = 1u;", tile.rows),
            number("const COLUMNS: u32 = 1u;", tile.columns),
            number("const VECTORS: u32 = 1u;", fours.div_ceil(PREFILL_LANES)),
            number("const CHUNK: u32 = 4u;", chunk),
            number("const KEYS: u32 = 8u;", STAGED_KEYS),
        ];
        lines.extend(self.stored_lines());
        let constants = vec![("SIZE", f64::from(self.size))];
        Program { shader: PREFILL, lines, entry: "attention_prefill", constants, bindings: PREFILL_BINDINGS }
    }

    /// The lines of `cache.wgsl` that say how rows are stored.
    fn stored_lines(&self) -> Vec<(&'static str, String)> {
        let lines = [
            "fn key(row: u32, at: u32) -> vec4<u32> { return key_f16(row, at); }",
            "fn value(row: u32, at: u32) -> vec4<u32> { return value_f16(row, at); }",
            "fn low(eight: vec4<u32>) -> vec4<f32> { return low_f16(eight); }",
            "fn high(eight: vec4<u32>) -> vec4<f32> { return high_f16(eight); }",
        ];
        lines.map(|line| (line, line.replace("_f16", &format!("_{}", self.stored.dtype())))).into()
    }

    /// # Errors
    /// When the adapter lacks the subgroups that it needs, or room for its workgroups.
    pub(super) fn possible(&self, context: &Context) -> Result<(), Refusal> {
        let most = context.limits.max_compute_workgroups_per_dimension;
        if let Some(groups) = self.groups().into_iter().find(|&groups| groups > most) {
            return Err(skipped(&format!("it needs {groups} workgroups, and the adapter's limit is {most}")));
        }
        let Way::Decode { layout: AccessLayout::Strided, .. } = self.way else { return Ok(()) };
        if !context.features.contains(wgpu::Features::SUBGROUP) {
            return Err(Refusal::Unsupported("this GPU has no subgroup operations".to_owned()));
        }
        let (lanes, subgroup) = (self.lanes(), context.subgroup_min);
        if lanes > subgroup {
            let reason = format!("a row is shared by {lanes} invocations, and a subgroup may have {subgroup}");
            return Err(Refusal::Unsupported(reason));
        }
        Ok(())
    }
}

fn way(variant: &GpuAttention) -> Way {
    match variant.tile {
        Some(tile) => Way::Prefill { tile },
        None => Way::Decode { layout: variant.layout, vector: variant.vector, groups: variant.workgroups },
    }
}

fn unsupported(what: &str) -> Refusal {
    Refusal::Unsupported(format!("there is no shader for attention {what}"))
}
