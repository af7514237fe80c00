//! The supervisor, with shell scripts in the place of workers.

use super::*;
use crate::device::Timing;
use crate::device::gpu::protocol;
use crate::profile::{GpuClass, GpuInfo, GpuLimits, GpuProvenance};
use crate::units::Seconds;
use roofprobe_kernels::{Dtype, Op};
use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A worker that opens, and what it does when it is asked for a pass.
const DIES: &str = "exit 1";
const HANGS: &str = "exec sleep 600";
const NO_PAUSES: &[Duration] = &[Duration::ZERO; 4];

fn timeouts() -> Timeouts {
    Timeouts { answer: Duration::from_secs(60), pauses: NO_PAUSES, give_up: Duration::from_secs(600) }
}

fn printing(answer: &Answer) -> String {
    format!("printf '%s' '{}'", protocol::line(answer).unwrap())
}

fn opened() -> Answer {
    let limits = GpuLimits {
        binding_bytes: 1,
        buffer_bytes: 1,
        workgroup_invocations: 1,
        workgroup_size: [1; 3],
        workgroup_memory_bytes: 1,
        workgroups_per_dimension: 1,
        storage_buffers: 1,
    };
    let gpu = GpuInfo {
        class: GpuClass::Other,
        pci_id: None,
        pci_bus: None,
        subgroup_min: None,
        subgroup_max: None,
        features: Vec::new(),
        cooperative_matrices: Vec::new(),
        limits,
    };
    let [backend, driver, driver_info, shader_checks, timer] = [(); 5].map(|()| String::new());
    let provenance = GpuProvenance { backend, driver, driver_info, shader_checks, timestamp_period_ns: None, timer };
    Answer::Opened(Box::new(Opened { gpu, provenance }))
}

fn passes() -> String {
    let pass = Timing { seconds: Seconds(1.0), repetitions: 1, ..Timing::default() };
    printing(&Answer::Timed(pass))
}

/// A worker that opens, then does `first` when asked for a pass, and `then` from the eleventh on.
fn worker(first: &str, then: &str) -> String {
    let opened = printing(&opened());
    format!(
        "n=0; while read line; do case \"$line\" in *'\"open\"'*) {opened};; *'\"time\"'*) n=$((n+1)); \
         if [ $n -le 10 ]; then {first}; else {then}; fi;; esac; done"
    )
}

/// A supervisor whose n-th worker is the n-th of `workers`, and the last one ever after; and how many it started.
fn supervisor(workers: Vec<String>, stop: Stop, timeouts: Timeouts) -> (Supervisor, Rc<Cell<usize>>) {
    let started = Rc::new(Cell::new(0));
    let count = Rc::clone(&started);
    let starter = move || {
        let script = &workers[count.get().min(workers.len() - 1)];
        count.set(count.get() + 1);
        Process::start(Command::new("sh").args(["-c", script]))
    };
    let adapter = Adapter {
        index: 0,
        place: 0,
        name: "a card".to_owned(),
        class: GpuClass::Discrete,
        backend: "vulkan".to_owned(),
        pci_id: None,
        pci_bus: None,
        driver: String::new(),
        driver_info: String::new(),
        memory_bytes: None,
    };
    (Supervisor::new(&adapter, Box::new(starter), stop, timeouts), started)
}

fn never() -> bool {
    false
}

fn job(ceiling: &str) -> Job {
    Job {
        ceiling: format!("memory.{ceiling}").parse().unwrap(),
        op: Op::Read,
        dtype: Dtype::F32,
        variant: crate::profile::Launch {}.into(),
    }
}

fn reason(refused: Attempt) -> String {
    match refused {
        Err(Refusal::Skipped(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gpu_that_comes_back_late_is_waited_for() {
    let gone = || "exit 1".to_owned();
    let back = worker(&passes(), DIES);
    let (mut supervisor, started) =
        supervisor(vec![worker(DIES, DIES), gone(), gone(), gone(), gone(), back], never, timeouts());
    let note = supervisor.time(&job("a"), 1).unwrap().note.unwrap();
    assert!(note.contains("less work") && started.get() == 6, "{note}");
}

#[test]
fn one_that_does_not_come_back_is_given_up() {
    let (mut supervisor, started) = supervisor(vec![worker(DIES, DIES), "exit 1".to_owned()], never, timeouts());
    assert!(reason(supervisor.time(&job("a"), 1)).contains("could not be opened again"));
    assert_eq!(started.get(), 2 + NO_PAUSES.len());
    assert!(reason(supervisor.time(&job("b"), 1)).contains("could not be opened again"));
    assert_eq!(started.get(), 2 + NO_PAUSES.len());
}

#[test]
fn a_job_that_hangs_is_tried_once_more() {
    let timeouts = Timeouts { answer: Duration::from_millis(50), ..timeouts() };
    let (mut supervisor, started) = supervisor(vec![worker(HANGS, HANGS)], never, timeouts);
    for _ in 0..2 {
        let reason = reason(supervisor.time(&job("a"), 1));
        assert!(reason.contains("did not answer") && reason.contains("tried 2 times"), "{reason}");
    }
    assert_eq!(started.get(), 2);
    assert!(reason(supervisor.time(&job("b"), 1)).contains("tried 2 times"));
}

#[test]
fn too_much_time_lost_ends_every_job() {
    let timeouts = Timeouts { give_up: Duration::ZERO, ..timeouts() };
    let (mut supervisor, started) = supervisor(vec![worker(DIES, DIES)], never, timeouts);
    for ceiling in ["a", "b"] {
        let reason = reason(supervisor.time(&job(ceiling), 1));
        assert!(reason.contains("was given up after failures that took"), "{reason}");
    }
    assert_eq!(started.get(), 1);
}

#[test]
fn failures_are_forgiven_after_passes() {
    let (mut supervisor, started) = supervisor(vec![worker(&passes(), DIES)], never, timeouts());
    for _ in 0..60 {
        supervisor.time(&job("a"), 1).unwrap();
    }
    assert_eq!(started.get(), 6);
    let failures = &supervisor.failures[&job("a")];
    assert_eq!((failures.total, failures.limit()), (5, 0.25));
}

#[test]
fn an_interruption_ends_the_waiting_and_is_no_fault_of_the_job() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let (mut supervisor, started) = supervisor(vec![worker(HANGS, HANGS)], || STOP.load(Ordering::SeqCst), timeouts());
    supervisor.ensure_worker().unwrap();
    STOP.store(true, Ordering::SeqCst);
    assert_eq!(supervisor.time(&job("a"), 1), Err(Refusal::Exhausted));
    assert!(supervisor.failures.is_empty() && started.get() == 1);
}
