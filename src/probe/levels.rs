//! The levels of the memory hierarchy: found on the measured curve, checked against what the system tells.
//!
//! A virtual machine may tell any cache sizes, and a shared cache is as large as its neighbours leave it. So the curve
//! decides where both speak, and a disagreement is said on the level's ceilings.

use crate::profile::{Cache, CeilingId, Curve, Flag};
use crate::units::four_digits;
use roofprobe_kernels::Op;

/// Where a curve falls for the last time, bytes; none where it never falls.
pub(super) fn last_fall(curve: &Curve) -> Option<u64> {
    edges(curve)?.last().map(|edge| edge.bytes as u64)
}

/// The curve of bandwidth over working sets, `memory.read.resident`.
pub(super) fn resident_id() -> CeilingId {
    CeilingId::memory_curve(Op::Read, "resident")
}

/// One cache level, for all threads together.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// 1 is nearest to the core.
    pub level: u32,
    /// A working set well within this level and well beyond the one below, all threads together.
    pub footprint_bytes: u64,
    /// The largest such working set. Some cores read a private cache faster where little of the set is left in the level below
    /// (second level of Zen 5: 515 instead of 395 GB/s), on others neighbours take a part of a shared cache away: both are tried.
    pub largest_bytes: u64,
    /// What its ceilings have to say about it.
    pub flags: Vec<Flag>,
}

/// The caches, and where memory begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    /// Nearest first.
    pub caches: Vec<Level>,
    /// Where the last cache ends, if anything tells.
    pub last_bytes: Option<u64>,
    /// What the ceilings of memory have to say about it.
    pub memory_flags: Vec<Flag>,
}

/// A stretch of the curve at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plateau {
    first: f64,
    last: f64,
    /// Binary logarithm of the rate.
    log_rate: f64,
}

/// The end of a plateau.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge {
    bytes: f64,
    plateau: Plateau,
}

/// Noise of a point is at least this much (log₂): smaller estimates come from few points, and would cut anywhere.
const NOISE_MIN: f64 = 0.03;
/// A cut must save so many squared noises per log of the points (the Bayesian criterion asks 2 for a mean and a place).
const CUT_PENALTY: f64 = 4.0;
/// Fewer points are no stretch.
const STRETCH_POINTS_MIN: usize = 2;
/// A fall by less than this (log₂; 6 %) is the same plateau.
const FALL_MIN: f64 = 0.085;
/// A stretch narrower than this (log₂) between two others is the slope from one to the other.
const SLOPE_OCTAVES_MAX: f64 = 1.0;
/// An edge farther than this from the reported size (log₂) is a disagreement.
const AGREE_OCTAVES: f64 = 1.0;
/// What it costs, in octaves, to leave a reported size or an edge without a partner.
const CACHE_ALONE: f64 = 2.0;
const EDGE_ALONE: f64 = 1.0;

/// The levels that `threads` threads have, from the resident curve of those threads, the caches that the system reports, or either alone.
pub fn levels(curve: Option<&Curve>, caches: &[Cache], threads: u32) -> Levels {
    let reported = capacities(caches, threads);
    let edges = curve.and_then(edges);
    let seen = edges.as_deref().unwrap_or_default();
    let seen_any = edges.is_some();
    if reported.is_empty() {
        return from_edges(seen);
    }
    let partners = match edges {
        Some(_) => align(&reported, seen),
        None => vec![None; reported.len()],
    };
    let mut levels = Levels::default();
    let mut below = 0.0;
    // The plateau that begins where the level below ends: a shared cache may show a slower one behind it.
    let mut next = 0;
    for (&(level, bytes), partner) in reported.iter().zip(&partners) {
        let mut flags = Vec::new();
        let edge = partner.map(|at| seen[at]);
        let end = match edge {
            Some(edge) if (edge.bytes / bytes).log2().abs() <= AGREE_OCTAVES => edge.bytes.min(bytes),
            Some(edge) => {
                let [told, seen] = [bytes, edge.bytes].map(size);
                flags.push(Flag::Other(format!("the system tells {told}, the curve falls at {seen}")));
                edge.bytes
            }
            None => {
                if seen_any {
                    let told = size(bytes);
                    flags.push(Flag::Other(format!("the system tells {told}, and the curve shows no edge for it")));
                }
                bytes
            }
        };
        let plateau = partner.map(|at| {
            let from = std::mem::replace(&mut next, at + 1);
            seen[from].plateau
        });
        // Where the sizes agree, they say it better than a plateau does, which noise may have cut anywhere.
        let plateau = plateau.filter(|_| !flags.is_empty());
        let [footprint_bytes, largest_bytes] = footprints(below, end, plateau, &mut flags);
        levels.caches.push(Level { level, footprint_bytes, largest_bytes, flags });
        below = end.max(below);
    }
    levels.end_at(reported.last().map_or(0.0, |&(_, bytes)| bytes), seen.last().map_or(0.0, |edge| edge.bytes));
    levels
}

impl Levels {
    /// Notes where the last cache ends, of which the system tells a size and the curve shows an edge.
    fn end_at(&mut self, last_reported: f64, farthest: f64) {
        if farthest > last_reported * AGREE_OCTAVES.exp2() {
            let sizes = [last_reported, farthest].map(size);
            let remark = format!("the last cache told is {}, and the curve falls at {}", sizes[0], sizes[1]);
            self.memory_flags.push(Flag::Other(remark));
            self.last_bytes = Some(farthest as u64);
        } else {
            // The reported size is the same in every run, an edge a little different each time.
            self.last_bytes = Some(last_reported as u64);
        }
    }
}

/// The levels where the system tells none: what the curve shows.
fn from_edges(edges: &[Edge]) -> Levels {
    let mut levels = Levels::default();
    let mut below = 0.0;
    for (edge, level) in edges.iter().zip(1..) {
        let mut flags = vec![Flag::Other(format!("the system tells no size; the curve falls at {}", size(edge.bytes)))];
        let [footprint_bytes, largest_bytes] = footprints(below, edge.bytes, Some(edge.plateau), &mut flags);
        levels.caches.push(Level { level, footprint_bytes, largest_bytes, flags });
        below = edge.bytes;
    }
    levels.last_bytes = edges.last().map(|edge| edge.bytes as u64);
    levels
}

/// What the caches of each level hold for so many threads, nearest first. A private cache counts once per thread.
fn capacities(caches: &[Cache], threads: u32) -> Vec<(u32, f64)> {
    let mut reported: Vec<(u32, f64)> = Vec::new();
    let mut left = std::collections::BTreeMap::new();
    for cache in caches {
        // Caches of one level may differ in size (cores of two kinds): as many instances as there are threads.
        let left = left.entry(cache.level).or_insert(threads);
        let instances = cache.instances.min(*left);
        *left -= instances;
        let bytes = cache.bytes as f64 * f64::from(instances);
        match reported.iter_mut().find(|(level, _)| *level == cache.level) {
            Some((_, sum)) => *sum += bytes,
            None => reported.push((cache.level, bytes)),
        }
    }
    reported.sort_by_key(|&(level, _)| level);
    reported
}

/// A working set between the end of the level below and the end of this one, twice clear of both where they leave room;
/// on the plateau, where there is one. And the largest such.
fn footprints(below: f64, end: f64, plateau: Option<Plateau>, flags: &mut Vec<Flag>) -> [u64; 2] {
    let (least, most) = (below * 2.0, end / 2.0);
    if least > most && below > 0.0 {
        flags.push(Flag::Other(format!("it ends at {}, less than four times the level below", size(end))));
    }
    // Three times the level below leaves nothing there; more would stay unvisited for longer, and longer exposed to the
    // neighbours of a shared cache.
    let middle = if below > 0.0 { (below * end).sqrt().min(below * 3.0) } else { most };
    // A plateau that leaves this level is some other one's: of a neighbour's load, or of a cache that is cut in two.
    let own = plateau.filter(|p| p.first <= p.last && p.first <= most && p.last >= least);
    let on_plateau = own.map_or(middle, |p| middle.clamp(p.first, p.last));
    let clear = if least <= most { on_plateau.clamp(least, most) } else { on_plateau };
    let largest = own.map_or(most, |p| most.min(p.last)).max(clear);
    [clear, largest].map(|bytes| bytes as u64)
}

/// Finds each cache's edge, keeping the order: the least sum of distances in octaves.
fn align(reported: &[(u32, f64)], edges: &[Edge]) -> Vec<Option<usize>> {
    // cost[i][j]: the first i caches against the first j edges.
    let (rows, columns) = (reported.len(), edges.len());
    let distance = |i: usize, j: usize| (edges[j].bytes / reported[i].1).log2().abs();
    let mut cost = vec![vec![0.0; columns + 1]; rows + 1];
    for i in 0..=rows {
        for j in 0..=columns {
            let alone = i as f64 * CACHE_ALONE + j as f64 * EDGE_ALONE;
            cost[i][j] = if i == 0 || j == 0 {
                alone
            } else {
                let paired: f64 = cost[i - 1][j - 1] + distance(i - 1, j - 1);
                paired.min(cost[i - 1][j] + CACHE_ALONE).min(cost[i][j - 1] + EDGE_ALONE)
            };
        }
    }
    let mut partners = vec![None; rows];
    let (mut i, mut j) = (rows, columns);
    while i > 0 && j > 0 {
        if cost[i][j] == cost[i - 1][j - 1] + distance(i - 1, j - 1) {
            (i, j) = (i - 1, j - 1);
            partners[i] = Some(j);
        } else if cost[i][j] == cost[i - 1][j] + CACHE_ALONE {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    partners
}

/// Where the plateaus of a resident curve end; `None` when it has no values.
fn edges(curve: &Curve) -> Option<Vec<Edge>> {
    let (values, unit) = curve.values()?;
    let places: Vec<f64> = curve.footprint_bytes.iter().map(|&bytes| bytes as f64).collect();
    if places.len() != values.len() {
        return None;
    }
    let logs = values.iter().map(|&v| if unit.is_rate() { v.log2() } else { -v.log2() }).collect::<Vec<_>>();
    let plateaus = plateaus(&places, &smooth(&logs));
    let edge = |pair: &[Plateau]| Edge { bytes: (pair[0].last * pair[1].first).sqrt(), plateau: pair[0] };
    Some(plateaus.windows(2).map(edge).collect())
}

/// The running median of three: one odd point is no level, and edges stay where they are.
fn smooth(values: &[f64]) -> Vec<f64> {
    let median = |at: usize| {
        let (a, b, c) = (values[at - 1], values[at], values[at + 1]);
        a.max(b).min(a.min(b).max(c))
    };
    let inner = |at: usize| if at == 0 || at + 1 == values.len() { values[at] } else { median(at) };
    (0..values.len()).map(inner).collect()
}

/// The stretches of one rate, without the slopes between them.
fn plateaus(places: &[f64], logs: &[f64]) -> Vec<Plateau> {
    let mut plateaus: Vec<Plateau> = segments(logs)
        .into_iter()
        .map(|part| Plateau {
            first: places[part.start],
            last: places[part.end - 1],
            log_rate: logs[part.clone()].iter().sum::<f64>() / part.len() as f64,
        })
        .collect();
    merge(&mut plateaus);
    let count = plateaus.len();
    let mut at = 0;
    plateaus.retain(|p| {
        let inner = at > 0 && at + 1 < count;
        at += 1;
        !inner || (p.last / p.first).log2() >= SLOPE_OCTAVES_MAX
    });
    merge(&mut plateaus);
    plateaus
}

/// Joins neighbours that do not fall: farther from the core nothing is faster, so what rises is the same level with less
/// in its way.
fn merge(plateaus: &mut Vec<Plateau>) {
    let mut at = 1;
    while at < plateaus.len() {
        let (a, b) = (plateaus[at - 1], plateaus[at]);
        if a.log_rate - b.log_rate < FALL_MIN {
            plateaus[at - 1] = Plateau { first: a.first, last: b.last, log_rate: a.log_rate.max(b.log_rate) };
            plateaus.remove(at);
            at = at.saturating_sub(1).max(1);
        } else {
            at += 1;
        }
    }
}

/// The best cut into stretches of one mean each: least squared deviation plus a price per cut.
fn segments(logs: &[f64]) -> Vec<std::ops::Range<usize>> {
    let n = logs.len();
    if n < 2 * STRETCH_POINTS_MIN {
        return std::iter::once(0..n).filter(|part| !part.is_empty()).collect();
    }
    let price = CUT_PENALTY * noise(logs).powi(2) * (n as f64).ln();
    let sums = |power: i32| {
        let mut sum = 0.0;
        std::iter::once(0.0)
            .chain(logs.iter().map(|x| {
                sum += x.powi(power);
                sum
            }))
            .collect::<Vec<f64>>()
    };
    let (first, second) = (sums(1), sums(2));
    let deviation = |a: usize, b: usize| {
        let (sum, count) = (first[b] - first[a], (b - a) as f64);
        second[b] - second[a] - sum * sum / count
    };
    // best[b]: the least cost of the first b points, and where their last stretch begins.
    let mut best = vec![(f64::INFINITY, 0); n + 1];
    best[0] = (0.0, 0);
    for b in STRETCH_POINTS_MIN..=n {
        for a in 0..=b - STRETCH_POINTS_MIN {
            let cost = best[a].0 + deviation(a, b) + price;
            if cost < best[b].0 {
                best[b] = (cost, a);
            }
        }
    }
    let mut parts = Vec::new();
    let mut end = n;
    while end > 0 {
        parts.push(best[end].1..end);
        end = best[end].1;
    }
    parts.reverse();
    parts
}

/// The noise of a point, from the distances of neighbours: levels change seldom, so their median is noise.
fn noise(logs: &[f64]) -> f64 {
    let mut distances: Vec<f64> = logs.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    distances.sort_by(f64::total_cmp);
    // Of normal noise: the median of |a − b| is 0.6745 · √2 standard deviations.
    let typical = distances.get(distances.len() / 2).copied().unwrap_or(0.0);
    (typical / 0.954).max(NOISE_MIN)
}

fn size(bytes: f64) -> String {
    let (value, unit) = if bytes < 1024.0 * 1024.0 { (bytes / 1024.0, "KiB") } else { (bytes / 1_048_576.0, "MiB") };
    format!("{} {unit}", four_digits(value))
}
