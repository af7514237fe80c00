//! Matmul on a GPU: every weight format that there is a shader for, from one token to many.

use super::{has_feature, is_quick, is_software, limits};
use crate::probe::footprint::{self, Footprint, memory_limit};
use crate::probe::matmul::{self, K, MANY_TOKENS, N_MANY};
use crate::probe::{Operands, PlanInputs, Question};
use crate::profile::{AccessLayout, CeilingId, Effort, GpuMatmul, Reduction, Status, Tile};
use roofprobe_kernels::{Dtype, Op};

/// So many are few for a tile: a matrix of weights has to be read for them all the same.
const FEW_FOR_TILES: u64 = 32;
/// Bytes of the weights that few tokens read: tens of microseconds on the fastest, so that beginning and end do not show.
const MATRIX_BYTES_FEW: u64 = 96 << 20;
/// Extents of software: milliseconds for one repetition. Few tokens take many rows, so that no core waits for another at the
/// end.
const K_SOFTWARE: u64 = 2048;
const N_FEW_SOFTWARE: u64 = 4096;
const SQUARE_MANY: u64 = 512;
/// All copies of software's weights together. Not beyond every host's last cache: what its shaders reach, single GB/s, is far
/// below what either cache or memory would give.
const BYTES_FEW: u64 = 64 << 20;
const BYTES_MANY: u64 = 16 << 20;
/// What bindings need beyond the weights.
const BINDING_SLACK: u64 = 4096;
/// Candidates of one question; fewer for software, which takes its time.
const CANDIDATES: usize = 5;
const CANDIDATES_SOFTWARE: usize = 4;
const CANDIDATES_QUICK: usize = 2;

/// The formats of weights that `shaders/matmul.wgsl` reads.
const FORMATS: [Dtype; 5] = [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0, Dtype::Q4K];

/// `matmul.<weights>.m<tokens>`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    matmul::for_each(inputs.effort, |weights, m| Question {
        operands: Some(Operands::Weights(weights)),
        ..question(inputs, weights, m)
    })
}

fn question(inputs: PlanInputs, weights: Dtype, m: u64) -> Question {
    let id = CeilingId::matmul(weights, m);
    if !FORMATS.contains(&weights) {
        let reason = format!("there is no WGSL matmul of {weights} weights yet");
        return Question::unasked(id, Status::Unsupported, reason);
    }
    let Extents { n, k, copies } = match extents(inputs, weights, m) {
        Ok(extents) => extents,
        Err(reason) => return Question::unasked(id, Status::Skipped, reason),
    };
    let sized = |way| GpuMatmul { m, n, k, copies, ..way };
    Question::of(id, Op::Matmul, weights, ways(inputs, m).into_iter().map(sized))
}

/// Rows of weights of that many bytes, a whole number of all tiles.
fn rows_few(weights: Dtype) -> u64 {
    const GRAIN: u64 = 4096;
    let rows = weights.bytes(u128::from(K * GRAIN)).and_then(|bytes| u64::try_from(bytes).ok());
    rows.map_or(GRAIN, |bytes| MATRIX_BYTES_FEW.div_ceil(bytes) * GRAIN)
}

struct Extents {
    n: u64,
    k: u64,
    copies: u32,
}

/// The extents of the weights; or why there is not enough memory for them.
fn extents(inputs: PlanInputs, weights: Dtype, m: u64) -> Result<Extents, String> {
    let few = m < MANY_TOKENS;
    let software = is_software(inputs.machine);
    let (mut n, k) = match (software, few) {
        (true, true) => (N_FEW_SOFTWARE, K_SOFTWARE),
        (true, false) => (SQUARE_MANY, SQUARE_MANY),
        (false, true) => (rows_few(weights), K),
        (false, false) => (N_MANY, K),
    };
    let bytes = |n: u64| weights.bytes(u128::from(n * k)).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    // One matrix is one binding.
    while bytes(n) + BINDING_SLACK > limits(inputs.machine).binding_bytes && n.is_multiple_of(2) {
        n /= 2;
    }
    let exactly = |bytes| Footprint { target: bytes, least: bytes };
    let needed = match (software, few) {
        (true, true) => exactly(BYTES_FEW),
        (true, false) => exactly(BYTES_MANY),
        (false, _) => footprint::footprint(inputs),
    };
    let effort = if software { inputs.effort } else { Effort::Thorough };
    let copies = footprint::copies(memory_limit(inputs.machine, effort), "weights", bytes(n), needed)?;
    Ok(Extents { n, k, copies })
}

/// The ways to do it, the expected winner of the adapter's class first.
fn ways(inputs: PlanInputs, m: u64) -> Vec<GpuMatmul> {
    let software = is_software(inputs.machine);
    let (own, other) = match (software, m < MANY_TOKENS) {
        (true, true) => (alone(m), together(inputs, m)),
        (true, false) => (unstaged(m), staged(m)),
        (false, true) => (together(inputs, m), alone(m)),
        (false, false) => {
            let mut own = staged(m);
            // For so few tokens a workgroup may still fare better with whole rows of weights.
            if m <= FEW_FOR_TILES {
                own.insert(1, strided(inputs, 64, 8, 1));
            }
            (own, unstaged(m))
        }
    };
    let limits = limits(inputs.machine);
    let fits = |way: &GpuMatmul| way.workgroup_size <= limits.workgroup_invocations;
    let quick = is_quick(inputs);
    let most = match (quick, software) {
        (true, _) => CANDIDATES_QUICK,
        (false, true) => CANDIDATES_SOFTWARE,
        (false, false) => CANDIDATES,
    };
    // The other kind's favourite shows that it loses.
    let others = usize::from(!quick);
    let naive = tiled(false, 1, 1, 64);
    own.into_iter()
        .filter(fits)
        .take(most)
        .chain(other.into_iter().filter(fits).take(others))
        .chain((inputs.effort == Effort::Thorough && m >= MANY_TOKENS).then_some(naive))
        .collect()
}

/// One invocation for whole rows of weights. Several rows spare reads of the tokens.
fn alone(m: u64) -> Vec<GpuMatmul> {
    let way = |size, columns| GpuMatmul {
        layout: Some(AccessLayout::Contiguous),
        reduction: Some(Reduction::Invocation),
        ..tile(m, columns, size)
    };
    vec![way(8, 4), way(8, 2), way(32, 1), way(64, 4)]
}

/// A workgroup for each row of weights, or for a few.
fn together(inputs: PlanInputs, m: u64) -> Vec<GpuMatmul> {
    [(64, 2), (32, 1), (128, 1), (256, 1), (32, 4)].map(|(size, columns)| strided(inputs, size, m, columns)).into()
}

fn strided(inputs: PlanInputs, size: u32, rows: u64, columns: u64) -> GpuMatmul {
    let reduction = if has_feature(inputs.machine, "subgroups") { Reduction::Subgroup } else { Reduction::Workgroup };
    GpuMatmul { layout: Some(AccessLayout::Strided), reduction: Some(reduction), ..tile(rows, columns, size) }
}

/// Rows and columns of an invocation's tile, and invocations of a workgroup.
type Sizes = (u64, u64, u32);

/// Operands pass through workgroup memory: squares of 8 or 16 invocations a side.
fn staged(m: u64) -> Vec<GpuMatmul> {
    const TILES: [Sizes; 10] = [
        (8, 8, 64),
        (8, 8, 256),
        (4, 8, 256),
        (4, 8, 64),
        (4, 4, 256),
        (4, 4, 64),
        (2, 8, 64),
        (2, 4, 256),
        (2, 4, 64),
        (1, 8, 256),
    ];
    filled(true, m, &TILES)
}

/// Each invocation decodes for itself.
fn unstaged(m: u64) -> Vec<GpuMatmul> {
    const TILES: [Sizes; 5] = [(8, 8, 64), (4, 8, 64), (8, 4, 64), (2, 8, 64), (2, 4, 64)];
    filled(false, m, &TILES)
}

/// The tiles of `tiles` that so many tokens fill.
fn filled(staged: bool, m: u64, tiles: &[Sizes]) -> Vec<GpuMatmul> {
    let rows_of_workgroup = |&(rows, _, size): &Sizes| rows * u64::from(size.isqrt());
    let fill = tiles.iter().copied().filter(|tile| rows_of_workgroup(tile) <= m);
    fill.map(|(rows, columns, size)| tiled(staged, rows, columns, size)).collect()
}

fn tiled(staged: bool, rows: u64, columns: u64, size: u32) -> GpuMatmul {
    GpuMatmul { staged: Some(staged), ..tile(rows, columns, size) }
}

/// That tile and workgroup; the extents and the rest are the caller's.
fn tile(rows: u64, columns: u64, size: u32) -> GpuMatmul {
    let tile = Tile::of(rows as u32, columns as u32);
    let (m, n, k, copies, layout, reduction, staged) = (0, 0, 0, 0, None, None, None);
    GpuMatmul { m, n, k, copies, tile, workgroup_size: size, layout, reduction, staged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use crate::probe::gpu::tests::machine;
    use crate::profile::{GpuClass, Machine};

    const CLASSES: [GpuClass; 3] = [GpuClass::Discrete, GpuClass::Integrated, GpuClass::Software];

    fn asked(machine: &Machine, effort: Effort) -> Vec<Question> {
        questions(PlanInputs::new(machine, &[], effort))
    }

    #[test]
    fn formats_without_a_shader_have_a_reason_and_all_others_candidates() {
        for class in CLASSES {
            let questions = asked(&machine(class), Effort::Quick);
            assert_eq!(questions.len(), 16);
            for question in questions {
                let missing = !FORMATS.map(Some).contains(&question.id.dtype());
                assert_eq!(question.candidates.is_empty(), missing, "{}", question.id);
                assert!(!missing || question.otherwise.1.starts_with("there is no WGSL matmul"));
                assert!(question.candidates.len() <= CANDIDATES_QUICK);
            }
        }
    }

    #[test]
    fn both_kinds_are_tried_when_there_is_time_and_the_own_one_first() {
        for class in CLASSES {
            let software = class == GpuClass::Software;
            for question in asked(&machine(class), Effort::Standard).iter().filter(|q| !q.candidates.is_empty()) {
                // Whether an invocation stays for itself, as suits software.
                let alone = |job: &Job| match job.variant.keys().staged {
                    Some(staged) => !staged,
                    None => job.variant.keys().layout == Some(AccessLayout::Contiguous),
                };
                assert_eq!(alone(&question.candidates[0]), software, "{}", question.id);
                assert!(question.candidates.iter().any(|job| alone(job) != software), "{}", question.id);
                assert!(question.candidates.len() <= 6);
            }
        }
    }

    #[test]
    fn weights_exceed_the_cache_and_fit_a_binding() {
        let machine = machine(GpuClass::Discrete);
        let jobs = asked(&machine, Effort::Standard).into_iter().flat_map(|question| question.candidates);
        for job in jobs {
            let keys = job.variant.keys();
            let [n, k, copies] = [keys.n, keys.k, keys.copies.map(u64::from)].map(Option::unwrap);
            let matrix = job.dtype.bytes(u128::from(n * k)).unwrap();
            assert!(matrix * u128::from(copies) >= 4 * (32 << 20), "{job}");
            assert!(matrix < u128::from(limits(&machine).binding_bytes), "{job}");
        }
    }

    #[test]
    fn subgroups_are_asked_for_only_where_they_are() {
        let mut machine = machine(GpuClass::Discrete);
        let asks = |machine: &Machine| {
            let mut jobs = asked(machine, Effort::Standard).into_iter().flat_map(|question| question.candidates);
            jobs.any(|job| job.variant.keys().reduction == Some(Reduction::Subgroup))
        };
        assert!(asks(&machine));
        machine.device.gpu.as_mut().unwrap().features.clear();
        assert!(!asks(&machine));
    }

    #[test]
    fn too_little_memory_is_said() {
        let mut machine = machine(GpuClass::Discrete);
        machine.environment.memory_available_bytes = 128 << 20;
        let question = &asked(&machine, Effort::Quick)[0];
        assert!(question.candidates.is_empty() && question.otherwise.1.contains("too little memory"));
    }
}
