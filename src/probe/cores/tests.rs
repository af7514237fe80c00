//! Machines that nobody has here, as questions see them.

use super::*;
use crate::probe::core_sets::other_sets;
use crate::probe::tests::machine;
use crate::probe::{plan, survey};
use crate::profile::{Cache, CoreClass, Curve, DeviceInfo, Environment, Machine, Means, Variant};

fn class(name: &str, cpus: std::ops::Range<u32>) -> CoreClass {
    let (cores, cpus, capacity) = (cpus.len() as u32, CpuList::of(cpus), None);
    CoreClass { name: name.into(), cores, cpus, capacity, told_by: "cpu_capacity".into() }
}

/// Four big and four little cores, as an RK3588 has them.
fn hybrid() -> Machine {
    let Machine { device, environment } = machine();
    let core_classes = vec![class("big", 4..8), class("little", 0..4)];
    let caches = vec![Cache { level: 3, bytes: 3 << 20, instances: 1, shared_by: 8 }];
    Machine {
        device: DeviceInfo { core_classes, caches, cores: Some(8), logical_cpus: Some(8), ..device },
        environment: Environment {
            threads: 8,
            allowed_cpus: (0..8).collect(),
            pinned_cpus: CpuList::of((4..8).chain(0..4)),
            ..environment
        },
    }
}

/// Two sockets of 96 cores in complexes of eight, four nodes each.
fn many() -> Machine {
    let Machine { device, environment } = machine();
    let caches = vec![Cache { level: 3, bytes: 32 << 20, instances: 24, shared_by: 8 }];
    let node =
        |n: u32| NumaNode { node: n, cpus: CpuList::of(n * 24..n * 24 + 24).unwrap(), memory_bytes: Some(96 << 30) };
    Machine {
        device: DeviceInfo {
            caches,
            cores: Some(192),
            logical_cpus: Some(192),
            memory_bytes: Some(768 << 30),
            ..device
        },
        environment: Environment {
            threads: 192,
            allowed_cpus: (0..192).collect(),
            pinned_cpus: CpuList::of(0..192),
            numa_nodes: Some(8),
            nodes: (0..8).map(node).collect(),
            memory_available_bytes: 750 << 30,
            ..environment
        },
    }
}

fn asked(machine: &Machine, effort: Effort) -> Vec<Question> {
    questions(PlanInputs::new(machine, &[], effort))
}

/// Threads, CPUs, node of the memory, and bytes of each thread.
fn first(question: &Question) -> (u32, String, Option<u32>, u64) {
    let keys = question.candidates[0].variant.keys();
    let threads = keys.threads.unwrap();
    (threads, keys.cpus.unwrap().to_string(), keys.memory_node, keys.footprint_bytes.unwrap_or(0) / u64::from(threads))
}

#[test]
fn a_machine_whose_cores_are_alike_is_asked_nothing_more() {
    for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
        assert_eq!(asked(&machine(), effort), []);
    }
    assert_eq!(other_sets(PlanInputs::new(&machine(), &[], Effort::Quick)), []);
}

#[test]
fn each_class_has_its_peaks_and_its_bandwidth() {
    let questions = asked(&hybrid(), Effort::Quick);
    let ids: Vec<String> = questions.iter().map(|question| question.id.to_string()).collect();
    assert_eq!(ids, ["compute.f32.class0", "memory.dram.read.class0", "compute.f32.class1", "memory.dram.read.class1"]);
    assert_eq!(first(&questions[0]), (4, "4-7".to_owned(), None, 0));
    assert_eq!(first(&questions[3]).1, "0-3");
    // Also of the other types, where there is time.
    let more = asked(&hybrid(), Effort::Standard);
    let wanted = CeilingId::compute(Dtype::I8, Means::Best).of_part(Part::Class(1));
    assert!(more.iter().any(|question| question.id == wanted));
    assert!(questions.iter().chain(&more).all(|question| !question.candidates.is_empty()));
}

#[test]
fn the_big_cores_alone_are_raced_against_all() {
    let machine = hybrid();
    let of = |id: &str| {
        let questions = plan(&machine, &[], Effort::Quick);
        questions.into_iter().find(|question| question.id == id).unwrap().candidates
    };
    let sets = |jobs: Vec<crate::job::Job>| {
        let set =
            |job: &crate::job::Job| (job.variant.keys().threads, job.variant.keys().cpus.map(|cpus| cpus.to_string()));
        let mut sets: Vec<_> = jobs.iter().map(set).collect();
        sets.dedup();
        sets
    };
    // Half of the threads are the big cores.
    assert_eq!(sets(of("memory.dram.read")), [(Some(8), None), (Some(4), None)]);
    assert_eq!(sets(of("matmul.q4_0.m512")), [(Some(8), None), (Some(4), Some("4-7".to_owned()))]);
    // One token waits for memory, as a read does.
    let of_one = sets(of("matmul.q4_0.m1"));
    assert!(of_one.contains(&(Some(4), None)) && !of_one.iter().any(|set| set.1.is_some()), "{of_one:?}");
    assert_eq!(sets(of("attention.f16.decode")), [(Some(8), None)]);
}

#[test]
fn the_knee_of_the_curve_is_raced_against_all_threads() {
    let machine = Machine {
        device: DeviceInfo { core_classes: Vec::new(), ..hybrid().device },
        environment: Environment { threads: 4, pinned_cpus: CpuList::of(0..4), ..hybrid().environment },
    };
    let mut curve = Curve::empty(CeilingId::memory_curve(Op::Read, "threads"), Status::Measured, None);
    // A Raspberry Pi 5, as llama.cpp#26484 has it.
    (curve.threads, curve.gb_per_s) = (vec![1, 2, 4], vec![9.26, 13.23, 11.59]);
    let sets = |curve: &Curve| other_sets(PlanInputs::new(&machine, std::slice::from_ref(curve), Effort::Standard));
    assert_eq!(sets(&curve), [CoreSet { threads: 2, cpus: None }]);
    curve.gb_per_s = vec![5.0, 9.0, 14.0];
    assert_eq!(sets(&curve), []);
    // Without a curve half of them, from four on.
    let quick = |threads| {
        let environment = Environment { threads, pinned_cpus: CpuList::of(0..threads), ..machine.environment.clone() };
        let machine = Machine { environment, device: machine.device.clone() };
        other_sets(PlanInputs::new(&machine, &[], Effort::Quick)).iter().map(|set| set.threads).collect::<Vec<_>>()
    };
    assert_eq!((quick(3), quick(4)), (vec![], vec![2]));
    // One per cent is noise.
    curve.gb_per_s = vec![9.0, 14.1, 14.0];
    assert_eq!(sets(&curve), []);
}

#[test]
fn slow_classes_have_curves_of_their_own() {
    let curves = survey(&hybrid(), &[], Effort::Standard);
    let of_class = curves.iter().find(|curve| curve.id == "memory.read.threads.class1").unwrap();
    let keys: Vec<_> = of_class.points.iter().map(|job| job.variant.keys()).collect();
    assert_eq!(keys.iter().filter_map(|keys| keys.threads).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(keys.iter().all(|keys| keys.cpus.as_ref().is_some_and(|cpus| cpus.to_string() == "0-3")));
    assert!(curves.iter().all(|curve| curve.id != "memory.read.threads.class0"));
}

#[test]
fn nodes_read_their_own_memory_and_that_of_the_others() {
    let questions = asked(&many(), Effort::Standard);
    assert_eq!(questions.len(), 8 + 7);
    assert_eq!(first(&questions[3]).1, "72-95");
    assert_eq!(questions[8].id, "memory.dram.read.node0_node1");
    let (threads, cpus, node, each) = first(&questions[8]);
    assert_eq!((threads, cpus.as_str(), node), (24, "0-23", Some(1)));
    // An eighth of the caches, which three L3 of 32 MiB are; four times that at least.
    assert!(each * 24 >= 4 * 3 * (32 << 20), "{each}");
    // And not much more than eight times that: the rest of the machine's caches are not theirs.
    assert!(each * 24 <= 10 * 3 * (32 << 20), "{each}");
    assert_eq!(asked(&many(), Effort::Quick), []);
}

#[test]
fn what_is_asked_grows_with_parts_and_not_with_cores() {
    let (few, many) = (machine(), many());
    for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
        let (of_few, of_many) = (plan(&few, &[], effort).len(), plan(&many, &[], effort).len());
        assert!(of_many <= of_few + 15, "{of_few} {of_many}");
        let points = |machine: &Machine| survey(machine, &[], effort).iter().map(|curve| curve.points.len()).max();
        assert!(points(&many).unwrap() <= 64, "{:?}", points(&many));
    }
    let curves = survey(&many, &[], Effort::Standard);
    let threads = curves.iter().find(|curve| curve.id == "memory.read.threads").unwrap();
    let counts: Vec<u64> = threads.points.iter().filter_map(|job| threads.axis.of(&job.variant.keys())).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192]);
}

#[test]
fn arrays_are_beyond_all_caches_of_many_cores() {
    // 24 × 32 MiB of L3: four times that is read before a place is visited again.
    let read = plan(&many(), &[], Effort::Standard).into_iter().find(|q| q.id == "memory.dram.read").unwrap();
    let bytes = read.candidates[0].variant.keys().footprint_bytes.unwrap();
    assert!(bytes >= 4 * 24 * (32 << 20), "{bytes}");
    let fewer = read.candidates.iter().find(|job| job.variant.keys().threads == Some(96)).unwrap();
    let Variant::Stream(stream) = &fewer.variant else { panic!("{fewer}") };
    assert!(stream.footprint_bytes >= footprint::by_rule(24 * (32 << 20)).least);
}
