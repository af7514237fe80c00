//! The words of ids, each by what it means.

use roofprobe_kernels::{Isa, named_enum};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

named_enum! {
    /// The first word of an id.
    pub enum Family: "family" {
        /// Bandwidth of a level of memory.
        Memory = "memory",
        /// Peaks of arithmetic.
        Compute = "compute",
        /// Products with weights.
        Matmul = "matmul",
        /// Attention over a cache of keys and values.
        Attention = "attention",
        /// Dependent loads.
        Latency = "latency",
        /// What it takes to begin work.
        Overhead = "overhead",
        /// Copies between host and device.
        Transfer = "transfer",
    }
}

/// A word of an id: one that this version knows, or another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word<T> {
    /// One that is known.
    Known(T),
    /// Another one, as it is written.
    Other(String),
}

/// A level of the memory hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemoryLevel {
    /// `l1`, `l2`, …: a processor's cache.
    Cache(u8),
    /// `dram`: the host's memory.
    Dram,
    /// `workgroup`: a GPU's workgroup memory.
    Workgroup,
    /// `cache`: the caches of a GPU.
    GpuCache,
    /// `vram`: a GPU's memory.
    Vram,
    /// `main`: in comparisons, the main memory of whatever device.
    Main,
}

/// By which means a peak of arithmetic is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Means {
    /// The best that the whole device has.
    Best,
    /// `single`: the best on one thread.
    Single,
    /// `sustained`: the best, held for half a minute.
    Sustained,
    /// `coopmat`: a GPU's cooperative matrices.
    CooperativeMatrix,
    /// `<isa>`, and `<isa>.fma_add` with an addition beside each multiply-accumulate.
    Isa {
        /// The instruction set.
        isa: Word<Isa>,
        /// With the additions.
        fma_add: bool,
    },
    /// `<isa>.threads`: a curve over threads, of an instruction set whose units several cores share.
    Threads {
        /// The instruction set.
        isa: Word<Isa>,
    },
    /// Words that this version does not know.
    Other(String),
}

/// A part of a machine that a ceiling is of: the last word of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// `class<n>`: the cores of one class alone, 0 being the fastest.
    Class(u32),
    /// `node<n>`: the cores of a NUMA node, on its own memory.
    Node(u32),
    /// `node<n>_node<k>`: the cores of one NUMA node, on the memory of another.
    Across {
        /// The node of the cores.
        cores: u32,
        /// The node of the memory.
        memory: u32,
    },
}

/// The two passes of attention.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttentionPhase {
    /// One query token over a long cache.
    Decode,
    /// A whole prompt.
    Prefill,
    /// Another word.
    Other(String),
}

/// Of which extents an attention is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttentionExtents {
    /// Those that most models have.
    Usual,
    /// `g<group>d<head_dim>`: query heads per key/value head, and elements of a head.
    Heads {
        /// Query heads per key/value head.
        group: u64,
        /// Elements of a head.
        head_dim: u64,
    },
    /// `g<group>d<row>v<value_dim>`: query heads that share latents, elements of a row, and those of them that are the value as well.
    Latents {
        /// Query heads.
        group: u64,
        /// Elements of a cached row.
        row: u64,
        /// Elements of the value.
        value_dim: u64,
    },
    /// `context`: a curve over the cached tokens.
    Context,
    /// Words that this version does not know.
    Other(String),
}

impl<T: Copy> Word<T> {
    /// What it means, where this version knows it.
    pub fn known(&self) -> Option<T> {
        match self {
            Word::Known(known) => Some(*known),
            Word::Other(_) => None,
        }
    }
}

impl<T> From<T> for Word<T> {
    fn from(known: T) -> Word<T> {
        Word::Known(known)
    }
}

impl<T: fmt::Display> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de, T: FromStr + fmt::Display> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Word<T>, D::Error> {
        String::deserialize(from).map(|text| Word::of(&text))
    }
}

impl<T: fmt::Display> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Known(known) => known.fmt(f),
            Word::Other(text) => f.pad(text),
        }
    }
}

impl<T: FromStr + fmt::Display> Word<T> {
    /// What `text` means, if that is written so and not otherwise.
    pub(super) fn of(text: &str) -> Word<T> {
        let known = text.parse().ok().filter(|known: &T| known.to_string() == text);
        known.map_or_else(|| Word::Other(text.to_owned()), Word::Known)
    }
}

impl fmt::Display for MemoryLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryLevel::Cache(level) => write!(f, "l{level}"),
            MemoryLevel::Dram => f.pad("dram"),
            MemoryLevel::Workgroup => f.pad("workgroup"),
            MemoryLevel::GpuCache => f.pad("cache"),
            MemoryLevel::Vram => f.pad("vram"),
            MemoryLevel::Main => f.pad("main"),
        }
    }
}

impl FromStr for MemoryLevel {
    type Err = ();

    fn from_str(text: &str) -> Result<MemoryLevel, ()> {
        Ok(match text {
            "dram" => MemoryLevel::Dram,
            "workgroup" => MemoryLevel::Workgroup,
            "cache" => MemoryLevel::GpuCache,
            "vram" => MemoryLevel::Vram,
            "main" => MemoryLevel::Main,
            _ => MemoryLevel::Cache(text.strip_prefix('l').and_then(|number| number.parse().ok()).ok_or(())?),
        })
    }
}

/// The number behind `prefix`, in its only spelling.
pub(super) fn number(text: &str, prefix: &str) -> Option<u64> {
    let digits = text.strip_prefix(prefix)?;
    digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits)
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Class(class) => write!(f, "class{class}"),
            Part::Node(node) => write!(f, "node{node}"),
            Part::Across { cores, memory } => write!(f, "node{cores}_node{memory}"),
        }
    }
}

impl FromStr for Part {
    type Err = ();

    /// In its only spelling.
    fn from_str(text: &str) -> Result<Part, ()> {
        let of = |text: &str, prefix: &str| text.strip_prefix(prefix)?.parse().ok();
        let across = || {
            let (cores, memory) = text.split_once('_')?;
            Some(Part::Across { cores: of(cores, "node")?, memory: of(memory, "node")? })
        };
        let part = of(text, "class").map(Part::Class).or_else(|| of(text, "node").map(Part::Node)).or_else(across);
        part.filter(|part| part.to_string() == text).ok_or(())
    }
}

impl Means {
    pub(super) fn of(words: &[&str]) -> Means {
        match words {
            [] => Means::Best,
            ["single"] => Means::Single,
            ["sustained"] => Means::Sustained,
            ["coopmat"] => Means::CooperativeMatrix,
            [isa] => Means::Isa { isa: Word::of(isa), fma_add: false },
            [isa, "threads"] => Means::Threads { isa: Word::of(isa) },
            [isa, "fma_add"] => Means::Isa { isa: Word::of(isa), fma_add: true },
            _ => Means::Other(words.join(".")),
        }
    }
}

impl fmt::Display for Means {
    /// What stands behind the type, its dot included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Means::Best => Ok(()),
            Means::Single => f.write_str(".single"),
            Means::Sustained => f.write_str(".sustained"),
            Means::CooperativeMatrix => f.write_str(".coopmat"),
            Means::Isa { isa, fma_add } => write!(f, ".{isa}{}", if *fma_add { ".fma_add" } else { "" }),
            Means::Threads { isa } => write!(f, ".{isa}.threads"),
            Means::Other(words) => write!(f, ".{words}"),
        }
    }
}

impl AttentionPhase {
    pub(super) fn of(text: &str) -> AttentionPhase {
        match text {
            "decode" => AttentionPhase::Decode,
            "prefill" => AttentionPhase::Prefill,
            other => AttentionPhase::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for AttentionPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            AttentionPhase::Decode => "decode",
            AttentionPhase::Prefill => "prefill",
            AttentionPhase::Other(text) => text,
        })
    }
}

impl AttentionExtents {
    pub(super) fn of(words: &[&str]) -> AttentionExtents {
        let heads = |text: &str| {
            let (group, row) = text.split_once('d')?;
            let group = number(group, "g")?;
            Some(match row.split_once('v') {
                Some((row, value_dim)) => {
                    AttentionExtents::Latents { group, row: number(row, "")?, value_dim: number(value_dim, "")? }
                }
                None => AttentionExtents::Heads { group, head_dim: number(row, "")? },
            })
        };
        match words {
            [] => AttentionExtents::Usual,
            ["context"] => AttentionExtents::Context,
            [one] => heads(one).unwrap_or_else(|| AttentionExtents::Other((*one).to_owned())),
            _ => AttentionExtents::Other(words.join(".")),
        }
    }
}

impl fmt::Display for AttentionExtents {
    /// What stands behind the phase, its dot included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttentionExtents::Usual => Ok(()),
            AttentionExtents::Heads { group, head_dim } => write!(f, ".g{group}d{head_dim}"),
            AttentionExtents::Latents { group, row, value_dim } => write!(f, ".g{group}d{row}v{value_dim}"),
            AttentionExtents::Context => f.write_str(".context"),
            AttentionExtents::Other(words) => write!(f, ".{words}"),
        }
    }
}
