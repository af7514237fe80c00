//! The sampler asks a device that lies on purpose: what is wrong, missing, disturbed or merely lucky has to show.

use roofprobe::device::{Device, Purpose, Refusal, Timing};
use roofprobe::error::Result;
use roofprobe::job::Job;
use roofprobe::probe::{CurveQuestion, Question};
use roofprobe::profile::{Ceiling, Curve, CurveAxis, Flag, Machine, Status, Stream};
use roofprobe::sample::{self, Finished, Pace, Progress, Session, Until, Watcher};
use roofprobe::store::SHIPPED;
use roofprobe::units::{Bytes, Seconds};
use roofprobe::work::Work;
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::ops::stream::Stores;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::time::Duration;

const ID: &str = "memory.dram.copy";

fn texts(flags: &[Flag]) -> Vec<String> {
    flags.iter().map(ToString::to_string).collect()
}

/// Twelve samples of each question, in two visits; no clock.
const PACE: Pace = Pace {
    until: Until::Settled,
    budget: Duration::MAX,
    first_samples: 6,
    visit_samples: 6,
    samples_min: 12,
    visits_min: 2,
    samples_max: 12,
    pass_seconds: 0.01,
    race_seconds: 1.0,
    curve_passes: 3,
    curve_pass_seconds: 0.001,
};

type Answer = Box<dyn FnMut(&Job, Purpose) -> std::result::Result<Told, Refusal>>;

/// What the liar says of a pass.
#[derive(Clone, Copy)]
struct Told {
    gb_per_s: f64,
    disturbed: bool,
    note: Option<&'static str>,
}

fn told(gb_per_s: f64) -> std::result::Result<Told, Refusal> {
    Ok(Told { gb_per_s, disturbed: false, note: None })
}

struct Liar {
    answer: Answer,
    renewals: usize,
}

impl Device for Liar {
    fn machine(&self) -> Machine {
        let profile = SHIPPED[0].profile().unwrap();
        profile.machine().unwrap()
    }

    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> std::result::Result<Timing, Refusal> {
        let Told { gb_per_s, disturbed, note } = (self.answer)(job, purpose)?;
        let work = Work { bytes: Bytes(gb_per_s * 1e9), ..Work::default() };
        Ok(Timing {
            seconds: Seconds(1.0),
            repetitions,
            work,
            clock_hz: None,
            huge_share: None,
            relative_error: None,
            watts: None,
            disturbed,
            note: note.map(str::to_owned),
        })
    }

    fn renew(&mut self) {
        self.renewals += 1;
    }
}

/// Measures the questions on the device, without a clock.
fn measured(device: &mut Liar, questions: &[Question], pace: Pace, earlier: &[Ceiling]) -> Finished {
    sample::measure(&mut Session::new(device, pace, &mut Patient), questions, earlier).unwrap()
}

struct Patient;

impl Watcher for Patient {
    fn progress(&mut self, _: &Progress) {}
    fn save(&mut self, _ceilings: &[Ceiling]) -> Result<()> {
        Ok(())
    }
    fn surveyed(&mut self, _curves: &[Curve]) -> Result<()> {
        Ok(())
    }
    fn interrupted(&self) -> bool {
        false
    }
}

fn stream() -> Stream {
    Stream::plain(Isa::Portable, 1, Pages::Base, 4096)
}

fn candidate(stores: Stores) -> Job {
    let variant = Stream { stores: Some(stores), ..stream() }.into();
    Job { ceiling: ID.parse().unwrap(), op: Op::Copy, dtype: Dtype::F64, variant }
}

/// Asks for a copy, non-temporal stores expected to win, ordinary ones as the alternative.
fn asked(answer: impl FnMut(&Job, Purpose) -> std::result::Result<Told, Refusal> + 'static) -> (Ceiling, Finished) {
    let question = Question {
        id: ID.parse().unwrap(),
        candidates: vec![candidate(Stores::Nontemporal), candidate(Stores::Ordinary)],
        fallback: Vec::new(),
        otherwise: (Status::Unsupported, "none".to_owned()),
        operands: None,
        flags: Vec::new(),
    };
    let mut device = Liar { answer: Box::new(answer), renewals: 0 };
    let finished = measured(&mut device, &[question], PACE, &[]);
    let asked_again = finished.ceilings[0].status != Status::Skipped;
    assert_eq!(device.renewals, usize::from(asked_again), "each round after the first has new memory");
    (finished.ceilings[0].clone(), finished)
}

fn stores(ceiling: &Ceiling) -> Option<Stores> {
    ceiling.variant.as_ref()?.stores
}

fn ordinary(job: &Job) -> bool {
    job.variant.keys().stores == Some(Stores::Ordinary)
}

#[test]
fn a_slightly_luckier_variant_does_not_replace_the_expected_one() {
    let (ceiling, _) = asked(|job, _| told(if ordinary(job) { 40.8 } else { 40.0 }));
    assert_eq!((stores(&ceiling), ceiling.gb_per_s), (Some(Stores::Nontemporal), Some(40.0)));
    let (ceiling, _) = asked(|job, _| told(if ordinary(job) { 42.0 } else { 40.0 }));
    assert_eq!((stores(&ceiling), ceiling.gb_per_s), (Some(Stores::Ordinary), Some(42.0)));
    assert_eq!(ceiling.trials.iter().map(|t| t.value).collect::<Vec<_>>(), [40.0, 42.0], "both stay visible");
}

#[test]
fn the_value_comes_from_fresh_samples_and_not_from_the_trials() {
    let (ceiling, _) = asked(|_, purpose| told(if purpose == Purpose::Sample { 30.0 } else { 90.0 }));
    assert_eq!((ceiling.gb_per_s, ceiling.samples), (Some(30.0), Some(12)));
}

#[test]
fn a_wrong_candidate_is_out_of_the_race_whatever_it_reached_and_named() {
    let mut trials = 0;
    let (ceiling, _) = asked(move |job, purpose| {
        if !ordinary(job) || purpose != Purpose::Trial {
            return told(if ordinary(job) { 99.0 } else { 40.0 });
        }
        trials += 1;
        // Right once, and so fast that the other one leaves; then wrong; then right again.
        if trials == 2 { Err(Refusal::Rejected("differs".to_owned())) } else { told(41.0) }
    });
    assert_eq!((stores(&ceiling), ceiling.gb_per_s), (Some(Stores::Nontemporal), Some(40.0)));
    assert!(
        ceiling.flags.iter().any(|f| f.to_string().contains("ordinary") && f.to_string().contains("rejected")),
        "{:?}",
        ceiling.flags
    );
}

#[test]
fn a_wrong_result_while_sampling_spoils_all_samples() {
    let mut samples = 0;
    let (ceiling, _) = asked(move |_, purpose| {
        samples += usize::from(purpose == Purpose::Sample);
        if samples == 9 { Err(Refusal::Rejected("differs".to_owned())) } else { told(40.0) }
    });
    assert_eq!((ceiling.status, ceiling.gb_per_s), (Status::Rejected, None));
    assert_eq!(ceiling.reason.as_deref(), Some("differs"));
}

#[test]
fn a_disturbed_pass_is_repeated_and_counted_when_that_does_not_help() {
    // Disturbed once, quiet the second time: the slow pass is not kept.
    let mut turn = 0;
    let (ceiling, finished) = asked(move |_, purpose| {
        turn += usize::from(purpose == Purpose::Sample);
        let disturbed = purpose == Purpose::Sample && turn % 2 == 1;
        Ok(Told { gb_per_s: if disturbed { 10.0 } else { 40.0 }, disturbed, note: None })
    });
    assert!(ceiling.sample_values.iter().all(|&v| v == 40.0), "{:?}", ceiling.sample_values);
    assert_eq!(finished.disturbed_samples, 0);
    let (ceiling, finished) = asked(|_, _| Ok(Told { gb_per_s: 10.0, disturbed: true, note: None }));
    assert_eq!((ceiling.samples, finished.disturbed_samples), (Some(12), 12));
}

#[test]
fn what_the_device_says_is_kept_once_also_when_resumed() {
    let mut samples = 0;
    let (ceiling, _) = asked(move |_, purpose| {
        samples += usize::from(purpose == Purpose::Sample);
        Ok(Told { gb_per_s: 40.0, disturbed: false, note: Some(if samples < 5 { "it is warm" } else { "it is hot" }) })
    });
    assert_eq!(texts(&ceiling.flags), ["the device says: it is warm", "the device says: it is hot"]);
    let question = Question { candidates: vec![candidate(Stores::Nontemporal)], ..unanswerable() };
    let mut device = Liar { answer: Box::new(|_, _| told(40.0)), renewals: 0 };
    let more = Pace { samples_min: 20, samples_max: 20, ..PACE };
    let resumed = measured(&mut device, &[question], more, std::slice::from_ref(&ceiling));
    assert!(resumed.ceilings[0].samples > ceiling.samples);
    assert_eq!(resumed.ceilings[0].flags, ceiling.flags);
}

/// A question that nobody answers.
fn unanswerable() -> Question {
    Question {
        id: ID.parse().unwrap(),
        candidates: Vec::new(),
        fallback: Vec::new(),
        otherwise: (Status::Unsupported, "none".to_owned()),
        operands: None,
        flags: Vec::new(),
    }
}

#[test]
fn a_fallback_is_tried_when_nothing_else_can_be_had_and_only_then() {
    let candidates = vec![candidate(Stores::Nontemporal), candidate(Stores::Nontemporal)];
    let question = Question { candidates, fallback: vec![candidate(Stores::Ordinary)], ..unanswerable() };
    let answered = |fails: bool| {
        let answer = move |job: &Job, _| match fails && !ordinary(job) {
            true => Err(Refusal::Skipped("no memory".to_owned())),
            false => told(if ordinary(job) { 99.0 } else { 40.0 }),
        };
        let mut device = Liar { answer: Box::new(answer), renewals: 0 };
        measured(&mut device, std::slice::from_ref(&question), PACE, &[]).ceilings[0].clone()
    };
    let ceiling = answered(false);
    assert_eq!((stores(&ceiling), ceiling.trials.len()), (Some(Stores::Nontemporal), 2));
    let ceiling = answered(true);
    assert_eq!((stores(&ceiling), ceiling.gb_per_s), (Some(Stores::Ordinary), Some(99.0)));
    assert!(ceiling.flags.iter().any(|flag| flag.to_string().contains("no memory")), "{:?}", ceiling.flags);
}

#[test]
fn a_curve_says_what_it_leaves_out_and_what_the_device_said() {
    let job = |bytes| {
        let variant = Stream { footprint_bytes: bytes, ..stream() }.into();
        Job { ceiling: "memory.read.resident".parse().unwrap(), op: Op::Read, dtype: Dtype::F64, variant }
    };
    let question = CurveQuestion {
        id: "memory.read.resident".parse().unwrap(),
        axis: CurveAxis::FootprintBytes,
        points: [4096, 8192, 16384].map(job).into(),
        otherwise: (Status::Skipped, "none".to_owned()),
        pairwise: false,
    };
    let answer = |job: &Job, _| match job.variant.keys().footprint_bytes {
        Some(8192) => Err(Refusal::Skipped("lost".to_owned())),
        _ => Ok(Told { gb_per_s: 40.0, disturbed: false, note: Some("it is warm") }),
    };
    let mut device = Liar { answer: Box::new(answer), renewals: 0 };
    let curve = &sample::survey(&mut Session::new(&mut device, PACE, &mut Patient), &|_| vec![question.clone()], &[])
        .unwrap()
        .curves[0];
    assert_eq!(curve.footprint_bytes, [4096, 16384]);
    assert_eq!(texts(&curve.flags), ["without footprint_bytes 8192 (skipped): lost", "the device says: it is warm"]);
}

#[test]
fn what_no_candidate_can_do_has_the_reason_of_the_refusal() {
    let (ceiling, _) = asked(|_, _| Err(Refusal::Skipped("no memory".to_owned())));
    assert_eq!((ceiling.status, ceiling.reason.as_deref()), (Status::Skipped, Some("no memory")));
}

#[test]
fn a_question_that_was_wrong_is_not_asked_again() {
    let mut asked_for = 0;
    let (ceiling, _) = asked(move |_, purpose| {
        asked_for += usize::from(purpose == Purpose::Sample);
        assert!(asked_for < 8, "the seventh sample was wrong");
        if asked_for == 7 { Err(Refusal::Rejected("differs".to_owned())) } else { told(40.0) }
    });
    assert_eq!((ceiling.status, ceiling.trials.len()), (Status::Rejected, 0));
}

/// Surveys three thread counts.
fn surveyed(answer: impl FnMut(&Job, Purpose) -> std::result::Result<Told, Refusal> + 'static) -> (Curve, usize) {
    let point = |threads| {
        let variant = Stream { threads, ..stream() }.into();
        Job { ceiling: "memory.read.threads".parse().unwrap(), op: Op::Read, dtype: Dtype::F64, variant }
    };
    let question = CurveQuestion {
        id: "memory.read.threads".parse().unwrap(),
        axis: CurveAxis::Threads,
        points: [1, 2, 4].map(point).to_vec(),
        otherwise: (Status::Skipped, "none".to_owned()),
        pairwise: false,
    };
    let mut device = Liar { answer: Box::new(answer), renewals: 0 };
    let surveyed =
        sample::survey(&mut Session::new(&mut device, PACE, &mut Patient), &|_| vec![question.clone()], &[]).unwrap();
    assert!(surveyed.complete);
    (surveyed.curves[0].clone(), device.renewals)
}

#[test]
fn a_curve_has_the_points_that_the_device_can_do() {
    let rate = |job: &Job| f64::from(job.variant.keys().threads.unwrap()) * 10.0;
    let (curve, renewals) = surveyed(move |job, _| match job.variant.keys().threads {
        Some(2) => Err(Refusal::Unsupported("two is a crowd".to_owned())),
        _ => told(rate(job)),
    });
    assert_eq!((curve.threads, curve.gb_per_s), (vec![1, 4], vec![10.0, 40.0]));
    assert!(curve.sample_values.iter().all(|samples| samples.len() == PACE.curve_passes));
    let shared = curve.variant.unwrap();
    assert_eq!((shared.pages, shared.threads), (Some(Pages::Base), None));
    assert_eq!(renewals, 1, "the ceilings begin on fresh memory");
    let (curve, _) = surveyed(|_, _| Err(Refusal::Skipped("no memory".to_owned())));
    assert_eq!((curve.status, curve.reason.as_deref()), (Status::Skipped, Some("no memory")));
}

#[test]
fn a_wrong_point_spoils_its_curve() {
    let (curve, _) = surveyed(|job, purpose| {
        let wrong = job.variant.keys().threads == Some(2) && purpose == Purpose::Sample;
        if wrong { Err(Refusal::Rejected("differs".to_owned())) } else { told(40.0) }
    });
    assert_eq!((curve.status, curve.reason.as_deref(), curve.gb_per_s.len()), (Status::Rejected, Some("differs"), 0));
}
