//! What only a graphics processor has: its class, its limits, and the driver that it was asked through.

use super::figure::{counted, named, positive};
use crate::error::{Error, Result};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

named_enum! {
    /// How a graphics processor is built in.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum GpuClass: "class of GPU" {
        /// A card with memory of its own.
        Discrete = "discrete",
        /// On the processor's die or board, with the host's memory.
        Integrated = "integrated",
        /// Lent by a hypervisor.
        Virtual = "virtual",
        /// No graphics processor: the host's cores run the shaders.
        Software = "software",
        /// The driver does not tell.
        Other = "other",
    }
}

/// What a graphics processor says of itself, as far as probes depend on it: `[device.gpu]`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuInfo {
    /// How it is built in.
    pub class: GpuClass,
    /// Vendor and device number in hexadecimal, such as `10de:2684`; made-up ones of software included.
    #[schemars(regex(pattern = r"^[0-9a-f]{1,8}:[0-9a-f]{1,8}$"))]
    pub pci_id: Option<String>,
    /// Where it sits, such as `0000:01:00.0`.
    pub pci_bus: Option<String>,
    /// The fewest invocations that a subgroup has.
    #[schemars(range(min = 1))]
    pub subgroup_min: Option<u32>,
    /// The most invocations that a subgroup has.
    #[schemars(range(min = 1))]
    pub subgroup_max: Option<u32>,
    /// Features that probes make use of, such as `f16`, `subgroups`, `timestamps` or `dot4-packed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Shapes of its cooperative matrices with the types of factors and sums, such as `8x8x8 f16 f32`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cooperative_matrices: Vec<String>,
    /// What it refuses to exceed.
    pub limits: GpuLimits,
}

/// The limits of a graphics processor that bear on probes. They are the driver's words: one that knows no limit names a
/// huge number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuLimits {
    /// Bytes of a buffer that a shader sees through one binding; at most 2⁶³ − 1, as TOML has no larger integers.
    #[schemars(range(min = 1))]
    pub binding_bytes: u64,
    /// Bytes of one buffer; at most 2⁶³ − 1.
    #[schemars(range(min = 1))]
    pub buffer_bytes: u64,
    /// Invocations of one workgroup.
    #[schemars(range(min = 1))]
    pub workgroup_invocations: u32,
    /// The same along x, y and z.
    pub workgroup_size: [u32; 3],
    /// Bytes of memory that one workgroup shares.
    #[schemars(range(min = 1))]
    pub workgroup_memory_bytes: u32,
    /// Workgroups of one dispatch along each dimension.
    #[schemars(range(min = 1))]
    pub workgroups_per_dimension: u32,
    /// Storage buffers that one shader may bind.
    #[schemars(range(min = 1))]
    pub storage_buffers: u32,
}

/// How a graphics processor was asked: `[provenance.gpu]`.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuProvenance {
    /// The interface of the system: `vulkan`, `metal`, `dx12` or `gl`; `webgpu` in a browser.
    pub backend: String,
    /// The driver's name; may be empty, where it gives none.
    pub driver: String,
    /// Its version, as it writes it; may be empty.
    pub driver_info: String,
    /// Whether shaders were built with checks of bounds and loops: `off` or `on`.
    pub shader_checks: String,
    /// One tick of the processor's own clock, ns, four digits.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub timestamp_period_ns: Option<f64>,
    /// What the time was taken by: `timestamps`, or `wall clock by difference`.
    pub timer: String,
}

/// No subgroup in sight has more invocations.
const SUBGROUP_MAX: u64 = 1 << 10;
/// Nor has a workgroup, or more shared memory.
const INVOCATIONS_MAX: u64 = 1 << 20;
const WORKGROUP_MEMORY_MAX: u64 = 1 << 30;
/// The largest integer in TOML.
const BYTES_MAX: u64 = i64::MAX as u64;
/// Entries of a list, and characters of one text: far above any driver's.
const LIST_MAX: usize = 1 << 10;
const TEXT_MAX: usize = 1 << 10;

impl GpuInfo {
    /// Checks everything that the types cannot.
    pub(super) fn validate(&self) -> Result<()> {
        if self.pci_id.as_deref().is_some_and(|id| !is_pci_id(id)) {
            return Err(Error::misuse("device.gpu.pci_id: must be vendor:device in hexadecimal, such as 10de:2684"));
        }
        if let Some(bus) = &self.pci_bus {
            text("device.gpu.pci_bus", bus)?;
        }
        counted("device.gpu.subgroup_min", self.subgroup_min, SUBGROUP_MAX)?;
        counted("device.gpu.subgroup_max", self.subgroup_max, SUBGROUP_MAX)?;
        if let (Some(min), Some(max)) = (self.subgroup_min, self.subgroup_max)
            && min > max
        {
            return Err(Error::misuse(format!("device.gpu.subgroup_min: {min} is above subgroup_max, {max}")));
        }
        for (key, list) in
            [("device.gpu.features", &self.features), ("device.gpu.cooperative_matrices", &self.cooperative_matrices)]
        {
            if list.len() > LIST_MAX {
                return Err(Error::misuse(format!("{key}: more than {LIST_MAX} entries")));
            }
            list.iter().try_for_each(|entry| text(key, entry))?;
        }
        self.limits.validate()
    }
}

impl GpuLimits {
    fn validate(&self) -> Result<()> {
        /// Along one dimension, and for dispatches and bindings, drivers without a limit say 2³² − 1.
        const ANY: u64 = u32::MAX as u64;
        let [x, y, z] = self.workgroup_size.map(u64::from);
        for (key, count, most) in [
            ("binding_bytes", self.binding_bytes, BYTES_MAX),
            ("buffer_bytes", self.buffer_bytes, BYTES_MAX),
            ("workgroup_invocations", self.workgroup_invocations.into(), INVOCATIONS_MAX),
            ("workgroup_size", x, ANY),
            ("workgroup_size", y, ANY),
            ("workgroup_size", z, ANY),
            ("workgroup_memory_bytes", self.workgroup_memory_bytes.into(), WORKGROUP_MEMORY_MAX),
            ("workgroups_per_dimension", self.workgroups_per_dimension.into(), ANY),
            ("storage_buffers", self.storage_buffers.into(), ANY),
        ] {
            counted(&format!("device.gpu.limits.{key}"), Some(count), most)?;
        }
        Ok(())
    }
}

impl GpuProvenance {
    /// Checks everything that the types cannot.
    pub(super) fn validate(&self) -> Result<()> {
        for (key, known, is) in [
            ("backend", &["vulkan", "metal", "dx12", "gl", "webgpu"][..], &self.backend),
            ("shader_checks", &["off", "on"], &self.shader_checks),
            ("timer", &["timestamps", "wall clock by difference"], &self.timer),
        ] {
            if !known.contains(&is.as_str()) {
                let known = known.join(", ");
                return Err(Error::misuse(format!("provenance.gpu.{key}: must be one of {known}, is {is:?}")));
            }
        }
        for (key, words) in [("provenance.gpu.driver", &self.driver), ("provenance.gpu.driver_info", &self.driver_info)]
        {
            if !words.is_empty() {
                text(key, words)?;
            }
        }
        positive("provenance.gpu.timestamp_period_ns", self.timestamp_period_ns)
    }
}

/// Software calls itself by numbers beyond the 16 bits of the bus.
fn is_pci_id(id: &str) -> bool {
    let hex = |word: &str| {
        (1..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    id.split_once(':').is_some_and(|(vendor, device)| hex(vendor) && hex(device))
}

fn text(key: &str, words: &str) -> Result<()> {
    if words.chars().count() > TEXT_MAX {
        return Err(Error::misuse(format!("{key}: longer than {TEXT_MAX} characters")));
    }
    named(key, words)
}
