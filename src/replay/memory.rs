//! What main memory reads while a model is replayed: on machines that others share, its pace changes within minutes.

use crate::job::Job;
use crate::profile::{CeilingId, MemoryLevel, Profile, Variant};
use crate::stats;
use roofprobe_kernels::{Dtype, Op};
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::skip_serializing_none;

/// Weights of so many times the caches come from main memory in each pass.
const BEYOND_CACHES: u64 = 2;
/// Beyond this part of a difference between the two, predictions of what memory binds are of another memory.
const SAME_MEMORY: f64 = 0.06;

/// Main memory between the passes, and when the profile was measured.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MemoryRead {
    /// What it read between the passes, GB/s: the median.
    pub gb_per_s: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// What it read when the profile was measured, GB/s.
    pub gb_per_s_of_profile: f64,
}

/// The best read of main memory of `profile`, as a job to be timed between passes, and its rate in GB/s. None where the profile has no
/// such read, and where the weights, of so many bytes, may stay in caches: the read would drive them out.
pub fn memory_read(profile: &Profile, weight_bytes: u64) -> Option<(Job, f64)> {
    let caches: u64 =
        profile.device.caches.iter().map(|cache| cache.bytes.saturating_mul(cache.instances.into())).sum();
    let id = CeilingId::memory(MemoryLevel::Dram, Op::Read);
    let ceiling = profile.ceiling(&id).filter(|_| weight_bytes > BEYOND_CACHES.saturating_mul(caches))?;
    let variant = Variant::of_family("Stream", ceiling.variant.as_ref()?)?;
    let (value, _) = ceiling.value()?;
    Some((Job { ceiling: id, op: Op::Read, dtype: Dtype::F64, variant }, value))
}

impl MemoryRead {
    /// Of rates in GB/s; none without any.
    pub fn of(rates: &[f64], gb_per_s_of_profile: f64) -> Option<MemoryRead> {
        let (gb_per_s, interval) = stats::middle(rates)?;
        Some(MemoryRead { gb_per_s, interval, gb_per_s_of_profile })
    }

    /// Whether it was as fast as when the profile was measured, within 6 %.
    pub fn is_same(&self) -> bool {
        (self.gb_per_s / self.gb_per_s_of_profile - 1.0).abs() <= SAME_MEMORY
    }
}
