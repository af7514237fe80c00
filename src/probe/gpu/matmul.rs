//! Matmul on a GPU: every weight format that there is a shader for, from one token to many.

use super::{has_feature, is_discrete, is_quick, is_software, limits};
use crate::probe::footprint::{self, Footprint, memory_limit};
use crate::probe::matmul::{self, K, MANY_TOKENS, N_MANY};
use crate::probe::{Operands, PlanInputs, Question};
use crate::profile::{AccessLayout, CeilingId, Effort, GpuMatmul, Reduction, Status, Tile};
use roofprobe_kernels::{Dtype, Op};

/// So many are few for a tile: a matrix of weights has to be read for them all the same.
const FEW_FOR_TILES: u64 = 32;
/// Bytes of the weights that few tokens read, at least, and how long hardware takes to read them, s: beginning and end do not show.
const MATRIX_BYTES_FEW: u64 = 96 << 20;
const SECONDS_FEW: f64 = 200e-6;
/// Rows of weights that many tokens use on a card of its own: as many tiles as keep all of it busy.
const N_MANY_DISCRETE: u64 = 16384;
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
const CANDIDATES: usize = 8;
const CANDIDATES_SOFTWARE: usize = 4;
const CANDIDATES_QUICK: usize = 3;
const CANDIDATES_QUICK_SOFTWARE: usize = 2;
/// Bytes of each row of tokens or weights that are staged at once, at most.
const STAGED_BYTES: u32 = 128;
/// Tiles that are tried in each arithmetic, and of cooperative matrices.
const TILES_EACH: usize = 3;
const MATRICES: usize = 3;

/// `matmul.<weights>.m<tokens>`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    matmul::for_each(inputs.effort, |weights, m| Question {
        operands: Some(Operands::Weights(weights)),
        ..question(inputs, weights, m)
    })
}

fn question(inputs: PlanInputs, weights: Dtype, m: u64) -> Question {
    let id = CeilingId::matmul(weights, m);
    let Extents { n, k, copies } = match extents(inputs, weights, m) {
        Ok(extents) => extents,
        Err(reason) => return Question::unasked(id, Status::Skipped, reason),
    };
    let sized = |way| GpuMatmul { m, n, k, copies, ..way };
    Question::of(id, Op::Matmul, weights, ways(inputs, weights, m).into_iter().map(sized))
}

/// Rows of weights that take long enough to read, by the bandwidth that was measured: a whole number of all tiles.
fn rows_few(inputs: PlanInputs, weights: Dtype) -> u64 {
    const GRAIN: u64 = 4096;
    let curve = inputs.curve(&CeilingId::memory_curve(Op::Read, "resident"));
    let gb_per_s = curve.and_then(|curve| curve.gb_per_s.last()).copied().unwrap_or(0.0);
    let needed = MATRIX_BYTES_FEW.max((gb_per_s * 1e9 * SECONDS_FEW) as u64);
    let rows = weights.bytes(u128::from(K * GRAIN)).and_then(|bytes| u64::try_from(bytes).ok());
    rows.map_or(GRAIN, |bytes| needed.div_ceil(bytes) * GRAIN)
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
        (false, true) => (rows_few(inputs, weights), K),
        (false, false) if is_discrete(inputs.machine) => (N_MANY_DISCRETE, K),
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
fn ways(inputs: PlanInputs, weights: Dtype, m: u64) -> Vec<GpuMatmul> {
    let software = is_software(inputs.machine);
    let (own, other) = match (software, m < MANY_TOKENS) {
        (true, true) => (alone(m), together(inputs, weights, m)),
        (true, false) => (unstaged(m), staged(m)),
        (false, true) => (together(inputs, weights, m), alone(m)),
        (false, false) => (in_tiles(inputs, m), unstaged(m)),
    };
    let possible = |way: &GpuMatmul| is_possible(inputs, weights, way);
    let quick = is_quick(inputs);
    let most = match (quick, software) {
        (true, true) if m < MANY_TOKENS => CANDIDATES_QUICK_SOFTWARE,
        // Its compiler takes long for large tiles.
        (true, true) => 1,
        (true, false) => CANDIDATES_QUICK,
        (false, true) => CANDIDATES_SOFTWARE,
        (false, false) => CANDIDATES,
    };
    // The other kind's favourite shows that it loses.
    let others = usize::from(!quick);
    let naive = tiled(false, 1, 1, 64);
    own.into_iter()
        .filter(possible)
        .take(most)
        .chain(other.into_iter().filter(possible).take(others))
        .chain((inputs.effort == Effort::Thorough && m >= MANY_TOKENS).then_some(naive))
        .collect()
}

/// Whether the adapter has what `way` needs, and such weights are done so.
fn is_possible(inputs: PlanInputs, weights: Dtype, way: &GpuMatmul) -> bool {
    let plain = matches!(weights, Dtype::F32 | Dtype::F16 | Dtype::Bf16);
    let multiplied = match way.arithmetic {
        Some(Dtype::F16) => has_feature(inputs.machine, "f16") && !matches!(weights, Dtype::F32 | Dtype::Bf16),
        Some(Dtype::I8) => !plain,
        _ => true,
    };
    let read = way.vector.is_none() || !plain;
    let limits = limits(inputs.machine);
    let rows = way.workgroup_size.isqrt() * (way.tile.rows + way.tile.columns);
    let fits = way.staged != Some(true) || rows * STAGED_BYTES <= limits.workgroup_memory_bytes;
    multiplied && read && fits && way.workgroup_size <= limits.workgroup_invocations
}

/// One invocation for whole rows of weights. Several rows spare reads of the tokens.
fn alone(m: u64) -> Vec<GpuMatmul> {
    let way = |size, columns| GpuMatmul {
        layout: Some(AccessLayout::Contiguous),
        reduction: Some(Reduction::Invocation),
        ..tile(m, columns, size)
    };
    vec![in_bytes(way(8, 4)), way(8, 4), in_bytes(way(8, 2)), way(8, 2), way(32, 1), way(64, 4)]
}

/// A workgroup for each row of weights, or for a few. Four rows share what the tokens cost.
fn together(inputs: PlanInputs, weights: Dtype, m: u64) -> Vec<GpuMatmul> {
    let way = |size, columns| strided(inputs, size, m, columns);
    if matches!(weights, Dtype::F32 | Dtype::F16 | Dtype::Bf16) {
        return vec![way(64, 4), way(64, 2), in_halves(way(64, 4)), way(32, 4), way(128, 1), way(256, 1), way(32, 1)];
    }
    vec![
        in_bytes(way(64, 4)),
        by_words(way(64, 4)),
        in_bytes(by_words(way(64, 4))),
        way(32, 4),
        in_bytes(way(64, 2)),
        in_halves(way(64, 4)),
        by_words(way(128, 2)),
        in_bytes(by_words(way(128, 1))),
        way(64, 2),
        way(32, 1),
    ]
}

fn strided(inputs: PlanInputs, size: u32, rows: u64, columns: u64) -> GpuMatmul {
    let reduction = if has_feature(inputs.machine, "subgroups") { Reduction::Subgroup } else { Reduction::Workgroup };
    GpuMatmul { layout: Some(AccessLayout::Strided), reduction: Some(reduction), ..tile(rows, columns, size) }
}

/// Tokens and weights multiplied as bytes.
fn in_bytes(way: GpuMatmul) -> GpuMatmul {
    GpuMatmul { arithmetic: Some(Dtype::I8), ..way }
}

/// Tokens and weights multiplied as halves.
fn in_halves(way: GpuMatmul) -> GpuMatmul {
    GpuMatmul { arithmetic: Some(Dtype::F16), ..way }
}

/// Weights read word by word, so that neighbours read neighbouring words.
fn by_words(way: GpuMatmul) -> GpuMatmul {
    GpuMatmul { vector: Some(1), ..way }
}

fn split(parts: u32, way: GpuMatmul) -> GpuMatmul {
    GpuMatmul { split_k: Some(parts), ..way }
}

/// Rows and columns of an invocation's tile, and invocations of a workgroup.
type Sizes = (u64, u64, u32);

/// Many tokens on hardware.
fn in_tiles(inputs: PlanInputs, m: u64) -> Vec<GpuMatmul> {
    let f32 = staged(m);
    let matrices = of_matrices(inputs, m);
    let bytes = f32.iter().cloned().map(in_bytes);
    let halves = f32.iter().cloned().map(in_halves);
    let each =
        bytes.zip(halves).zip(&f32).take(TILES_EACH).flat_map(|((bytes, halves), f32)| [halves, bytes, f32.clone()]);
    let mut all: Vec<GpuMatmul> = matrices.into_iter().chain(each).collect();
    if m <= FEW_FOR_TILES {
        // For so few tokens a workgroup may still fare better with whole rows of weights, and few tiles need their sums split.
        all.insert(1, in_bytes(strided(inputs, 64, 8, 2)));
        all.insert(2, strided(inputs, 64, 8, 1));
        let parts = f32.first().cloned().into_iter().flat_map(|way| [split(8, in_bytes(way.clone())), split(8, way)]);
        all.splice(3..3, parts);
    }
    all
}

/// Put together from cooperative matrices with f16 factors and f32 sums, where the adapter lists some.
fn of_matrices(inputs: PlanInputs, m: u64) -> Vec<GpuMatmul> {
    /// Matrices that a subgroup has along rows and along columns of the result.
    const TILES: [(u64, u64); 4] = [(4, 2), (2, 2), (4, 4), (1, 4)];
    /// Subgroups of a workgroup.
    const SUBGROUPS: u32 = 4;
    let Some(gpu) = &inputs.machine.device.gpu else { return Vec::new() };
    let listed = |side: &u32| gpu.cooperative_matrices.contains(&format!("{} f16 f32", Tile::cube(*side)));
    let Some(side) = [16, 8].into_iter().find(listed) else { return Vec::new() };
    let size = gpu.subgroup_max.unwrap_or(32) * SUBGROUPS;
    // Rows of 32 halves with eight between them.
    let bytes = |(rows, columns): (u64, u64)| (rows + columns * u64::from(SUBGROUPS)) * u64::from(side) * 80;
    let fits =
        |tile: &(u64, u64)| tile.0 * u64::from(side) <= m && bytes(*tile) <= gpu.limits.workgroup_memory_bytes.into();
    let way = |(rows, columns)| GpuMatmul { matrix: Some(Tile::cube(side)), ..in_halves(tile(rows, columns, size)) };
    TILES.into_iter().filter(fits).map(way).take(MATRICES).collect()
}

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

/// Each invocation decodes for itself. Bytes want smaller tiles than f32, and those compile faster.
fn unstaged(m: u64) -> Vec<GpuMatmul> {
    const TILES: [Sizes; 5] = [(8, 8, 64), (4, 8, 64), (8, 4, 64), (2, 8, 64), (2, 4, 64)];
    const OF_BYTES: [Sizes; 3] = [(4, 4, 64), (8, 8, 64), (2, 4, 64)];
    let mut bytes = filled(false, m, &OF_BYTES).into_iter().map(in_bytes);
    let mut all: Vec<GpuMatmul> = bytes.next().into_iter().collect();
    for f32 in filled(false, m, &TILES) {
        all.push(f32);
        all.extend(bytes.next());
    }
    all
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
    GpuMatmul::plain(Tile::of(rows as u32, columns as u32), size)
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
    fn every_format_has_candidates_and_a_quick_look_few() {
        for class in CLASSES {
            for question in asked(&machine(class), Effort::Quick) {
                assert!((1..=CANDIDATES_QUICK).contains(&question.candidates.len()), "{}", question.id);
            }
        }
    }

    #[test]
    fn halves_are_asked_for_only_where_they_are_and_fit() {
        let mut machine = machine(GpuClass::Discrete);
        let in_halves = |machine: &Machine| {
            let jobs = asked(machine, Effort::Standard).into_iter().flat_map(|question| question.candidates);
            let halves = jobs.filter(|job| job.variant.keys().arithmetic == Some(Dtype::F16.into()));
            halves.map(|job| job.dtype).collect::<Vec<_>>()
        };
        let asked = in_halves(&machine);
        assert!(asked.contains(&Dtype::Q4K) && asked.contains(&Dtype::F16) && !asked.contains(&Dtype::Bf16));
        machine.device.gpu.as_mut().unwrap().features.clear();
        assert_eq!(in_halves(&machine), []);
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
                assert!(question.candidates.len() <= CANDIDATES + 1);
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
