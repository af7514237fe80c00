//! Units that several cores share are counted on devices that have so many of them, and the peaks try fewer threads there.

use roofprobe::device::{Attempt, Device, Purpose, Timing};
use roofprobe::error::Result;
use roofprobe::job::Job;
use roofprobe::probe;
use roofprobe::profile::{Ceiling, Curve, CurveAxis, Effort, Machine, Status, Variant};
use roofprobe::sample::{self, Pace, Progress, Session, Watcher};
use roofprobe::store::SHIPPED;
use roofprobe::units::{Flops, Seconds};
use roofprobe::work::Work;
use roofprobe_kernels::{Dtype, Isa, Op};

const CURVE: &str = "compute.f32.sme.threads";

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

/// Clusters of cores with one unit each: its rate, GFLOP/s, and the number of cores, in the order of the team.
struct Clusters {
    machine: Machine,
    clusters: Vec<(f64, usize)>,
}

impl Clusters {
    fn new(clusters: &[(f64, usize)]) -> Clusters {
        let mut machine = SHIPPED[0].profile().unwrap().machine().unwrap();
        machine.device.architecture = "aarch64".to_owned();
        machine.device.isas = ["portable", "neon", "sme"].map(String::from).to_vec();
        machine.environment.threads = clusters.iter().map(|cluster| cluster.1 as u32).sum();
        Clusters { machine, clusters: clusters.to_vec() }
    }

    /// What the first threads come to: a unit loses a twentieth by each further thread that uses it.
    fn rate(&self, threads: usize) -> f64 {
        let mut left = threads;
        let units = self.clusters.iter().map(|&(rate, cores)| {
            let users = left.min(cores);
            left -= users;
            if users == 0 { 0.0 } else { rate * (1.0 - 0.05 * (users - 1) as f64) }
        });
        units.sum()
    }

    fn curve(&mut self) -> Option<Curve> {
        let machine = self.machine.clone();
        let questions = |curves: &[Curve]| {
            let mut questions = probe::survey(&machine, curves, Effort::Standard);
            questions.retain(|question| question.id == *CURVE);
            questions
        };
        let mut patient = Patient;
        let mut session = Session::new(self, Pace::of_replay(Effort::Standard), &mut patient);
        sample::survey(&mut session, &questions, &[]).unwrap().curves.pop()
    }
}

impl Device for Clusters {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn time(&mut self, job: &Job, repetitions: u64, _: Purpose) -> Attempt {
        let Variant::Chain(chain) = &job.variant else { panic!("{job} is no chain") };
        assert_eq!((job.op, job.dtype, chain.isa), (Op::Chain, Dtype::F32, Isa::Sme));
        let flops = Flops(self.rate(chain.threads as usize) * 1e9 * repetitions as f64);
        let work = Work { flops, ..Work::default() };
        Ok(Timing { seconds: Seconds(repetitions as f64), repetitions, work, ..Timing::default() })
    }

    fn renew(&mut self) {}
}

#[test]
fn units_are_counted_by_adding_threads() {
    let counted = |clusters: &[(f64, usize)]| {
        let curve = Clusters::new(clusters).curve().unwrap();
        assert_eq!((curve.status, curve.axis().unwrap().0), (Status::Measured, CurveAxis::Threads));
        assert_eq!(curve.gflop_per_s.len(), curve.threads.len());
        curve.units()
    };
    // One cluster; two alike; a large and a small one, as of an M4.
    assert_eq!(counted(&[(2000.0, 4)]), [1]);
    assert_eq!(counted(&[(2000.0, 3), (2000.0, 3)]), [1, 4]);
    assert_eq!(counted(&[(2000.0, 2), (360.0, 6)]), [1, 3]);
    // Each core has its own.
    assert_eq!(counted(&[(500.0, 1), (500.0, 1), (500.0, 1)]), [1, 2, 3]);
}

#[test]
fn one_thread_makes_no_curve_and_no_shared_unit_no_question() {
    let alone = Clusters::new(&[(2000.0, 1)]).curve().unwrap();
    assert_eq!((alone.status, alone.units().len()), (Status::Skipped, 0));
    let mut without = Clusters::new(&[(2000.0, 4)]);
    without.machine.device.isas.retain(|isa| isa != "sme");
    assert_eq!(without.curve(), None);
}

#[test]
fn peaks_try_fewer_threads_where_cores_share_a_unit() {
    let device = Clusters::new(&[(2000.0, 6)]);
    let questions = probe::plan(&device.machine, &[], Effort::Standard);
    let threads = |id: &str| {
        let question = questions.iter().find(|question| question.id == *id).unwrap();
        let keys = question.candidates.iter().map(|job| job.variant.keys());
        let usual = keys.filter(|keys| keys.chains.is_none());
        usual.map(|keys| keys.threads.unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!(threads("compute.f32.sme"), [6, 1, 2, 4]);
    assert_eq!(threads("compute.f32.neon"), [6]);
}
