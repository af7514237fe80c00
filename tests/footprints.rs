//! How large arrays are: found by a race on devices of known caches, within the memory that an effort may take, and the same when
//! the profile is replayed.

use roofprobe::device::{Attempt, Device, Purpose, Timing};
use roofprobe::error::Result;
use roofprobe::job::Job;
use roofprobe::probe;
use roofprobe::profile::{Cache, Ceiling, Curve, Effort, Machine, Profile, Status, Variant, VariantKeys};
use roofprobe::sample::{self, Pace, Progress, Session, Watcher};
use roofprobe::simulate::{Simulated, curves_as_asked};
use roofprobe::store::SHIPPED;
use roofprobe::units::{Bytes, Seconds};
use roofprobe::work::Work;
use roofprobe_kernels::{Op, Shape};
use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

struct Patient;

impl Watcher for Patient {
    fn progress(&mut self, _: &Progress<'_>) {}
    fn save(&mut self, _: &[Ceiling]) -> Result<()> {
        Ok(())
    }
    fn surveyed(&mut self, _: &[Curve]) -> Result<()> {
        Ok(())
    }
    fn interrupted(&self) -> bool {
        false
    }
}

/// A machine whose system tells one last cache, and that has another one.
struct Modelled {
    machine: Machine,
    /// The last cache that is there.
    cache: u64,
}

impl Modelled {
    fn new(told: u64, cache: u64, available: u64) -> Modelled {
        let mut machine = SHIPPED[0].profile().unwrap().machine().unwrap();
        let level = |level, bytes, instances| Cache { level, bytes, instances, shared_by: 1 };
        machine.device.caches = vec![level(1, 32 << 10, 2), level(2, MIB, 2), level(3, told, 1)];
        machine.environment.memory_available_bytes = available;
        machine.environment.threads = 2;
        Modelled { machine, cache }
    }

    /// GB/s: a cache that is gone through in a circle holds all of it, or less and less, and nothing of twice its size.
    fn rate(&self, footprint: u64) -> f64 {
        let between = |from: f64, to: f64, end: u64| {
            let beyond = (footprint as f64 / end as f64 - 1.0).clamp(0.0, 1.0);
            from * (to / from).powf(beyond)
        };
        match footprint {
            bytes if bytes <= 4 * MIB => between(400.0, 180.0, 2 * MIB),
            _ => between(180.0, 30.0, self.cache),
        }
    }
}

impl Device for Modelled {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn time(&mut self, job: &Job, repetitions: u64, _: Purpose) -> Attempt {
        let footprint = job.variant.keys().footprint_bytes.unwrap_or(GIB);
        let bytes = Bytes(footprint as f64 * repetitions as f64);
        let seconds = Seconds(bytes.0 / (self.rate(footprint) * 1e9));
        Ok(Timing { seconds, repetitions, work: Work { bytes, ..Work::default() }, ..Timing::default() })
    }

    fn renew(&mut self) {}
}

fn surveyed(device: &mut Modelled, effort: Effort) -> Vec<Curve> {
    let machine = device.machine();
    let questions = |curves: &[Curve]| {
        let mut questions = probe::survey(&machine, curves, effort);
        questions.retain(probe::CurveQuestion::gives_sizes);
        questions
    };
    sample::survey(&mut Session::new(device, Pace::of_replay(effort), &mut Patient), &questions, &[]).unwrap().curves
}

/// Bytes that all jobs together need at once: what is read (streams, weights, keys and values share it) and what is written, for each
/// kind of pages, or the largest chase.
fn planned_bytes(machine: &Machine, curves: &[Curve], effort: Effort) -> u64 {
    let plan = probe::plan(machine, curves, effort);
    // What is left after the race is given back before anything else is asked.
    let (first, later): (Vec<_>, Vec<_>) =
        probe::survey(machine, curves, effort).into_iter().partition(probe::CurveQuestion::gives_sizes);
    let first = bytes_of(first.into_iter().flat_map(|question| question.points));
    let later = bytes_of(later.into_iter().flat_map(|question| question.points));
    first.max(later).max(bytes_of(plan.iter().flat_map(|question| question.jobs().cloned())))
}

fn bytes_of(jobs: impl Iterator<Item = Job>) -> u64 {
    let (mut read, mut written, mut chased) = (BTreeMap::new(), BTreeMap::new(), 0);
    for job in jobs {
        let keys = job.variant.keys();
        let pages = keys.pages.map(|pages| pages.name());
        let each = u64::from(keys.copies.unwrap_or(1));
        let (of_read, of_written) = match &job.variant {
            Variant::Stream(stream) => {
                let cost = job.op.cost(Shape::stream(1));
                let array = stream.footprint_bytes / (cost.input_read + cost.output_written) as u64;
                (cost.input_read as u64 * array, cost.output_written as u64 * array)
            }
            Variant::Matmul(matmul) => (job.dtype.bytes(u128::from(matmul.n * matmul.k)).unwrap() as u64 * each, 0),
            Variant::Attention(of) => {
                // Latents are keys and values at once.
                let halves = if of.value_dim.is_some() { 1 } else { 2 };
                (of.kv_heads * of.context * of.head_dim * 2 * halves * each, 0)
            }
            Variant::Chase(chase) => {
                chased = chased.max(chase.footprint_bytes);
                continue;
            }
            _ => continue,
        };
        let most = |map: &mut BTreeMap<_, u64>, bytes: u64| {
            let known = map.entry(pages).or_default();
            *known = bytes.max(*known);
        };
        most(&mut read, of_read);
        most(&mut written, of_written);
    }
    read.values().chain(written.values()).sum::<u64>().max(chased)
}

fn read_bytes(machine: &Machine, curves: &[Curve], effort: Effort) -> Option<u64> {
    let questions = probe::plan(machine, curves, effort);
    let read = questions.iter().find(|question| question.id == "memory.dram.read").unwrap();
    read.candidates.first().and_then(|job| job.variant.keys().footprint_bytes)
}

#[test]
fn arrays_are_as_large_as_the_cache_that_is_there_asks_for() {
    // Told, there, and the array.
    for (told, there, from, to) in [
        (32 * MIB, 32 * MIB, 128 * MIB, 256 * MIB),
        (300 * MIB, 64 * MIB, 128 * MIB, 400 * MIB),
        (300 * MIB, 300 * MIB, 800 * MIB, 2400 * MIB),
        // A system that tells too little.
        (8 * MIB, 96 * MIB, 192 * MIB, 512 * MIB),
    ] {
        let mut device = Modelled::new(told, there, 100 * GIB);
        let curves = surveyed(&mut device, Effort::Standard);
        let array = read_bytes(&device.machine, &curves, Effort::Standard).unwrap();
        assert!((from..=to).contains(&array), "told {told}, there {there}: {array}");
        let without = read_bytes(&device.machine, &[], Effort::Thorough).unwrap();
        assert_eq!(
            without,
            64.max(8 * told / MIB).next_multiple_of(8) * MIB,
            "without a race the rule of the topology holds"
        );
    }
}

#[test]
fn memory_stays_within_what_an_effort_may_take() {
    // The process itself, tokens, results, and what is made up once.
    let rest = 200 * MIB;
    for (told, there) in [(32 * MIB, 32 * MIB), (300 * MIB, 64 * MIB), (GIB, 64 * MIB), (GIB, GIB)] {
        for (effort, most) in [(Effort::Quick, 3 * GIB / 2), (Effort::Standard, 3 * GIB)] {
            let mut device = Modelled::new(told, there, 22 * GIB);
            let curves = surveyed(&mut device, effort);
            let bytes = planned_bytes(&device.machine, &curves, effort);
            assert!(bytes + rest <= most, "told {told}, there {there}, {effort}: {} MiB", bytes / MIB);
            // Also where nothing is known yet.
            let bytes = planned_bytes(&device.machine, &[], effort);
            assert!(bytes + rest <= most, "told {told}, no curve, {effort}: {} MiB", bytes / MIB);
        }
    }
}

#[test]
fn a_gigabyte_of_cache_that_is_there_takes_more_memory_or_is_skipped() {
    // On a machine that has much memory, honest arrays are made.
    let mut device = Modelled::new(GIB, GIB, 384 * GIB);
    let curves = surveyed(&mut device, Effort::Quick);
    let array = read_bytes(&device.machine, &curves, Effort::Quick).unwrap();
    assert!(array >= 5 * GIB / 2 && planned_bytes(&device.machine, &curves, Effort::Quick) <= 12 * GIB, "{array}");
    // On one that has little, a quick look does without, and says why.
    let mut device = Modelled::new(GIB, GIB, 22 * GIB);
    let curves = surveyed(&mut device, Effort::Quick);
    let questions = probe::plan(&device.machine, &curves, Effort::Quick);
    let read = questions.iter().find(|question| question.id == "memory.dram.read").unwrap();
    assert_eq!((read.candidates.len(), read.otherwise.0), (0, Status::Skipped));
    assert!(read.otherwise.1.contains("at this effort"), "{}", read.otherwise.1);
    // A longer one may take more.
    let curves = surveyed(&mut device, Effort::Thorough);
    assert!(read_bytes(&device.machine, &curves, Effort::Thorough) >= Some(5 * GIB / 2));
}

#[test]
fn a_race_is_replayed_and_stops_where_it_stopped() {
    for (told, there) in [(32 * MIB, 32 * MIB), (8 * MIB, 96 * MIB)] {
        let mut device = Modelled::new(told, there, 22 * GIB);
        let curves = surveyed(&mut device, Effort::Standard);
        let race = curves.last().unwrap();
        assert_eq!((race.id.as_str(), race.status), ("memory.read.footprint", Status::Measured));
        let mut profile = SHIPPED[0].profile().unwrap();
        profile.device = device.machine.device.clone();
        profile.environment = Some(device.machine.environment.clone());
        profile.curve.clone_from(&curves);
        let again = replayed(&profile, Effort::Standard);
        assert_eq!(again, curves);
    }
}

fn replayed(profile: &Profile, effort: Effort) -> Vec<Curve> {
    let mut device = Simulated::new(profile.clone()).unwrap();
    let machine = device.machine();
    let questions = |curves: &[Curve]| curves_as_asked(profile, probe::survey(&machine, curves, effort));
    sample::survey(&mut Session::new(&mut device, Pace::of_replay(effort), &mut Patient), &questions, &[])
        .unwrap()
        .curves
}

#[test]
fn what_an_operation_reads_is_as_much_for_each() {
    let mut device = Modelled::new(32 * MIB, 32 * MIB, 22 * GIB);
    let curves = surveyed(&mut device, Effort::Standard);
    let array = read_bytes(&device.machine, &curves, Effort::Standard).unwrap();
    for question in probe::plan(&device.machine, &curves, Effort::Standard) {
        let Some(VariantKeys { footprint_bytes: Some(footprint), .. }) =
            question.candidates.first().map(|job| job.variant.keys()).filter(|_| question.id.as_str().contains("dram"))
        else {
            continue;
        };
        let arrays = match question.candidates[0].op {
            Op::Read | Op::Write => footprint,
            Op::Copy | Op::Scale => footprint / 2,
            Op::Add | Op::Triad => footprint / 3 * 2,
            _ => continue,
        };
        assert_eq!(arrays, array, "{}", question.id);
    }
}
