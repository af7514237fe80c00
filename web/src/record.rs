//! The measurement as far as it is known, and what the page hears of it.

use crate::page;
use roofprobe::error::Result;
use roofprobe::probe;
use roofprobe::profile::{self, Ceiling, Curve, Machine, Profile, Provenance, Summary};
use roofprobe::sample::{Finished, Progress, Watcher};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use web_time::Instant;

/// How often a hidden page looks whether it is seen again, ms.
const LOOK_MS: f64 = 200.0;

/// Watches a measurement.
pub(crate) struct Record {
    machine: Machine,
    profile: Profile,
    /// Why the device was lost.
    lost: Rc<RefCell<Option<String>>>,
    /// How long the page has been hidden.
    paused: Rc<Cell<Duration>>,
}

impl Record {
    /// Nothing is known yet.
    pub(crate) fn new(
        machine: Machine,
        provenance: Provenance,
        lost: Rc<RefCell<Option<String>>>,
        paused: Rc<Cell<Duration>>,
    ) -> Record {
        let profile = Profile {
            schema: profile::SCHEMA,
            device: machine.device.clone(),
            environment: Some(machine.environment.clone()),
            summary: Summary::default(),
            ceiling: Vec::new(),
            curve: Vec::new(),
            provenance,
        };
        Record { machine, profile, lost, paused }
    }

    /// The profile of what came of it: judged, summarised, graded.
    pub(crate) fn finish(mut self, finished: &Finished) -> Profile {
        self.profile.ceiling.clone_from(&finished.ceilings);
        probe::judge(&mut self.profile.ceiling, &self.machine);
        let environment = self.profile.environment.get_or_insert_with(|| self.machine.environment.clone());
        environment.disturbed_samples = Some(finished.disturbed_samples).filter(|&disturbed| disturbed > 0);
        probe::judge_run(&mut self.profile);
        self.profile.summarise();
        self.profile.provenance.complete = finished.complete && self.lost.borrow().is_none();
        let samples = self.profile.samples();
        let environment = self.profile.environment.get_or_insert_with(|| self.machine.environment.clone());
        let (grade, reasons) = probe::grade(&self.profile.device, environment, &self.profile.ceiling, samples);
        (environment.grade, environment.grade_reasons) = (Some(grade), reasons);
        self.profile
    }

    /// Waits while nobody sees the page: browsers slow down what is hidden.
    fn pause(&self) {
        if !page::hidden() {
            return;
        }
        page::tell("paused", "");
        let begun = Instant::now();
        while page::hidden() && !page::stopped() {
            page::suspend(LOOK_MS);
        }
        self.paused.set(self.paused.get() + begun.elapsed());
        page::tell("resumed", "");
    }
}

impl Watcher for Record {
    fn progress(&mut self, progress: &Progress<'_>) {
        let value = progress.value.map(|(value, unit)| json!({ "value": value, "unit": unit.symbol() }));
        let left = progress.left.map(|left| left.as_secs_f64());
        let all = json!({ "share": progress.share, "now": progress.now, "value": value, "left": left });
        page::tell("progress", &all.to_string());
    }

    fn save(&mut self, _: &[Ceiling]) -> Result<()> {
        Ok(())
    }

    fn surveyed(&mut self, curves: &[Curve]) -> Result<()> {
        self.profile.curve = curves.to_vec();
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.pause();
        page::stopped() || self.lost.borrow().is_some()
    }
}
