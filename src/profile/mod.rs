//! The hardware profile: what was measured, how, and how sure it is.
//!
//! The waist of the hourglass: probes write it, the evaluator reads it, other tools read it as TOML. It is data; it
//! measures nothing and computes nothing but its own [`Summary`]. Every number carries four significant digits, so that
//! a profile saved, loaded and saved again is the same bytes.

mod ceiling;
mod cores;
mod cpu_list;
mod curve;
mod environment;
mod figure;
mod flag;
mod gpu;
mod id;
mod keys;
mod names;
mod race;
mod read;
mod unit;
mod validate;
mod variant;
mod words;
mod write;

use roofprobe_kernels::{Dtype, Op, named_enum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

pub use ceiling::{Ceiling, Mode, Status, Trial};
pub use cores::{CoreClass, NumaNode};
pub use cpu_list::CpuList;
pub use curve::{Curve, CurveAxis};
pub use environment::{EarlierRead, Environment, Grade};
pub(crate) use figure::named;
pub use flag::Flag;
pub use gpu::{GpuClass, GpuInfo, GpuLimits, GpuProvenance};
pub use id::{CeilingId, IdKind};
pub use keys::{AccessLayout, Recurrence, Reduction, Tile, VariantKeys};
pub use race::Race;
#[cfg(feature = "cli")]
pub use read::load;
pub use read::parse;
pub use unit::Unit;
pub use variant::{
    Attention, Chain, Chase, GpuAtomic, GpuAttention, GpuChain, GpuChase, GpuMatmul, GpuStream, Launch, Matmul,
    MatrixChain, Stream, Team, Transfer, Variant, WorkgroupAtomic, WorkgroupChase, WorkgroupRead, WorkgroupStride,
};
pub use words::{AttentionExtents, AttentionPhase, Family, Means, MemoryLevel, Part, Word};
#[cfg(feature = "cli")]
pub use write::save;
pub use write::to_toml;

/// The schema version that this build reads and writes.
pub const SCHEMA: u32 = 1;

/// A device, its environment and its ceilings.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// What was measured.
    pub device: DeviceInfo,
    /// Under which circumstances. A profile of quoted ceilings alone may have none.
    pub environment: Option<Environment>,
    /// The handful of numbers that most readers want; each repeats a ceiling.
    #[serde(default)]
    pub summary: Summary,
    /// The answers, one per id.
    #[serde(default)]
    pub ceiling: Vec<Ceiling>,
    /// How answers change along one quantity, one per id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<Curve>,
    /// Who measured, when, with what.
    pub provenance: Provenance,
}

/// A device and its environment: all that is known before anything is timed.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// What it is.
    pub device: DeviceInfo,
    /// Under which circumstances it runs.
    pub environment: Environment,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The processor cores of the host.
    Cpu,
    /// A graphics processor.
    Gpu,
}

impl DeviceKind {
    /// The level that holds what no cache can: the host's memory, or the video memory.
    pub const fn main_memory(self) -> MemoryLevel {
        match self {
            DeviceKind::Cpu => MemoryLevel::Dram,
            DeviceKind::Gpu => MemoryLevel::Vram,
        }
    }
}

/// What a device is.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceInfo {
    /// A short name for people.
    pub name: String,
    /// CPU or GPU.
    pub kind: DeviceKind,
    /// The maker.
    pub vendor: String,
    /// The model name that the device gives itself.
    pub model: String,
    /// The core design, where it is known by family and model numbers.
    pub microarchitecture: Option<String>,
    /// The board or computer that it is built into, as its firmware names it.
    pub board: Option<String>,
    /// The chip of that board, as its device tree names it.
    pub soc: Option<String>,
    /// Instruction set architecture: `x86_64`, `aarch64`, …; of a GPU, its maker's name for it, or `gpu`.
    pub architecture: String,
    /// Instruction sets that roofprobe has kernels for and this device runs.
    #[serde(default)]
    pub isas: Vec<String>,
    /// Instruction sets that the CPU names and roofprobe has no kernels for: `avx10.2`, `apx`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub isas_unused: Vec<String>,
    /// Bits of a vector of SVE, whose length is the CPU's own.
    #[schemars(range(min = 128))]
    pub sve_bits: Option<u32>,
    /// Bits of a vector in SME's streaming mode; a tile has as many rows as a vector has words.
    #[schemars(range(min = 128))]
    pub sme_bits: Option<u32>,
    /// Logical CPUs present; every CPU that was measured has them.
    #[schemars(range(min = 1))]
    pub logical_cpus: Option<u32>,
    /// Physical cores present, as the topology tells; every CPU that was measured has them.
    #[schemars(range(min = 1))]
    pub cores: Option<u32>,
    /// Installed memory, bytes; absent where nobody tells.
    #[schemars(range(min = 1))]
    pub memory_bytes: Option<u64>,
    /// Data and unified caches, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// Cores of several kinds, the fastest first; empty where all are alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub core_classes: Vec<CoreClass>,
    /// What only a GPU has; every GPU that was measured has it.
    pub gpu: Option<GpuInfo>,
}

impl DeviceInfo {
    /// How long vectors are, where that is the CPU's own: `SVE 256 bits, SME 512 bits`.
    pub fn vector_lengths(&self) -> Option<String> {
        let known = [("SVE", self.sve_bits), ("SME", self.sme_bits)];
        let known: Vec<String> =
            known.into_iter().filter_map(|(name, bits)| Some(format!("{name} {} bits", bits?))).collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

/// Assumed where a device names no second-level cache.
const SECOND_LEVEL_BYTES_ASSUMED: u64 = 512 << 10;

impl DeviceInfo {
    /// The second-level cache of one core, or what is assumed where none is named.
    pub fn second_level_bytes(&self) -> u64 {
        let caches = self.caches.iter().filter(|cache| cache.level == 2);
        let each = caches.map(|cache| cache.bytes / u64::from(cache.shared_by.max(1))).min();
        each.unwrap_or(SECOND_LEVEL_BYTES_ASSUMED)
    }
}

/// One cache level, as the topology tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u32,
    /// Size of one instance, bytes.
    pub bytes: u64,
    /// How many instances the cores that were measured reach.
    pub instances: u32,
    /// Logical CPUs that share one instance.
    pub shared_by: u32,
}

/// The numbers that most readers want. Each repeats a measured ceiling's value, or is a quotient of two.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// `memory.dram.read`.
    pub dram_read_gb_per_s: Option<f64>,
    /// `memory.dram.copy`.
    pub dram_copy_gb_per_s: Option<f64>,
    /// `memory.dram.triad`.
    pub dram_triad_gb_per_s: Option<f64>,
    /// `memory.vram.read`.
    pub vram_read_gb_per_s: Option<f64>,
    /// `memory.vram.copy`.
    pub vram_copy_gb_per_s: Option<f64>,
    /// `memory.vram.triad`.
    pub vram_triad_gb_per_s: Option<f64>,
    /// `compute.f64`.
    pub f64_gflop_per_s: Option<f64>,
    /// `compute.f32`.
    pub f32_gflop_per_s: Option<f64>,
    /// `compute.f16`.
    pub f16_gflop_per_s: Option<f64>,
    /// `compute.f16.coopmat`: the cooperative matrices of a GPU.
    pub f16_coopmat_gflop_per_s: Option<f64>,
    /// `compute.bf16`.
    pub bf16_gflop_per_s: Option<f64>,
    /// `compute.i8`, integer operations.
    pub i8_gflop_per_s: Option<f64>,
    /// Ridge point `compute.f32 / memory.dram.read`; without the latter, over `memory.vram.read`.
    pub ridge_f32_flop_per_byte: Option<f64>,
    /// Ridge point `compute.f16 / memory.dram.read`; without the latter, over `memory.vram.read`.
    pub ridge_f16_flop_per_byte: Option<f64>,
    /// Ridge point `compute.bf16 / memory.dram.read`; without the latter, over `memory.vram.read`.
    pub ridge_bf16_flop_per_byte: Option<f64>,
    /// Ridge point `compute.i8 / memory.dram.read`; without the latter, over `memory.vram.read`.
    pub ridge_i8_flop_per_byte: Option<f64>,
}

named_enum! {
    /// How much time a measurement may take.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Effort: "effort" {
        /// At most 15 s on two cores.
        Quick = "quick",
        /// At most two minutes on two cores.
        Standard = "standard",
        /// Several minutes: spread over the modes of a shared machine.
        Thorough = "thorough",
    }
}

named_enum! {
    /// How many ways of doing a thing are raced against each other.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Tune: "tuning" {
        /// A few, derived from the machine.
        #[default]
        Usual = "usual",
        /// Many: worth the time once on a machine that nobody has measured before.
        Thorough = "thorough",
    }
}

named_enum! {
    /// What a measurement ran in.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Host: "host" {
        /// A web page: coarse clocks, checked shaders, no subgroups.
        Browser = "browser",
    }
}

/// Who measured, when, with what.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The tool: `roofprobe`, or where a quoted profile is from.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from; `unknown` outside a checkout; none of a quoted profile's source.
    pub commit: Option<String>,
    /// The compiler that built it; none of a quoted profile's source.
    pub compiler: Option<String>,
    /// When the measurement began, RFC 3339, UTC; of quoted figures as much as is known of the date of their source.
    pub date: String,
    /// How much time it was given; a profile of quoted ceilings alone may have none.
    pub effort: Option<Effort>,
    /// How many variants were raced; absent where it was the usual number.
    pub tune: Option<Tune>,
    /// Whether every ceiling asked for has its answer; an incomplete profile can be resumed.
    pub complete: bool,
    /// The globs it was restricted to; empty when everything was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// The profile that was simulated, when nothing was measured at all.
    pub simulated: Option<String>,
    /// Where a page measured, and no program: it reaches less.
    pub host: Option<Host>,
    /// How a GPU was asked; absent for CPUs.
    pub gpu: Option<GpuProvenance>,
}

impl Profile {
    /// Samples, of ceilings and of curves.
    pub fn samples(&self) -> u64 {
        let of_curves: usize = self.curve.iter().flat_map(|curve| &curve.sample_values).map(Vec::len).sum();
        self.ceiling.iter().filter_map(|ceiling| ceiling.samples).map(u64::from).sum::<u64>() + of_curves as u64
    }

    /// The ceiling of that id, whatever its status.
    pub fn ceiling<Id: ?Sized>(&self, id: &Id) -> Option<&Ceiling>
    where
        CeilingId: PartialEq<Id>,
    {
        self.ceiling.iter().find(|c| c.id == *id)
    }

    /// The curve of that id, whatever its status.
    pub fn curve<Id: ?Sized>(&self, id: &Id) -> Option<&Curve>
    where
        CeilingId: PartialEq<Id>,
    {
        self.curve.iter().find(|c| c.id == *id)
    }

    /// Memory that a model may take: what is installed, or what a control group leaves of it; bytes.
    pub fn usable_memory_bytes(&self) -> Option<u64> {
        let limit = self.environment.as_ref().and_then(|environment| environment.memory_limit_bytes);
        self.device.memory_bytes.into_iter().chain(limit).min()
    }

    /// What is known of the machine before anything is timed; none where nothing was measured.
    pub fn machine(&self) -> Option<Machine> {
        let environment = self.environment.clone()?;
        Some(Machine { device: self.device.clone(), environment })
    }

    /// Whether nothing in it was measured by this tool: every ceiling and curve is copied from a source.
    pub fn is_quoted(&self) -> bool {
        let statuses = self.ceiling.iter().map(|c| c.status).chain(self.curve.iter().map(|c| c.status));
        statuses.into_iter().all(|status| status == Status::Quoted)
    }

    /// Recomputes the summary from the ceilings.
    pub fn summarise(&mut self) {
        self.summary = Summary::of(&self.ceiling);
    }

    /// The profile's JSON Schema.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Profile).to_value()
    }
}

impl Summary {
    /// The summary that belongs to these ceilings.
    pub fn of(ceilings: &[Ceiling]) -> Summary {
        let value =
            |id: CeilingId| ceilings.iter().find(|c| c.id == id).and_then(Ceiling::value).map(|(value, _)| value);
        let of_memory = |kind: DeviceKind, access| value(CeilingId::memory(kind.main_memory(), access));
        let best = |dtype| value(CeilingId::compute(dtype, Means::Best));
        let [dram_read, vram_read] = [DeviceKind::Cpu, DeviceKind::Gpu].map(|kind| of_memory(kind, Op::Read));
        let read = dram_read.or(vram_read);
        let ridge = |compute: Option<f64>| Some(crate::units::four_digits(compute? / read?));
        let [f64_, f32_, f16, bf16, i8_] = [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::I8].map(best);
        Summary {
            dram_read_gb_per_s: dram_read,
            dram_copy_gb_per_s: of_memory(DeviceKind::Cpu, Op::Copy),
            dram_triad_gb_per_s: of_memory(DeviceKind::Cpu, Op::Triad),
            vram_read_gb_per_s: vram_read,
            vram_copy_gb_per_s: of_memory(DeviceKind::Gpu, Op::Copy),
            vram_triad_gb_per_s: of_memory(DeviceKind::Gpu, Op::Triad),
            f64_gflop_per_s: f64_,
            f32_gflop_per_s: f32_,
            f16_gflop_per_s: f16,
            f16_coopmat_gflop_per_s: value(CeilingId::compute(Dtype::F16, Means::CooperativeMatrix)),
            bf16_gflop_per_s: bf16,
            i8_gflop_per_s: i8_,
            ridge_f32_flop_per_byte: ridge(f32_),
            ridge_f16_flop_per_byte: ridge(f16),
            ridge_bf16_flop_per_byte: ridge(bf16),
            ridge_i8_flop_per_byte: ridge(i8_),
        }
    }
}
