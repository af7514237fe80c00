//! Which cores are of one kind, and in which order threads take them. Pure: it works on what the system told.
//!
//! ```text
//! class   cores of one kind and design whose speeds are alike; the fastest class first
//! domain  cores that share a node of memory and the last cache
//! order   class after class, and within one of them from domain to domain in turn
//! ```
//!
//! So the first `n` threads are the fastest `n` cores, and they have as much memory and cache as `n` cores can have.

use super::midr;
use crate::profile::{CoreClass, CpuList};
use std::collections::BTreeMap;

/// A logical CPU as the system tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LogicalCpu {
    pub(super) cpu: u32,
    pub(super) kind: Option<Kind>,
    /// MIDR_EL1 of an AArch64 core.
    pub(super) midr: Option<u64>,
    /// What the scheduler expects of it, the fastest being 1024.
    pub(super) capacity: Option<u32>,
    /// Its highest clock.
    pub(super) max_khz: Option<u64>,
    pub(super) node: Option<u32>,
    /// The CPUs that share the last cache with it, as the system lists them.
    pub(super) last_cache: Option<String>,
}

/// The kind of an x86 core (CPUID leaf 0x1A, EAX bits 24 to 31), the faster first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Intel Core: 0x40.
    Performance,
    /// Intel Atom: 0x20.
    Efficient,
}

impl Kind {
    /// By the leaf's EAX; `None` where the core has no kind.
    #[cfg(any(test, target_arch = "x86_64"))]
    pub(super) fn of_leaf(eax: u32) -> Option<Kind> {
        match eax >> 24 {
            0x40 => Some(Kind::Performance),
            0x20 => Some(Kind::Efficient),
            _ => None,
        }
    }
}

/// Cores of one design that are slower than this share of the fastest of them are a class of their own. A favoured core's turbo is
/// 5 % above its neighbours', and the nearest real classes are 25 % apart.
const ALIKE_MIN: f64 = 0.85;

/// The classes of these cores, the fastest first, each with the places of its cores.
pub(super) fn classes(cores: &[LogicalCpu]) -> Vec<Vec<usize>> {
    let mut designs: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, core) in cores.iter().enumerate() {
        let design = core.midr.map(|midr| (midr >> 24 & 0xff, midr >> 4 & 0xfff));
        designs.entry((core.kind, design)).or_default().push(at);
    }
    let speed = speeds(cores);
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for mut alike in designs.into_values() {
        // The sort is stable: cores of one speed stay in the order of their numbers.
        alike.sort_by(|&a, &b| speed(b).total_cmp(&speed(a)));
        let mut rest = alike.as_slice();
        while let Some(&fastest) = rest.first() {
            let like_it = rest.iter().take_while(|&&core| speed(core) >= ALIKE_MIN * speed(fastest)).count();
            let mut class = rest[..like_it].to_vec();
            class.sort_unstable();
            classes.push(class);
            rest = &rest[like_it..];
        }
    }
    let key = |class: &[usize]| (class.iter().map(|&at| speed(at)).fold(0.0, f64::max), cores[class[0]].kind);
    classes.sort_by(|a, b| {
        let ((fast, kind), (other, other_kind)) = (key(a), key(b));
        other.total_cmp(&fast).then(kind.cmp(&other_kind)).then(a[0].cmp(&b[0]))
    });
    classes
}

/// How fast a core is beside the others: what the scheduler expects, else its highest clock; all alike where neither is told of
/// every core.
fn speeds(cores: &[LogicalCpu]) -> impl Fn(usize) -> f64 {
    let all = |of: fn(&LogicalCpu) -> Option<f64>| cores.iter().map(of).collect::<Option<Vec<f64>>>();
    let speeds = all(|core| core.capacity.map(f64::from)).or_else(|| all(|core| core.max_khz.map(|khz| khz as f64)));
    move |at| speeds.as_ref().map_or(1.0, |speeds| speeds[at])
}

/// The order in which threads take the cores: class after class, from domain to domain in turn.
pub(super) fn order(cores: &[LogicalCpu]) -> Vec<usize> {
    let mut order = Vec::with_capacity(cores.len());
    for class in classes(cores) {
        let mut domains: Vec<(_, usize)> = Vec::new();
        // How many of its domain come before a core, and which domain of the class it is.
        let mut places: Vec<(usize, usize, usize)> = Vec::new();
        for at in class {
            let domain = (cores[at].node, cores[at].last_cache.as_deref());
            let known = domains.iter().position(|(known, _)| *known == domain);
            let place = known.unwrap_or_else(|| {
                domains.push((domain, 0));
                domains.len() - 1
            });
            places.push((domains[place].1, place, at));
            domains[place].1 += 1;
        }
        places.sort_unstable();
        order.extend(places.into_iter().map(|(_, _, at)| at));
    }
    order
}

/// What a profile says of the classes of these cores, in the order of the threads; nothing where all are alike.
pub(super) fn described(cores: &[LogicalCpu]) -> Vec<CoreClass> {
    let classes = classes(cores);
    if classes.len() < 2 {
        return Vec::new();
    }
    let told_by = told_by(cores);
    let rank: BTreeMap<usize, usize> = order(cores).into_iter().enumerate().map(|(rank, at)| (at, rank)).collect();
    let class = |mut class: Vec<usize>| {
        class.sort_by_key(|at| rank[at]);
        let fastest = &cores[class[0]];
        CoreClass {
            name: name(fastest),
            cores: class.len() as u32,
            cpus: CpuList::of(class.iter().map(|&at| cores[at].cpu)),
            capacity: class.iter().filter_map(|&at| cores[at].capacity).max().filter(|&capacity| capacity > 0),
            told_by: told_by.clone(),
        }
    };
    classes.into_iter().map(class).collect()
}

fn name(core: &LogicalCpu) -> String {
    let clock = core.max_khz.map(|khz| format!("{:.2} GHz", khz as f64 / 1e6));
    let kind = core.kind.map(|kind| match kind {
        Kind::Performance => "P core",
        Kind::Efficient => "E core",
    });
    let design = core.midr.map(|midr| {
        let (implementer, part) = (midr >> 24 & 0xff, midr >> 4 & 0xfff);
        midr::design(midr).map_or_else(|| format!("part {part:#x} of implementer {implementer:#x}"), str::to_owned)
    });
    let what = design.or(kind.map(str::to_owned));
    let capacity = core.capacity.map(|capacity| format!("capacity {capacity}"));
    match (what, clock.or(capacity)) {
        (Some(what), Some(speed)) => format!("{what}, {speed}"),
        (Some(what), None) => what,
        (None, Some(speed)) => format!("cores of {speed}"),
        (None, None) => "cores".to_owned(),
    }
}

/// In which of what the system tells the cores differ.
fn told_by(cores: &[LogicalCpu]) -> String {
    fn differ<T: PartialEq>(cores: &[LogicalCpu], of: impl Fn(&LogicalCpu) -> T) -> bool {
        cores.windows(2).any(|pair| of(&pair[0]) != of(&pair[1]))
    }
    let by_speed = cores.iter().all(|core| core.capacity.is_some());
    let marks = [
        (differ(cores, |core| core.kind), "the kind of core (CPUID leaf 0x1A)"),
        (differ(cores, |core| core.midr.map(|midr| midr >> 4 & 0xfff)), "MIDR_EL1"),
        (by_speed && differ(cores, |core| core.capacity), "cpu_capacity"),
        (!by_speed && differ(cores, |core| core.max_khz), "the highest clock"),
    ];
    marks.into_iter().filter_map(|(differs, mark)| differs.then_some(mark)).collect::<Vec<_>>().join(", ")
}

/// The performance levels of macOS, as `sysctl hw` prints them: `hw.perflevel0` is the fastest. macOS does not say which CPU is of
/// which level, and pins no thread. Nothing where there is one level.
#[cfg(any(test, target_os = "macos"))]
pub(super) fn performance_levels(sysctl: &str) -> Vec<CoreClass> {
    let value = |key: String| sysctl.lines().find_map(|line| Some(line.strip_prefix(&key)?.strip_prefix(':')?.trim()));
    let level = |n: u32| {
        let cores: u32 = value(format!("hw.perflevel{n}.physicalcpu"))?.parse().ok()?;
        let name = value(format!("hw.perflevel{n}.name")).unwrap_or("cores").to_owned();
        Some(CoreClass { name, cores, cpus: None, capacity: None, told_by: "hw.perflevel of sysctl".to_owned() })
    };
    let levels: Vec<CoreClass> = (0..).map_while(level).filter(|class| class.cores > 0).collect();
    if levels.len() < 2 { Vec::new() } else { levels }
}

#[cfg(test)]
mod tests;
