//! A profile made into a device: the only bridge between the wings.
//!
//! It answers every job from the profile's own record: trials with the values tried, samples with the samples kept, in
//! their order. A measurement of it therefore comes to the very profile it was made from; that property tests sampling,
//! statistics, conclusions and TOML together, without hardware and without a clock.

use crate::device::{Device, Pass, Purpose, Refusal};
use crate::job::Job;
use crate::profile::{Ceiling, Machine, Profile, Status, Unit};
use crate::units::{Bytes, Flops, Seconds};
use crate::work::Work;
use std::collections::HashMap;

/// A device that replays a profile.
pub struct Simulated {
    profile: Profile,
    /// Samples already replayed, by ceiling.
    replayed: HashMap<String, usize>,
}

impl Simulated {
    /// A device that has exactly the ceilings of `profile`.
    pub fn new(profile: Profile) -> Simulated {
        Simulated { profile, replayed: HashMap::new() }
    }

    fn ceiling(&self, job: &Job) -> Result<&Ceiling, Refusal> {
        let id = &job.ceiling;
        let missing = || Refusal::Skipped(format!("the simulated profile has no {id}"));
        let ceiling = self.profile.ceiling(id).ok_or_else(missing)?;
        let reason = ceiling.reason.clone().unwrap_or_default();
        match ceiling.status {
            Status::Unsupported => Err(Refusal::Unsupported(reason)),
            Status::Rejected => Err(Refusal::Rejected(reason)),
            Status::Skipped => Err(Refusal::Skipped(reason)),
            Status::Measured | Status::Suspect | Status::Quoted => Ok(ceiling),
        }
    }
}

impl Device for Simulated {
    fn machine(&self) -> Machine {
        Machine { device: self.profile.device.clone(), environment: self.profile.environment.clone() }
    }

    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> Result<Pass, Refusal> {
        let next = self.replayed.get(&job.ceiling).copied().unwrap_or(0);
        let ceiling = self.ceiling(job)?;
        let unknown = || Refusal::Unsupported(format!("the simulated profile has no {job}"));
        let (best, unit) = ceiling.value().ok_or_else(unknown)?;
        let tried = ceiling.trials.iter().find(|trial| trial.variant == job.variant).map(|trial| trial.value);
        let won = ceiling.variant.as_ref().is_none_or(|variant| *variant == job.variant);
        let value = match purpose {
            Purpose::Warm | Purpose::Trial => tried.or(won.then_some(best)).ok_or_else(unknown)?,
            // A quoted ceiling has no samples: its value is the one there is.
            Purpose::Sample if ceiling.sample_values.is_empty() && next == 0 => best,
            Purpose::Sample => *ceiling.sample_values.get(next).ok_or(Refusal::Exhausted)?,
        };
        let pass = pass(unit, value, repetitions, ceiling);
        if purpose == Purpose::Sample {
            self.replayed.insert(job.ceiling.clone(), next + 1);
        }
        Ok(pass)
    }

    fn renew(&mut self) {}
}

/// A pass that has exactly this value.
fn pass(unit: Unit, value: f64, repetitions: u64, ceiling: &Ceiling) -> Pass {
    let each = repetitions as f64;
    let (seconds, work) = match unit {
        Unit::GbPerS => (1.0, Work { bytes: Bytes(value * 1e9), ..Work::default() }),
        Unit::GflopPerS => (1.0, Work { flops: Flops(value * 1e9), ..Work::default() }),
        Unit::Us => (value * 1e-6 * each, Work::default()),
        Unit::Ns => (value * 1e-9 * each, Work::default()),
    };
    Pass {
        seconds: Seconds(seconds),
        repetitions,
        work,
        clock_hz: ceiling.clock_ghz.map(|ghz| ghz * 1e9),
        huge_share: ceiling.huge_share,
        disturbed: false,
    }
}
