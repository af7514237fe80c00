//! Thousands of machines at once: what machines of one kind reach, and which of them are slow, by which ceiling, and how sure that is.
//!
//! Machines with the same device and as many threads are a group. Of each ceiling the group has a middle (the median of logarithms of speeds) and a
//! scatter: 1.4826 times the median deviation (MAD; Rousseeuw and Croux 1993) of those below the middle, since noise makes a machine slower and never
//! faster, and of a thousand machines or more at least what the slowest hundredth deviates, so that long tails are no outliers, and it is widened where few machines tell it. A machine
//! is an outlier of a ceiling where it is slower than the middle by more than [`LEAST`], and its deviation in scatters is so improbable that no such one is to
//! be expected among all machines and ceilings of the fleet (Bonferroni at 5 %).
//!
//! Pure: nodes in, a record out.

mod node;

use crate::profile::CeilingId;
use crate::stats::median;
use crate::units::four_digits;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

pub use node::{Node, Speed};

/// Fewer machines of a kind than this have no middle to deviate from.
const GROUP_MIN: usize = 8;
/// From so many machines on the slowest hundredth tells the tail.
const TAIL_MIN: usize = 1000;
/// The normal distribution's hundredth lies so many scatters below its middle.
const HUNDREDTH: f64 = 2.326;
/// MAD to standard deviation of a normal distribution.
const MAD_SCALE: f64 = 1.4826;
/// No scatter is smaller: values have four digits, and no run repeats itself better.
const SCATTER_MIN: f64 = 0.005;
/// The scatter of n machines is itself not known better than to a share of 1.65/√n (the MAD of one half); the worst of a hundred ceilings is three times
/// as far off.
const DOUBT: f64 = 5.0;
/// An outlier is slower by this share, at least.
pub const LEAST: f64 = 0.05;
/// The chance of one false outlier in the whole fleet.
const FALSE_ALARM: f64 = 0.05;

/// A fleet.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fleet {
    /// How many machines there are.
    pub nodes: usize,
    /// Machines of one kind, the largest group first.
    pub groups: Vec<Group>,
    /// The slow ones, the surest first.
    pub outliers: Vec<Outlier>,
    /// How many comparisons the outliers stand among.
    pub comparisons: usize,
}

/// Machines of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// What they have in common.
    pub group: String,
    /// How many there are.
    pub nodes: usize,
    /// Whether they are enough to tell outliers.
    pub judged: bool,
    /// What they reach.
    pub ceilings: Vec<Distribution>,
}

/// What machines of one kind reach of one ceiling, in its own unit.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Distribution {
    /// The ceiling.
    pub ceiling: CeilingId,
    /// Its unit.
    pub unit: &'static str,
    /// How many machines have it.
    pub nodes: usize,
    /// The value that so many percent of the machines are below: 0, 5, 25, 50, 75, 95, 100.
    pub percentiles: [f64; 7],
    /// The scatter of speeds, as a share.
    pub scatter: f64,
}

/// The shares of [`Distribution::percentiles`].
const PERCENTILES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];

/// A machine that is slow for its kind.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Outlier {
    /// The machine.
    pub node: String,
    /// Its kind.
    pub group: String,
    /// The ceiling that marks it: the one that is least probable.
    pub ceiling: CeilingId,
    /// Its value there.
    pub value: f64,
    /// That of the middle machine.
    pub median: f64,
    /// How much slower it is, as a share.
    pub slower: f64,
    /// How many scatters that is.
    pub robust_z: f64,
    /// The chance that a fleet without any slow machine has one like it; an upper bound.
    pub chance: f64,
    /// The ceilings by which it is an outlier.
    pub ceilings: usize,
}

/// One value of a machine.
#[derive(Clone, Copy, Debug)]
struct Point {
    node: usize,
    /// Logarithm of the speed.
    log: f64,
    value: f64,
}

/// What `nodes` are together.
pub fn fleet(nodes: &[Node]) -> Fleet {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, node) in nodes.iter().enumerate() {
        groups.entry(&node.group).or_default().push(place);
    }
    let mut found: Vec<(Group, Vec<Candidate>)> =
        groups.iter().map(|(name, members)| group(name, members, nodes)).collect();
    found.sort_by_key(|(group, _)| std::cmp::Reverse(group.nodes));
    let judged = found.iter().filter(|(group, _)| group.judged);
    let comparisons: usize = judged.flat_map(|(group, _)| &group.ceilings).map(|of| of.nodes).sum();
    let limit = FALSE_ALARM / comparisons.max(1) as f64;
    let candidates = found.iter().flat_map(|(_, candidates)| candidates).filter(|one| one.chance <= limit);
    let mut by_node: BTreeMap<usize, (usize, &Candidate)> = BTreeMap::new();
    for one in candidates {
        let entry = by_node.entry(one.point.node).or_insert((0, one));
        entry.0 += 1;
        if one.z > entry.1.z {
            entry.1 = one;
        }
    }
    let mut outliers: Vec<Outlier> = by_node
        .into_iter()
        .map(|(place, (ceilings, marked))| Outlier {
            node: nodes[place].name.clone(),
            group: nodes[place].group.clone(),
            ceiling: marked.ceiling.clone(),
            value: marked.point.value,
            median: marked.median,
            slower: four_digits(1.0 - (-marked.deviation).exp()),
            robust_z: four_digits(marked.z),
            chance: (marked.chance * comparisons as f64).min(1.0),
            ceilings,
        })
        .collect();
    outliers.sort_by(|a, b| b.robust_z.total_cmp(&a.robust_z).then_with(|| a.node.cmp(&b.node)));
    Fleet { nodes: nodes.len(), groups: found.into_iter().map(|(group, _)| group).collect(), outliers, comparisons }
}

/// A value that is far below the middle.
struct Candidate {
    point: Point,
    ceiling: CeilingId,
    median: f64,
    /// Below the middle, logarithm.
    deviation: f64,
    z: f64,
    /// Of one value, as a normal distribution has it.
    chance: f64,
}

fn group(name: &str, members: &[usize], nodes: &[Node]) -> (Group, Vec<Candidate>) {
    let judged = members.len() >= GROUP_MIN;
    let mut ceilings: Vec<CeilingId> = Vec::new();
    let mut points: std::collections::HashMap<&str, Vec<Point>> = std::collections::HashMap::new();
    for &node in members {
        for Speed { id, value } in &nodes[node].speeds {
            let log = if id.unit().is_rate() { value.ln() } else { -value.ln() };
            let of = points.entry(id.as_str()).or_insert_with(|| {
                ceilings.push(id.clone());
                Vec::new()
            });
            of.push(Point { node, log, value: *value });
        }
    }
    let (mut distributions, mut candidates) = (Vec::new(), Vec::new());
    for id in ceilings {
        let mut of = points.remove(id.as_str()).unwrap_or_default();
        of.sort_by(|a, b| a.log.total_cmp(&b.log));
        let logs: Vec<f64> = of.iter().map(|point| point.log).collect();
        let (middle, scatter) = (median(&logs), scatter(&logs));
        let to_value = |log: f64| four_digits(if id.unit().is_rate() { log.exp() } else { (-log).exp() });
        if judged && of.len() >= GROUP_MIN {
            let doubt = 1.0 + DOUBT / (of.len() as f64).sqrt();
            let slow = of.iter().take_while(|point| middle - point.log > -(1.0 - LEAST).ln());
            candidates.extend(slow.map(|&point| {
                let deviation = middle - point.log;
                let z = deviation / (scatter * doubt);
                let median = to_value(middle);
                Candidate { point, ceiling: id.clone(), median, deviation, z, chance: upper_tail(z) }
            }));
        }
        let mut values: Vec<f64> = of.iter().map(|point| point.value).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        distributions.push(Distribution {
            unit: id.unit().symbol(),
            nodes: of.len(),
            percentiles: PERCENTILES.map(at),
            scatter: four_digits(scatter),
            ceiling: id,
        });
    }
    (Group { group: name.to_owned(), nodes: members.len(), judged, ceilings: distributions }, candidates)
}

/// The scatter of sorted logarithms of speeds.
fn scatter(sorted: &[f64]) -> f64 {
    let middle = median(sorted);
    let mut below: Vec<f64> = sorted.iter().map(|log| middle - log).filter(|deviation| *deviation >= 0.0).collect();
    below.sort_by(f64::total_cmp);
    let mad = MAD_SCALE * median(&below);
    let tail = if sorted.len() >= TAIL_MIN { (middle - sorted[sorted.len() / 100]) / HUNDREDTH } else { 0.0 };
    [mad, tail, SCATTER_MIN].into_iter().fold(0.0, f64::max)
}

/// The chance that a normal value lies more than `z` above its middle; for large z its upper bound φ(z)/z (Gordon 1941).
fn upper_tail(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (z.max(1.0) * (2.0 * std::f64::consts::PI).sqrt())
}
