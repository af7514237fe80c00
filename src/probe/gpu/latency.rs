//! Latencies of a GPU: dependent loads of one workgroup in each level of its memory.

use super::memory::{array_bytes, cached_bytes};
use super::{is_quick, is_software, limits};
use crate::probe::footprint::cache_bytes;
use crate::probe::levels::{levels, resident_id};
use crate::probe::{CurveQuestion, PlanInputs, Question, curve, curve_without_points};
use crate::profile::{CeilingId, CurveAxis, GpuChase, MemoryLevel, Status, WorkgroupChase};
use roofprobe_kernels::{Dtype, Op};

/// From one place to the next: two lines of most caches, which may be fetched in pairs.
const STRIDE_BYTES: u32 = 256;
/// Within this the chase goes round before it leaves it: pages of a GPU are as large as that, or larger.
const WINDOW_BYTES: u64 = 2 << 20;
/// Invocations: the smallest subgroup of hardware, or larger than that of software.
const SIZE: u32 = 32;
const SIZE_SOFTWARE: u32 = 8;
/// Workgroup memory that is gone through: what every adapter has.
const WORKGROUP_BYTES: u64 = 8 << 10;
/// The smallest working set of the curve, and the largest one at least: the end of a cache of a half of it is seen.
const CURVE_BYTES_MIN: u64 = 4 << 10;
const CURVE_BYTES_MAX: u64 = 256 << 20;
/// The same of software.
const CURVE_BYTES_MAX_SOFTWARE: u64 = 64 << 20;
/// What is gone through in video memory at least.
const VRAM_BYTES_MIN: u64 = 64 << 20;
/// A chase over more than that takes long to lay out, and is no slower.
const BYTES_MAX: u64 = 1 << 30;

/// `latency.workgroup`, `latency.l<n>` of each cache before the last that the curve shows, `latency.cache`, `latency.vram`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let machine = inputs.machine;
    let size = size(inputs);
    let seen = levels(inputs.curve(&resident_id()), &machine.device.caches, 1);
    let shared = WorkgroupChase { footprint_bytes: WORKGROUP_BYTES, workgroup_size: size };
    let mut all = vec![Question::of(CeilingId::latency(MemoryLevel::Workgroup), Op::Chase, Dtype::I8, [shared])];
    let nearer = nearer_caches(inputs);
    all.extend((1..).zip(nearer).map(|(level, bytes)| question(inputs, MemoryLevel::Cache(level), bytes)));
    let (bytes, flags) = cached_bytes(&seen);
    all.push(Question { flags, ..question(inputs, MemoryLevel::GpuCache, bytes) });
    let id = CeilingId::latency(MemoryLevel::Vram);
    all.push(match array_bytes(inputs, seen.last_bytes) {
        Ok((_, least)) if least <= BYTES_MAX.min(limits(machine).binding_bytes) => {
            let bytes = least.max(VRAM_BYTES_MIN);
            Question { flags: seen.memory_flags, ..question(inputs, MemoryLevel::Vram, bytes) }
        }
        Ok((_, least)) => {
            let reason = format!("{} MiB are the least that no cache holds, and are too many for a chase", least >> 20);
            Question::unasked(id, Status::Skipped, reason)
        }
        Err(reason) => Question::unasked(id, Status::Skipped, reason),
    });
    all
}

/// Working sets of the caches before the last, as the curve of latencies shows them; software has none of its own.
fn nearer_caches(inputs: PlanInputs) -> Vec<u64> {
    if is_software(inputs.machine) {
        return Vec::new();
    }
    let seen = levels(inputs.curve(&CeilingId::latency_curve()), &[], 1);
    let nearer = seen.caches.len().saturating_sub(1);
    seen.caches.into_iter().take(nearer).map(|level| level.footprint_bytes).collect()
}

fn question(inputs: PlanInputs, level: MemoryLevel, bytes: u64) -> Question {
    Question::of(CeilingId::latency(level), Op::Chase, Dtype::I8, [chase(inputs, bytes)])
}

fn size(inputs: PlanInputs) -> u32 {
    if is_software(inputs.machine) { SIZE_SOFTWARE } else { SIZE }
}

fn chase(inputs: PlanInputs, bytes: u64) -> GpuChase {
    let bytes = bytes.next_multiple_of(u64::from(STRIDE_BYTES));
    let window = WINDOW_BYTES.min(bytes);
    GpuChase { footprint_bytes: bytes, window_bytes: window, stride_bytes: STRIDE_BYTES, workgroup_size: size(inputs) }
}

/// `latency.resident`: over growing working sets.
pub(super) fn resident(inputs: PlanInputs) -> Option<CurveQuestion> {
    if is_quick(inputs) {
        return None;
    }
    let machine = inputs.machine;
    let most =
        if is_software(machine) { CURVE_BYTES_MAX_SOFTWARE } else { CURVE_BYTES_MAX.max(2 * cache_bytes(machine)) };
    // All of them are there at once.
    let most = most.min(machine.environment.memory_available_bytes / 16).min(limits(machine).binding_bytes);
    let per_octave = if is_software(machine) { 1.0 } else { 2.0_f64 };
    let sizes = (0..).map(|step| CURVE_BYTES_MIN as f64 * (f64::from(step) / per_octave).exp2());
    let stride = u64::from(STRIDE_BYTES);
    let sizes = sizes.map(|bytes| bytes as u64 / stride * stride).take_while(|&bytes| bytes <= most);
    let points: Vec<GpuChase> = sizes.map(|bytes| chase(inputs, bytes)).collect();
    let id = CeilingId::latency_curve();
    Some(match points.len() {
        0 | 1 => curve_without_points(id, CurveAxis::FootprintBytes, "too little memory for a curve"),
        _ => curve(id, Op::Chase, CurveAxis::FootprintBytes, points),
    })
}
