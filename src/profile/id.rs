//! The ids of ceilings and curves: read once, asked by meaning ever after.
//!
//! An id is words between dots: first its family, then what the family names. An id keeps the text that it was read from, so
//! that words of another version are written back as they were.

use super::Unit;
use super::words::{AttentionExtents, AttentionPhase, Family, Means, MemoryLevel, Part, Word, number};
use crate::error::{Error, Result, shown};
use roofprobe_kernels::{Dtype, Isa, Op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The id of a ceiling or a curve, such as `memory.dram.read` or `matmul.q4_k.m1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct CeilingId {
    text: String,
    kind: IdKind,
}

/// What an id names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdKind {
    /// `memory.<level>.<access>`, with `_sustained` behind the access where it is held for long: bandwidth.
    Memory {
        /// Where the arrays lie.
        level: Word<MemoryLevel>,
        /// The stream.
        access: Word<Op>,
        /// Held for half a minute.
        sustained: bool,
    },
    /// `memory.<access>.<quantity>`: a curve of bandwidth.
    MemoryCurve {
        /// The stream.
        access: Op,
        /// The quantity along it, such as `resident` or `threads`.
        along: String,
    },
    /// `compute.<dtype>`, with more words for one part of what the device has: the peak of arithmetic.
    Compute {
        /// The type of the factors.
        dtype: Word<Dtype>,
        /// By which means.
        means: Means,
    },
    /// `matmul.<weights>.m<tokens>`: products with a weight matrix.
    Matmul {
        /// How the weights are stored.
        weights: Word<Dtype>,
        /// Rows of the activations.
        tokens: u64,
    },
    /// `matmul.<weights>.m<tokens>.<quantity>`: a curve of products with matrices of other extents.
    MatmulCurve {
        /// How the weights are stored.
        weights: Word<Dtype>,
        /// Rows of the activations.
        tokens: u64,
        /// The extent along it, such as `n`.
        along: String,
    },
    /// `attention.<dtype>.<phase>`, with more words for other extents.
    Attention {
        /// How keys and values are stored.
        cache: Word<Dtype>,
        /// Which pass.
        phase: AttentionPhase,
        /// Of which extents.
        extents: AttentionExtents,
    },
    /// `latency.<level>`: the time of one dependent load.
    Latency {
        /// Where the lines lie.
        level: Word<MemoryLevel>,
    },
    /// `overhead.<routine>`: what it takes to begin.
    Overhead {
        /// What is begun.
        op: Word<Op>,
    },
    /// `transfer.h2d`, `transfer.d2h`, …: bandwidth of copies between host and device, and within it.
    Transfer {
        /// [`Op::Upload`], [`Op::Download`], the same of what both see, or [`Op::Copy`].
        op: Op,
    },
    /// `<another id>.<part>`: the same of a part of the machine.
    Part {
        /// What it is of.
        whole: Box<IdKind>,
        /// Which part.
        part: Part,
    },
    /// Of a known family, in words that this version does not know.
    Other(Family),
}

/// The streams that stand in ids.
const STREAMS: [Op; 6] = [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad];
/// What a GPU's copies are called in ids.
const TRANSFERS: [(&str, Op); 5] = [
    ("h2d", Op::Upload),
    ("d2h", Op::Download),
    ("h2d_mapped", Op::UploadMapped),
    ("d2h_mapped", Op::DownloadMapped),
    ("d2d", Op::Copy),
];
/// No id is longer, in bytes: it stands in every message about it.
const BYTES_MAX: usize = 200;
/// How an access ends that is held for long.
const SUSTAINED: &str = "_sustained";

impl IdKind {
    /// What the words behind `family` name.
    fn of(family: Family, words: &[&str]) -> IdKind {
        if let [whole @ .., last] = words
            && let Ok(part) = last.parse()
            && !whole.is_empty()
        {
            return IdKind::Part { whole: Box::new(IdKind::of(family, whole)), part };
        }
        let found = match (family, words) {
            (Family::Memory, [first, second]) => Some(memory(first, second)),
            (Family::Compute, [dtype, means @ ..]) => {
                Some(IdKind::Compute { dtype: Word::of(dtype), means: Means::of(means) })
            }
            (Family::Matmul, [weights, tokens]) => {
                number(tokens, "m").map(|tokens| IdKind::Matmul { weights: Word::of(weights), tokens })
            }
            (Family::Matmul, [weights, tokens, along]) => number(tokens, "m").map(|tokens| IdKind::MatmulCurve {
                weights: Word::of(weights),
                tokens,
                along: (*along).to_owned(),
            }),
            (Family::Attention, [cache, phase, extents @ ..]) => Some(IdKind::Attention {
                cache: Word::of(cache),
                phase: AttentionPhase::of(phase),
                extents: AttentionExtents::of(extents),
            }),
            (Family::Latency, [name]) => Some(IdKind::Latency { level: Word::of(name) }),
            (Family::Overhead, [op]) => Some(IdKind::Overhead { op: Word::of(op) }),
            (Family::Transfer, [name]) => {
                TRANSFERS.iter().find(|(word, _)| word == name).map(|&(_, op)| IdKind::Transfer { op })
            }
            _ => None,
        };
        found.unwrap_or(IdKind::Other(family))
    }

    /// The family.
    pub fn family(&self) -> Family {
        match self {
            IdKind::Memory { .. } | IdKind::MemoryCurve { .. } => Family::Memory,
            IdKind::Compute { .. } => Family::Compute,
            IdKind::Matmul { .. } | IdKind::MatmulCurve { .. } => Family::Matmul,
            IdKind::Attention { .. } => Family::Attention,
            IdKind::Latency { .. } => Family::Latency,
            IdKind::Overhead { .. } => Family::Overhead,
            IdKind::Transfer { .. } => Family::Transfer,
            IdKind::Part { whole, .. } => whole.family(),
            IdKind::Other(family) => *family,
        }
    }
}

/// A ceiling's level comes first, a curve's access.
fn memory(first: &str, second: &str) -> IdKind {
    if let Some(access) = STREAMS.into_iter().find(|access| access.name() == first) {
        return IdKind::MemoryCurve { access, along: second.to_owned() };
    }
    let (access, sustained) = second.strip_suffix(SUSTAINED).map_or((second, false), |access| (access, true));
    IdKind::Memory { level: Word::of(first), access: Word::of(access), sustained }
}

impl From<IdKind> for CeilingId {
    fn from(kind: IdKind) -> CeilingId {
        let family = kind.family().name();
        let text = match &kind {
            IdKind::Memory { level, access, sustained } => {
                format!("{family}.{level}.{access}{}", if *sustained { SUSTAINED } else { "" })
            }
            IdKind::MemoryCurve { access, along } => format!("{family}.{access}.{along}"),
            IdKind::Compute { dtype, means } => format!("{family}.{dtype}{means}"),
            IdKind::Matmul { weights, tokens } => format!("{family}.{weights}.m{tokens}"),
            IdKind::MatmulCurve { weights, tokens, along } => format!("{family}.{weights}.m{tokens}.{along}"),
            IdKind::Attention { cache, phase, extents } => format!("{family}.{cache}.{phase}{extents}"),
            IdKind::Latency { level } => format!("{family}.{level}"),
            IdKind::Overhead { op } => format!("{family}.{op}"),
            IdKind::Transfer { op } => {
                let name = TRANSFERS.iter().find(|(_, known)| known == op).map_or(op.name(), |(name, _)| name);
                format!("{family}.{name}")
            }
            IdKind::Part { whole, part } => format!("{}.{part}", CeilingId::from((**whole).clone())),
            IdKind::Other(_) => family.to_owned(),
        };
        CeilingId { text, kind }
    }
}

impl CeilingId {
    /// `memory.<level>.<access>`.
    pub fn memory(level: MemoryLevel, access: Op) -> CeilingId {
        IdKind::Memory { level: level.into(), access: access.into(), sustained: false }.into()
    }

    /// `memory.<access>.<along>`: a curve.
    pub fn memory_curve(access: Op, along: &str) -> CeilingId {
        IdKind::MemoryCurve { access, along: along.to_owned() }.into()
    }

    /// `compute.<dtype>` by these means.
    pub fn compute(dtype: Dtype, means: Means) -> CeilingId {
        IdKind::Compute { dtype: dtype.into(), means }.into()
    }

    /// `matmul.<weights>.m<tokens>`.
    pub fn matmul(weights: Dtype, tokens: u64) -> CeilingId {
        IdKind::Matmul { weights: weights.into(), tokens }.into()
    }

    /// `matmul.<weights>.m<tokens>.<along>`: a curve.
    pub fn matmul_curve(weights: Dtype, tokens: u64, along: &str) -> CeilingId {
        IdKind::MatmulCurve { weights: weights.into(), tokens, along: along.to_owned() }.into()
    }

    /// `attention.<cache>.<phase>` of these extents.
    pub fn attention(cache: Dtype, phase: AttentionPhase, extents: AttentionExtents) -> CeilingId {
        IdKind::Attention { cache: cache.into(), phase, extents }.into()
    }

    /// `latency.<level>`.
    pub fn latency(level: MemoryLevel) -> CeilingId {
        IdKind::Latency { level: level.into() }.into()
    }

    /// `latency.resident`: the curve over working sets.
    pub fn latency_curve() -> CeilingId {
        IdKind::Latency { level: Word::Other("resident".to_owned()) }.into()
    }

    /// `overhead.<routine>`.
    pub fn overhead(op: Op) -> CeilingId {
        IdKind::Overhead { op: op.into() }.into()
    }

    /// `transfer.h2d` for [`Op::Upload`], `transfer.d2h` for [`Op::Download`], `transfer.d2d` for [`Op::Copy`].
    pub fn transfer(op: Op) -> CeilingId {
        IdKind::Transfer { op }.into()
    }

    /// The same of a part of the machine.
    #[must_use]
    pub fn of_part(&self, part: Part) -> CeilingId {
        IdKind::Part { whole: Box::new(self.kind.clone()), part }.into()
    }

    /// Which part of the machine it is of, where it is not of all.
    pub fn part(&self) -> Option<Part> {
        match self.kind {
            IdKind::Part { part, .. } => Some(part),
            _ => None,
        }
    }

    /// What it names, of whichever part of the machine.
    pub fn whole(&self) -> &IdKind {
        match &self.kind {
            IdKind::Part { whole, .. } => whole,
            kind => kind,
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it names.
    pub fn kind(&self) -> &IdKind {
        &self.kind
    }

    /// Its first word.
    pub fn family(&self) -> Family {
        self.kind.family()
    }

    /// The level of memory that it is of, where it is of a known one.
    pub fn level(&self) -> Option<MemoryLevel> {
        match &self.kind {
            IdKind::Memory { level, .. } | IdKind::Latency { level } => level.known(),
            _ => None,
        }
    }

    /// The stream that it is of, where it is of a known one.
    pub fn access(&self) -> Option<Op> {
        match &self.kind {
            IdKind::Memory { access, .. } => access.known(),
            IdKind::MemoryCurve { access, .. } => Some(*access),
            _ => None,
        }
    }

    /// The type of factors, weights or cache, where it is of a known one.
    pub fn dtype(&self) -> Option<Dtype> {
        match &self.kind {
            IdKind::Compute { dtype: word, .. }
            | IdKind::Matmul { weights: word, .. }
            | IdKind::MatmulCurve { weights: word, .. }
            | IdKind::Attention { cache: word, .. } => word.known(),
            _ => None,
        }
    }

    /// The instruction set that it is of alone, where it is of a known one.
    pub fn isa(&self) -> Option<Isa> {
        match &self.kind {
            IdKind::Compute { means: Means::Isa { isa, .. }, .. } => isa.known(),
            _ => None,
        }
    }

    /// The tokens of a matmul.
    pub fn tokens(&self) -> Option<u64> {
        match self.kind {
            IdKind::Matmul { tokens, .. } => Some(tokens),
            _ => None,
        }
    }

    /// Whether it is of a prompt's attention.
    pub fn is_prefill(&self) -> bool {
        match self.whole() {
            IdKind::Attention { phase: AttentionPhase::Prefill, .. } => true,
            IdKind::Attention { phase: AttentionPhase::Other(word), .. } => word.starts_with("prefill"),
            _ => false,
        }
    }

    /// Whether it is of one token's attention.
    pub fn is_decode(&self) -> bool {
        matches!(self.kind, IdKind::Attention { phase: AttentionPhase::Decode, .. })
    }

    /// Whether it counts an addition beside each multiply-accumulate.
    pub fn is_fma_add(&self) -> bool {
        matches!(self.kind, IdKind::Compute { means: Means::Isa { fma_add: true, .. }, .. })
    }

    /// Whether it is of cooperative matrices: units of their own, beside those of the type.
    pub fn is_cooperative(&self) -> bool {
        matches!(self.kind, IdKind::Compute { means: Means::CooperativeMatrix, .. })
    }

    /// The same held for half a minute, where there is such a ceiling.
    pub fn sustained(&self) -> Option<CeilingId> {
        let kind = match self.kind.clone() {
            IdKind::Memory { level, access, sustained: false } => IdKind::Memory { level, access, sustained: true },
            IdKind::Compute { dtype, means: Means::Best } => IdKind::Compute { dtype, means: Means::Sustained },
            _ => return None,
        };
        Some(kind.into())
    }

    /// The short measurement that it is held against, where it is one that is held for half a minute.
    pub fn burst(&self) -> Option<CeilingId> {
        let kind = match self.kind.clone() {
            IdKind::Memory { level, access, sustained: true } => IdKind::Memory { level, access, sustained: false },
            IdKind::Compute { dtype, means: Means::Sustained } => IdKind::Compute { dtype, means: Means::Best },
            _ => return None,
        };
        Some(kind.into())
    }

    /// The unit of its value.
    pub fn unit(&self) -> Unit {
        match self.family() {
            // A prompt reads its cache many times over: arithmetic is what it is measured by.
            Family::Attention if self.is_prefill() => Unit::GflopPerS,
            Family::Memory | Family::Transfer | Family::Attention => Unit::GbPerS,
            Family::Compute | Family::Matmul => Unit::GflopPerS,
            Family::Latency => Unit::Ns,
            Family::Overhead => Unit::Us,
        }
    }

    /// The unit of the figure beside the value: the same passes counted in bytes of weights (matmul) or in operations
    /// (attention).
    pub fn second_unit(&self) -> Option<Unit> {
        match self.family() {
            Family::Matmul => Some(Unit::GbPerS),
            Family::Attention if self.is_prefill() => Some(Unit::GbPerS),
            Family::Attention => Some(Unit::GflopPerS),
            Family::Memory | Family::Compute | Family::Latency | Family::Overhead | Family::Transfer => None,
        }
    }
}

impl FromStr for CeilingId {
    type Err = Error;

    /// Small letters, digits and `_` between dots, the first word one of the families, 200 bytes in all.
    fn from_str(text: &str) -> Result<CeilingId> {
        let plain = |word: &&str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let words: Vec<&str> = text.split('.').collect();
        let family = Family::ALL.into_iter().find(|family| family.name() == words[0]);
        let example = "is not a ceiling id such as memory.dram.read or compute.f32";
        let no_id = || Error::misuse(format!("\"{}\" {example}", shown(text)));
        let family = family.filter(|_| text.len() <= BYTES_MAX && words.iter().all(plain)).ok_or_else(no_id)?;
        Ok(CeilingId { text: text.to_owned(), kind: IdKind::of(family, &words[1..]) })
    }
}

impl fmt::Display for CeilingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl TryFrom<String> for CeilingId {
    type Error = Error;

    fn try_from(text: String) -> Result<CeilingId> {
        text.parse()
    }
}

impl From<CeilingId> for String {
    fn from(id: CeilingId) -> String {
        id.text
    }
}

impl From<&CeilingId> for String {
    fn from(id: &CeilingId) -> String {
        id.text.clone()
    }
}

impl PartialEq<str> for CeilingId {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for CeilingId {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

#[cfg(test)]
mod tests;
