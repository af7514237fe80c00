//! The machines that nobody has here, as they would be read.

use super::super::recorded::recorded;
use super::*;

const PI_5: &str = include_str!("../../../../../tests/data/topology/raspberry-pi-5.txt");
const RK3588: &str = include_str!("../../../../../tests/data/topology/rk3588.txt");
const SNAPDRAGON_X: &str = include_str!("../../../../../tests/data/topology/snapdragon-x-elite.txt");
const ALDER_LAKE: &str = include_str!("../../../../../tests/data/topology/alder-lake.txt");
const LUNAR_LAKE: &str = include_str!("../../../../../tests/data/topology/lunar-lake.txt");
const M1: &str = include_str!("../../../../../tests/data/topology/m1-linux.txt");
const M1_SYSCTL: &str = include_str!("../../../../../tests/data/topology/m1-sysctl.txt");
const M4_SYSCTL: &str = include_str!("../../../../../tests/data/topology/m4-sysctl.txt");
const GRAVITON: &str = include_str!("../../../../../tests/data/topology/graviton3.txt");
const SUB_NUMA: &str = include_str!("../../../../../tests/data/topology/two-sockets-snc.txt");
const COMPLEXES: &str = include_str!("../../../../../tests/data/topology/two-sockets-ccd.txt");
const STACKED: &str = include_str!("../../../../../tests/data/topology/stacked-cache.txt");

/// One logical CPU of each core.
fn cores(tree: &str, cpus: u32) -> Vec<LogicalCpu> {
    let tree = recorded(tree);
    let all: Vec<u32> = (0..cpus).collect();
    let cores = tree.sysfs.one_per_core(&all, |cpu| cpu as usize);
    tree.sysfs.logical_cpus(&cores, "")
}

/// Name, cores, CPUs and capacity of each class.
fn told(tree: &str, cpus: u32) -> Vec<(String, u32, String, Option<u32>)> {
    let classes = described(&cores(tree, cpus)).into_iter();
    classes.map(|c| (c.name, c.cores, c.cpus.map(|cpus| cpus.to_string()).unwrap_or_default(), c.capacity)).collect()
}

/// The CPUs in the order of the threads.
fn in_order(tree: &str, cpus: u32) -> Vec<u32> {
    let cores = cores(tree, cpus);
    order(&cores).into_iter().map(|at| cores[at].cpu).collect()
}

#[test]
fn cores_that_are_alike_have_no_classes() {
    for (tree, cpus) in [(PI_5, 4), (SNAPDRAGON_X, 12), (GRAVITON, 64), (SUB_NUMA, 224), (COMPLEXES, 192)] {
        assert_eq!(told(tree, cpus), [], "{}", tree.lines().next().unwrap());
    }
    assert_eq!(in_order(PI_5, 4), [0, 1, 2, 3]);
}

#[test]
fn big_cores_come_before_little_ones() {
    let class = |name: &str, cores, cpus: &str, capacity| (name.to_owned(), cores, cpus.to_owned(), capacity);
    assert_eq!(
        told(RK3588, 8),
        [class("Cortex-A76, 2.40 GHz", 4, "4-7", Some(1024)), class("Cortex-A55, 1.80 GHz", 4, "0-3", Some(397))]
    );
    assert_eq!(in_order(RK3588, 8), [4, 5, 6, 7, 0, 1, 2, 3]);
    assert_eq!(
        told(M1, 8),
        [
            class("Apple M1 Firestorm, 3.20 GHz", 4, "4-7", Some(1024)),
            class("Apple M1 Icestorm, 2.06 GHz", 4, "0-3", Some(459))
        ]
    );
    assert_eq!(described(&cores(RK3588, 8))[0].told_by, "MIDR_EL1, cpu_capacity");
}

#[test]
fn favoured_cores_are_of_their_neighbours_class() {
    // One CPU of each P core, whichever clock it has; then the E cores.
    let classes = told(ALDER_LAKE, 24);
    assert_eq!(classes[0].2, "0,2,4,6,8,10,12,14");
    assert_eq!((classes[1].0.as_str(), classes[1].2.as_str(), classes.len()), ("E core, 3.90 GHz", "16-23", 2));
    assert_eq!(described(&cores(ALDER_LAKE, 24))[0].told_by, "the kind of core (CPUID leaf 0x1A), the highest clock");
    let classes = told(LUNAR_LAKE, 8);
    assert_eq!(classes.iter().map(|class| class.2.as_str()).collect::<Vec<_>>(), ["0-3", "4-7"]);
}

#[test]
fn low_power_cores_of_one_kind_are_told_by_their_clock() {
    // As on Meteor Lake: the E cores of the package's edge share the kind with the others.
    let core = |cpu, kind, max_khz| LogicalCpu { cpu, kind: Some(kind), max_khz: Some(max_khz), ..Default::default() };
    let cores = [
        core(0, Kind::Efficient, 2_500_000),
        core(1, Kind::Efficient, 3_800_000),
        core(2, Kind::Performance, 4_800_000),
    ];
    let classes: Vec<Vec<usize>> = classes(&cores);
    assert_eq!(classes, [vec![2], vec![1], vec![0]]);
    assert_eq!(
        [0x4000_0001, 0x2000_0001, 0].map(Kind::of_leaf),
        [Some(Kind::Performance), Some(Kind::Efficient), None]
    );
}

#[test]
fn threads_spread_over_caches_and_nodes() {
    // The first 24 threads are on 24 complexes, the first eight on eight nodes of two sockets.
    let order = in_order(COMPLEXES, 192);
    assert_eq!(order[..4], [0, 8, 16, 24]);
    let distinct =
        |cpus: &[u32], each: u32| cpus.iter().map(|cpu| cpu / each).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((distinct(&order[..24], 8), distinct(&order[24..48], 8)), (24, 24));
    assert_eq!(in_order(SUB_NUMA, 224)[..9], [0, 14, 28, 42, 56, 70, 84, 98, 1]);
    assert_eq!(in_order(SNAPDRAGON_X, 12)[..4], [0, 4, 8, 1]);
    // Two L3 of different sizes: both complexes take turns.
    let order = in_order(STACKED, 16);
    assert_eq!(order[..2], [0, 8]);
}

#[test]
fn nodes_are_those_of_the_cores() {
    let nodes: Vec<Option<u32>> = [0, 14, 111].map(|cpu| cores(SUB_NUMA, 224)[cpu].node).to_vec();
    assert_eq!(nodes, [Some(0), Some(1), Some(7)]);
    let tree = recorded(SUB_NUMA);
    assert_eq!(tree.sysfs.node_memory_bytes(0), Some(65_674_212 << 10));
    assert_eq!(tree.sysfs.node_memory_bytes(3), None);
}

#[test]
fn where_the_registers_are_hidden_cpuinfo_tells_the_designs() {
    let tree = recorded("cpu[0-1]/topology/thread_siblings_list {n}");
    let cpuinfo = "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd05\n\
                   processor : 1\nCPU implementer : 0x41\nCPU part : 0xd0b\n";
    let cores = tree.sysfs.logical_cpus(&[0, 1], cpuinfo);
    let classes = described(&cores);
    // Nothing tells which is faster: the order of the numbers stays.
    assert_eq!(classes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Cortex-A55", "Cortex-A76"]);
    assert_eq!(classes[0].told_by, "MIDR_EL1");
    assert_eq!(described(&tree.sysfs.logical_cpus(&[0, 1], "")), []);
}

#[test]
fn performance_levels_are_classes() {
    let told = |sysctl| performance_levels(sysctl).into_iter().map(|c| (c.name, c.cores, c.cpus)).collect::<Vec<_>>();
    let level = |name: &str, cores| (name.to_owned(), cores, None);
    assert_eq!(told(M1_SYSCTL), [level("Performance", 4), level("Efficiency", 4)]);
    assert_eq!(told(M4_SYSCTL), [level("Performance", 4), level("Efficiency", 6)]);
    assert_eq!(told("hw.nperflevels: 1\nhw.perflevel0.physicalcpu: 8\n"), []);
}
