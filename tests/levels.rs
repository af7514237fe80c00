//! Levels from synthetic curves: clean and noisy ones, machines that tell wrong sizes or none, caches that are missing.

use roofprobe::probe::{Levels, levels};
use roofprobe::profile::{Cache, Curve, Status};
use roofprobe_kernels::reference::Random;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What the caches tell: level, bytes of one, instances.
fn told(caches: &[(u32, u64, u32)]) -> Vec<Cache> {
    caches.iter().map(|&(level, bytes, instances)| Cache { level, bytes, instances, shared_by: 1 }).collect()
}

/// Two cores like those of a Zen 4.
fn zen() -> Vec<Cache> {
    told(&[(1, 32 * KIB, 2), (2, MIB, 2), (3, 32 * MIB, 1)])
}

/// A curve that falls at each of `ends` (all threads together) from one rate to the next, over half an octave, with so
/// much noise; three points per octave from 8 KiB to 128 MiB.
fn curve(ends: &[u64], rates: &[f64], noise: f64, seed: u64) -> Curve {
    assert_eq!(rates.len(), ends.len() + 1);
    let mut random = Random::new(seed);
    let mut curve = Curve::empty("memory.read.resident".parse().unwrap(), Status::Measured, None);
    for third in 0..=42 {
        let bytes = 8.0 * KIB as f64 * 2f64.powf(f64::from(third) / 3.0);
        let mut log_rate = rates[0].log2();
        for (end, pair) in ends.iter().zip(rates.windows(2)) {
            let beyond = (bytes / *end as f64).log2() / 0.5 + 0.5;
            log_rate += beyond.clamp(0.0, 1.0) * (pair[1] / pair[0]).log2();
        }
        curve.footprint_bytes.push(bytes as u64 / 512 * 512);
        curve.gb_per_s.push(log_rate.exp2() * (1.0 + noise * random.signed_unit()));
    }
    curve
}

fn within(levels: &Levels, level: u32, below: u64, end: u64) {
    let found = levels.caches.iter().find(|l| l.level == level).unwrap_or_else(|| panic!("no l{level}: {levels:?}"));
    let room = 2 * below..=end / 2;
    assert!(room.contains(&found.footprint_bytes), "l{level} in {room:?}: {levels:?}");
}

fn flagged(levels: &Levels) -> Vec<u32> {
    levels.caches.iter().filter(|l| !l.flags.is_empty()).map(|l| l.level).collect()
}

#[test]
fn a_clean_curve_agrees_with_the_topology() {
    let curve = curve(&[64 * KIB, 2 * MIB, 32 * MIB], &[420.0, 230.0, 195.0, 35.0], 0.0, 1);
    let found = levels(Some(&curve), &zen(), 2);
    assert_eq!(flagged(&found), [0; 0], "{found:?}");
    within(&found, 1, 0, 64 * KIB);
    within(&found, 2, 64 * KIB, 2 * MIB);
    within(&found, 3, 2 * MIB, 32 * MIB);
    assert!(found.memory_flags.is_empty() && found.last_bytes == Some(32 * MIB), "{found:?}");
}

#[test]
fn noise_and_single_odd_points_change_nothing() {
    for seed in 1..=200 {
        let mut noisy = curve(&[64 * KIB, 2 * MIB, 32 * MIB], &[420.0, 230.0, 180.0, 35.0], 0.04, seed);
        // One point interrupted, one in the fast moment of a shared memory.
        noisy.gb_per_s[14] *= 0.6;
        noisy.gb_per_s[41] *= 1.6;
        let found = levels(Some(&noisy), &zen(), 2);
        assert_eq!(flagged(&found), [0; 0], "seed {seed}: {found:?}");
        within(&found, 1, 0, 64 * KIB);
        within(&found, 2, 64 * KIB, 2 * MIB);
        within(&found, 3, 2 * MIB, 32 * MIB);
    }
}

#[test]
fn a_wrong_size_is_flagged_and_the_curve_decides() {
    // The machine tells 32 MiB of L3 and has the use of 6.
    let curve = curve(&[64 * KIB, 512 * KIB, 6 * MIB], &[420.0, 230.0, 150.0, 35.0], 0.02, 3);
    let found = levels(Some(&curve), &told(&[(1, 32 * KIB, 2), (2, 256 * KIB, 2), (3, 32 * MIB, 1)]), 2);
    assert_eq!(flagged(&found), [3], "{found:?}");
    within(&found, 3, 512 * KIB, 6 * MIB);
    assert_eq!(found.last_bytes, Some(32 * MIB), "memory is beyond both");
    // And the other way round: more than is told.
    let found = levels(Some(&curve), &told(&[(1, 32 * KIB, 2), (2, 256 * KIB, 2), (3, 2 * MIB, 1)]), 2);
    assert_eq!(flagged(&found), [3], "{found:?}");
    assert!(found.last_bytes.unwrap() > 4 * MIB && !found.memory_flags.is_empty(), "{found:?}");
}

#[test]
fn a_level_that_does_not_show_is_flagged() {
    let curve = curve(&[64 * KIB, 2 * MIB], &[420.0, 230.0, 35.0], 0.02, 4);
    let found = levels(Some(&curve), &zen(), 2);
    assert_eq!(flagged(&found), [3], "{found:?}");
    assert!(found.caches[2].flags[0].to_string().contains("no edge"), "{found:?}");
    within(&found, 2, 64 * KIB, 2 * MIB);
}

#[test]
fn without_a_third_level_there_is_none() {
    let curve = curve(&[64 * KIB, 2 * MIB], &[420.0, 230.0, 35.0], 0.02, 5);
    let found = levels(Some(&curve), &told(&[(1, 32 * KIB, 2), (2, MIB, 2)]), 2);
    assert_eq!((found.caches.len(), flagged(&found)), (2, vec![]), "{found:?}");
    assert_eq!(found.last_bytes, Some(2 * MIB), "what is told, as the curve agrees");
}

#[test]
fn without_topology_the_curve_alone_decides() {
    let falling = curve(&[64 * KIB, 2 * MIB, 32 * MIB], &[420.0, 230.0, 160.0, 35.0], 0.02, 6);
    let found = levels(Some(&falling), &[], 2);
    assert_eq!(found.caches.len(), 3, "{found:?}");
    within(&found, 1, 0, 64 * KIB);
    within(&found, 2, 64 * KIB, 2 * MIB);
    within(&found, 3, 2 * MIB, 32 * MIB);
    assert_eq!(flagged(&found), [1, 2, 3], "what the system did not tell is said");
    let end = found.last_bytes.unwrap();
    assert!((16 * MIB..64 * MIB).contains(&end), "{end}");
    // A single level, and none at all.
    let found = levels(Some(&curve(&[MIB], &[100.0, 10.0], 0.02, 7)), &[], 1);
    assert_eq!(found.caches.len(), 1, "{found:?}");
    let found = levels(Some(&curve(&[], &[10.0], 0.02, 8)), &[], 1);
    assert_eq!((found.caches.len(), found.last_bytes), (0, None));
    assert_eq!(levels(None, &[], 2), Levels::default());
}

#[test]
fn without_a_curve_the_topology_alone_decides_for_the_threads_there_are() {
    let found = levels(None, &zen(), 2);
    assert_eq!(flagged(&found), [0; 0]);
    within(&found, 3, 2 * MIB, 32 * MIB);
    let one = levels(None, &zen(), 1);
    within(&one, 1, 0, 32 * KIB);
    within(&one, 2, 32 * KIB, MIB);
    // Cores of two kinds: each thread has one.
    let mixed = levels(None, &told(&[(1, 32 * KIB, 1), (1, 64 * KIB, 1)]), 2);
    within(&mixed, 1, 0, 96 * KIB);
}

#[test]
fn a_shared_cache_with_a_slower_part_is_measured_in_its_faster_one() {
    // Neighbours leave 10 of 32 MiB undisturbed.
    let curve = curve(&[64 * KIB, 2 * MIB, 10 * MIB, 40 * MIB], &[420.0, 230.0, 190.0, 90.0, 35.0], 0.02, 11);
    let found = levels(Some(&curve), &zen(), 2);
    assert_eq!(flagged(&found), [0; 0], "{found:?}");
    within(&found, 3, 2 * MIB, 20 * MIB);
    assert!(found.caches[2].footprint_bytes < 8 * MIB, "{found:?}");
}

#[test]
fn latencies_rise_where_rates_fall() {
    let mut curve = curve(&[32 * KIB, MIB, 32 * MIB], &[1.0, 1.0 / 3.9, 1.0 / 13.0, 1.0 / 120.0], 0.02, 9);
    curve.id = "latency.resident".parse().unwrap();
    curve.ns = curve.gb_per_s.drain(..).map(|rate| 1.0 / rate).collect();
    let found = levels(Some(&curve), &zen(), 1);
    assert_eq!(flagged(&found), [0; 0], "{found:?}");
    within(&found, 3, MIB, 32 * MIB);
}

/// Whatever the machine: footprints ascend, and lie between the levels when those leave room.
#[test]
fn footprints_ascend_on_any_machine() {
    let mut random = Random::new(10);
    let mut between = |low: u64, high: u64| low + random.bits() % (high - low + 1);
    for seed in 1..=300 {
        let (first, second, third) = (between(3, 6), between(3, 6), between(3, 6));
        let ends = [first, first + second, first + second + third].map(|octave| (8 * KIB) << octave);
        let ends: Vec<u64> = ends.into_iter().filter(|&end| end <= 16 * MIB).collect();
        let rates = [400.0, 200.0, 120.0, 30.0];
        let curve = curve(&ends, &rates[..=ends.len()], 0.03, seed);
        for caches in [vec![], ends.iter().zip(1..).map(|(&end, level)| (level, end, 1)).collect::<Vec<_>>()] {
            let found = levels(Some(&curve), &told(&caches), 1);
            assert_eq!(found.caches.len(), ends.len(), "seed {seed}, {ends:?}: {found:?}");
            let mut below = 0;
            for (level, &end) in (1..).zip(&ends) {
                // Where only the curve tells, its edge is as sharp as its points.
                let slack = if caches.is_empty() { 2 } else { 1 };
                within(&found, level, below / slack, end * slack);
                below = end;
            }
        }
    }
}

#[test]
fn a_cache_that_keeps_what_the_level_below_threw_out_ends_later() {
    // Not inclusive (Zen, Skylake-SP): the second and the third level hold different lines, so that 32 MiB end at 34, and 1.4 at 2.7.
    let victim = curve(&[64 * KIB, 2 * MIB, 34 * MIB], &[420.0, 230.0, 190.0, 35.0], 0.02, 12);
    let found = levels(Some(&victim), &zen(), 2);
    assert_eq!(flagged(&found), [0; 0], "{found:?}");
    within(&found, 3, 2 * MIB, 32 * MIB);
    assert_eq!(found.last_bytes, Some(32 * MIB));
    let slices = curve(&[64 * KIB, 2 * MIB, 5 * MIB], &[420.0, 230.0, 150.0, 35.0], 0.02, 13);
    let found = levels(Some(&slices), &told(&[(1, 32 * KIB, 2), (2, MIB, 2), (3, 2816 * KIB, 1)]), 2);
    // The third ends so near to the second that the curve shows one edge for both.
    assert_eq!(flagged(&found), [2, 3], "{found:?}");
}

#[test]
fn ways_of_a_cache_that_others_have_are_missed() {
    // Cache allocation: four of sixteen ways are ours. Sub-NUMA clusters: of 105 MiB told, a node reaches a quarter.
    for (told_bytes, reached) in [(32 * MIB, 8 * MIB), (105 * MIB, 26 * MIB)] {
        let curve = curve(&[64 * KIB, 2 * MIB, reached], &[420.0, 230.0, 150.0, 35.0], 0.02, 14);
        let found = levels(Some(&curve), &told(&[(1, 32 * KIB, 2), (2, MIB, 2), (3, told_bytes, 1)]), 2);
        assert_eq!(flagged(&found), [3], "{found:?}");
        assert!(found.caches[2].flags[0].to_string().contains("the curve falls"), "{found:?}");
        within(&found, 3, 2 * MIB, reached * 9 / 8);
        assert_eq!(found.last_bytes, Some(told_bytes), "arrays stay beyond what is told");
    }
}

#[test]
fn complexes_add_up_and_a_stacked_one_is_larger() {
    // Two complexes of eight cores: 32 MiB each. With a cache stacked on one of them, 96 and 32.
    let private = [(1, 32 * KIB, 16), (2, MIB, 16)];
    let both = |third: &[(u32, u64, u32)]| levels(None, &told(&[&private[..], third].concat()), 16);
    assert_eq!(both(&[(3, 32 * MIB, 2)]).last_bytes, Some(64 * MIB));
    let stacked = both(&[(3, 96 * MIB, 1), (3, 32 * MIB, 1)]);
    assert_eq!(stacked.last_bytes, Some(128 * MIB));
    within(&stacked, 3, 16 * MIB, 128 * MIB);
    // Two threads that are spread have both, one has the first.
    let few = |threads| levels(None, &told(&[(3, 96 * MIB, 1), (3, 32 * MIB, 1)]), threads).last_bytes;
    assert_eq!([few(2), few(1)], [Some(128 * MIB), Some(96 * MIB)]);
}
