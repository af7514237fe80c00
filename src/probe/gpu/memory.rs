//! Bandwidth of a GPU's memory, of its last cache, and of workgroup memory, and its atomic additions.

use super::{candidates_max, is_quick, is_software, limits};
use crate::job::Job;
use crate::probe::footprint::{self, CACHE_MULTIPLE_MIN, Footprint, cache_bytes};
use crate::probe::levels::{Levels, levels, resident_id};
use crate::probe::memory::arrays;
use crate::probe::{CurveQuestion, PlanInputs, Question, curve, curve_of, jobs};
use crate::profile::{
    AccessLayout, CeilingId, CurveAxis, Effort, Flag, GpuAtomic, GpuClass, GpuStream, Machine, MemoryLevel, Status,
    WorkgroupAtomic, WorkgroupRead, WorkgroupStride,
};
use roofprobe_kernels::ops::stream::OPS;
use roofprobe_kernels::{Dtype, Op};

/// The largest working set of hardware: caches of a quarter of it are seen to end.
const RESIDENT_BYTES_MAX: u64 = 1 << 30;
/// The largest one of software at least: the end of a cache of a quarter of it is seen.
const SOFTWARE_RESIDENT_BYTES_MIN: u64 = 128 << 20;
/// The smallest working set of hardware, within the nearest caches that are large: all workgroups together read it again and again. And of
/// software, where so many bytes are no more than the first caches hold.
const RESIDENT_BYTES_MIN: u64 = 64 << 10;
const SOFTWARE_RESIDENT_BYTES_FIRST: u64 = 256 << 10;
/// What arrays in a cache are multiples of.
const CACHED_GRAIN: u64 = 256 << 10;
/// What is read as the last cache where no curve shows where it ends: within those of all GPUs in sight.
const CACHE_FOOTPRINT: u64 = 2 << 20;
/// Workgroup memory that a workgroup reads.
const WORKGROUP_BYTES: u64 = 16 << 10;
/// Words that are added to atomically, of the whole GPU and of a workgroup: in its caches, with room for every invocation.
const ATOMIC_BYTES: u64 = 1 << 20;
const ATOMIC_BYTES_SHARED: u64 = 4 << 10;
/// x, y and out are allocated together, whatever the operation uses.
const ARRAYS: u64 = 3;
/// Arrays whose values are kept on the host, to verify by.
const HOST_ARRAYS: u64 = 2;
/// Whole divisions of every candidate: no place lies beyond the end.
const GRAIN: u64 = 1 << 20;

/// `memory.vram.<access>`, `memory.cache.<access>`, `memory.workgroup.read`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let levels = levels(inputs.curve(&resident_id()), &inputs.machine.device.caches, 1);
    let vram = OPS.into_iter().map(|op| {
        let mut question = Question::new(CeilingId::memory(MemoryLevel::Vram, op));
        question.flags.clone_from(&levels.memory_flags);
        match array_bytes(inputs, levels.last_bytes) {
            Ok((bytes, least)) => {
                let ways = ways(inputs, false);
                question.candidates = streams(&question.id, inputs, op, bytes, &ways);
                // Should the whole not fit after all, what drivers do not tell beforehand.
                if bytes / 2 >= least {
                    question.fallback = streams(&question.id, inputs, op, bytes / 2, &ways);
                }
            }
            Err(reason) => question.otherwise = (Status::Skipped, reason),
        }
        question
    });
    let accesses: &[Op] = if is_quick(inputs) { &[Op::Read, Op::Copy] } else { &OPS };
    let cache = accesses.iter().map(|&op| {
        let (footprint, flags) = cached_bytes(&levels);
        let mut question = Question { flags, ..Question::new(CeilingId::memory(MemoryLevel::GpuCache, op)) };
        let array = (footprint / arrays(op) / CACHED_GRAIN).max(1) * CACHED_GRAIN;
        question.candidates = streams(&question.id, inputs, op, array, &ways(inputs, true));
        question
    });
    vram.chain(cache)
        .chain([workgroup(inputs)])
        .chain(atomics(inputs).into_iter().filter(|_| !is_quick(inputs)))
        .collect()
}

/// A working set within the last cache, and what there is to say about it.
pub(super) fn cached_bytes(levels: &Levels) -> (u64, Vec<Flag>) {
    match levels.caches.last() {
        Some(level) => (level.footprint_bytes, level.flags.clone()),
        None => {
            let mib = CACHE_FOOTPRINT >> 20;
            let remark = format!("the curve shows no edge of a cache: {mib} MiB are taken to be within it");
            (CACHE_FOOTPRINT, vec![Flag::Other(remark)])
        }
    }
}

/// `memory.read.resident`: the same working set again and again.
pub(super) fn resident(inputs: PlanInputs) -> CurveQuestion {
    let PlanInputs { machine, effort, .. } = inputs;
    let told = cache_bytes(machine);
    // Software has what the processor has, whose caches may not all be ours: as far as shows whether they are.
    let target = if is_software(machine) {
        told.saturating_mul(2).max(SOFTWARE_RESIDENT_BYTES_MIN)
    } else {
        told.saturating_mul(CACHE_MULTIPLE_MIN).max(RESIDENT_BYTES_MAX)
    };
    let most = target.min(room(inputs)).min(limits(machine).buffer_bytes);
    let per_octave = if effort == Effort::Quick || is_software(machine) { 1.0 } else { 2.0_f64 };
    let (size, groups, layout) = way_of_curve(machine);
    let first = if is_software(machine) { SOFTWARE_RESIDENT_BYTES_FIRST } else { RESIDENT_BYTES_MIN };
    let sizes = (0..).map(|step| first as f64 * (f64::from(step) / per_octave).exp2());
    let sizes = sizes.map(|bytes| (bytes / 4096.0).round() as u64 * 4096).take_while(|&bytes| bytes <= most);
    let variant = |footprint| divided(footprint, size, groups, layout);
    of_f32(curve(resident_id(), Op::Read, CurveAxis::FootprintBytes, sizes.map(variant)))
}

/// `memory.read.footprint`: how large the arrays of software must be.
pub(super) fn race(inputs: PlanInputs) -> CurveQuestion {
    let (size, groups, layout) = way_of_curve(inputs.machine);
    let most = room(inputs).min(limits(inputs.machine).buffer_bytes);
    let sizes = footprint::race_sizes(inputs, most).into_iter().take_while(|&bytes| bytes <= most);
    let variants = sizes.map(|footprint| divided(footprint, size, groups, layout));
    let asked = curve(footprint::footprint_id(), Op::Read, CurveAxis::FootprintBytes, variants);
    CurveQuestion { pairwise: true, ..of_f32(asked) }
}

fn of_f32(asked: CurveQuestion) -> CurveQuestion {
    CurveQuestion { points: asked.points.into_iter().map(|job| Job { dtype: Dtype::F32, ..job }).collect(), ..asked }
}

/// The most that one array may have: values are made up and kept on the host, which a GPU of its own has not to share.
fn room(inputs: PlanInputs) -> u64 {
    let PlanInputs { machine, effort, .. } = inputs;
    let alone = machine.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Discrete);
    let arrays = if alone { ARRAYS } else { ARRAYS + HOST_ARRAYS };
    // What hardware takes is its own memory, or a share of a memory that it must be able to fill.
    let effort = if is_software(machine) { effort } else { Effort::Thorough };
    footprint::memory_limit(machine, effort) / arrays
}

/// Bytes of one array of GPU memory, and the least that would do; or why there is not enough.
pub(super) fn array_bytes(inputs: PlanInputs, seen: Option<u64>) -> Result<(u64, u64), String> {
    let machine = inputs.machine;
    let Footprint { target, least } = if is_software(machine) {
        let needed = footprint::footprint(inputs);
        // The least that is honest: it takes its time.
        Footprint { target: needed.least, ..needed }
    } else {
        footprint::by_rule(cache_bytes(machine).max(seen.unwrap_or(0)))
    };
    let most = room(inputs).min(limits(machine).buffer_bytes);
    let bytes = target.min(most) / GRAIN * GRAIN;
    if bytes < least.min(target) {
        let [most, least] = [most, least].map(|bytes| bytes >> 20);
        return Err(format!(
            "too little memory: an array may have {most} MiB, and {least} MiB are the least that is not read from a cache"
        ));
    }
    Ok((bytes, least))
}

type Way = (u32, u32, AccessLayout);

/// Invocations of a workgroup, workgroups, layout: the expected winner first.
fn ways(inputs: PlanInputs, cached: bool) -> Vec<Way> {
    use AccessLayout::{Blocked, Contiguous, Strided};
    let hardware: &[Way] = match cached {
        // A workgroup's loads side by side: as many pages are open as there are workgroups.
        false => &[(256, 8192, Blocked), (256, 2048, Strided), (256, 65535, Strided), (1024, 1024, Blocked)],
        true => &[(256, 1024, Strided), (256, 2048, Blocked), (512, 1024, Blocked)],
    };
    let software: &[Way] = match cached {
        false => &[(32, 128, Contiguous), (8, 16, Blocked), (8, 128, Blocked)],
        true => &[(8, 16, Blocked), (32, 128, Contiguous)],
    };
    // Hardware's neighbours side by side show on software that they lose.
    let strided = |way: &&Way| is_software(inputs.machine) && !is_quick(inputs) && way.2 == Strided;
    let own = if is_software(inputs.machine) { software } else { hardware };
    let most = limits(inputs.machine).workgroup_invocations;
    own.iter()
        .take(candidates_max(inputs))
        .chain(hardware.iter().find(strided))
        .copied()
        .filter(|(size, ..)| *size <= most)
        .collect()
}

fn way_of_curve(machine: &Machine) -> Way {
    if is_software(machine) { (8, 16, AccessLayout::Blocked) } else { (256, 2048, AccessLayout::Strided) }
}

fn streams(id: &CeilingId, inputs: PlanInputs, op: Op, array: u64, ways: &[Way]) -> Vec<Job> {
    let most = limits(inputs.machine).workgroups_per_dimension;
    let variant = |&(size, groups, layout): &Way| divided(array * arrays(op), size, groups.min(most), layout);
    jobs(id, op, Dtype::F32, ways.iter().map(variant))
}

fn divided(footprint_bytes: u64, workgroup_size: u32, workgroups: u32, layout: AccessLayout) -> GpuStream {
    GpuStream { footprint_bytes, workgroup_size, workgroups, layout }
}

fn workgroup(inputs: PlanInputs) -> Question {
    let limits = limits(inputs.machine);
    let bytes = WORKGROUP_BYTES.min(u64::from(limits.workgroup_memory_bytes));
    let ways: &[(u32, u32)] = if is_software(inputs.machine) {
        &[(8, 16), (64, 16), (256, 16)]
    } else {
        &[(256, 2048), (128, 4096), (512, 1024)]
    };
    let variant = |&(size, groups): &(u32, u32)| WorkgroupRead {
        footprint_bytes: bytes,
        workgroup_size: size,
        workgroups: groups,
    };
    let allowed = ways.iter().take(candidates_max(inputs)).filter(|(size, _)| *size <= limits.workgroup_invocations);
    Question::of(CeilingId::memory(MemoryLevel::Workgroup, Op::Read), Op::Read, Dtype::F32, allowed.map(variant))
}

/// `memory.cache.atomic`, `memory.workgroup.atomic`: eight bytes each, read and written.
fn atomics(inputs: PlanInputs) -> [Question; 2] {
    let software = is_software(inputs.machine);
    let ways: &[(u32, u32)] = if software { &[(8, 16), (64, 16)] } else { &[(256, 2048), (64, 8192)] };
    let most = limits(inputs.machine).workgroup_invocations;
    let ways = || ways.iter().take(candidates_max(inputs)).filter(move |(size, _)| *size <= most).copied();
    let shared = |(workgroup_size, workgroups)| WorkgroupAtomic {
        footprint_bytes: ATOMIC_BYTES_SHARED,
        workgroup_size,
        workgroups,
    };
    let cached = |(workgroup_size, workgroups)| GpuAtomic { footprint_bytes: ATOMIC_BYTES, workgroup_size, workgroups };
    let id = |level| CeilingId::memory(level, Op::Atomic);
    [
        Question::of(id(MemoryLevel::GpuCache), Op::Atomic, Dtype::F32, ways().map(cached)),
        Question::of(id(MemoryLevel::Workgroup), Op::Atomic, Dtype::F32, ways().map(shared)),
    ]
}

/// `memory.read.stride`: words of workgroup memory at a distance. Where neighbours meet in a bank, one waits for the other.
pub(super) fn banks(inputs: PlanInputs) -> Option<CurveQuestion> {
    if is_quick(inputs) {
        return None;
    }
    let limits = limits(inputs.machine);
    let (size, groups) = if is_software(inputs.machine) { (64, 16) } else { (256, 2048) };
    let bytes = WORKGROUP_BYTES.min(u64::from(limits.workgroup_memory_bytes));
    let variant = |words: u32| WorkgroupStride {
        footprint_bytes: bytes,
        stride_bytes: 4 * words,
        workgroup_size: size.min(limits.workgroup_invocations),
        workgroups: groups,
    };
    let strides = [1, 2, 4, 8, 16, 32].map(variant);
    let id = CeilingId::memory_curve(Op::Read, "stride");
    Some(curve_of(id, (Op::Read, Dtype::F32), CurveAxis::StrideBytes, strides))
}
