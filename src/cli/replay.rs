//! `roofprobe replay`.

use super::progress::ProgressLine;
use super::recorder::{interrupted, watch_for_interruption};
use super::selection::Selection;
use super::workload::{QueryOptions, best_of, find_profiles};
use crate::device::cpu::{Cpu, CpuReplayer};
use crate::device::{Refusal, Replayer};
use crate::error::{Error, Result};
use crate::evaluate::{Query, evaluate};
use crate::job::Job;
use crate::model::{Demand, Model, Phase, Workload};
use crate::profile::{DeviceKind, Machine};
use crate::replay::{Asked, MemoryRead, Plan, Replayed, ReplayedPhase, Timed, memory_read, plan};
use crate::report::{self, Format, Shown, mib};
use crate::sample::Progress;
use crate::store::Named;
use clap::Args;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  roofprobe replay llama-3.2-1b --weights q4_0                    prefill of 512 tokens, decode behind them
  roofprobe replay qwen2.5-0.5b --context 4096 --weights q8_0     a decode step over 4096 tokens
  roofprobe replay olmoe-1b-7b --prompt 64 --batch 4 --details    every operation by itself

How to read it: measured is what this machine's kernels do one after another in the model's own order; predicted is
the achieved roof of the profile. A ratio below 1 is slower than predicted.";

/// Tokens that a prefill takes in at once, where nobody says: llama.cpp's habit.
const MICRO_BATCH: u64 = 512;
/// A replay takes no more than this share of the memory that is available.
const MEMORY_SHARE_MAX: f64 = 0.9;
/// Passes of each kind before a median may be believed.
const PASSES_MIN: usize = 5;
/// A median is settled when its 95 % interval is no wider than this share of it on either side.
const SETTLED: f64 = 0.01;

/// Run a model's own sequence of operations here, with made-up weights of the true sizes: no model file, no download.
///
/// Every layer has weights and a cache of its own, so that a pass reads the whole model from memory. Operations are done by
/// this project's kernels in their best ways, one after another, by a team of pinned threads. Beside the measured times stand
/// those that the profile predicts.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Replay {
    /// The model: a name that `roofprobe models` lists, or the path of a config.json (or of its folder) or of a GGUF file, of
    /// which only the head is read.
    #[arg(value_name = "MODEL")]
    model: String,

    /// The hardware profile whose winning ways are used, and whose rates predict: a file, or a name that `roofprobe profiles`
    /// lists. As a rule the best one of this machine.
    #[arg(short, long, value_name = "PROFILE")]
    profile: Option<String>,

    #[command(flatten)]
    query: QueryOptions,

    /// Threads, one per core; as a rule one per core that this process may use, within its quota.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Seconds for the passes of both phases together; making the weights comes on top of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,

    /// The device to run on: cpu; gpu, the hardware GPU; or gpu:WHAT, one of those that `roofprobe devices` lists.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Selection,

    /// Print every operation by itself, too. JSON has them anyway.
    #[arg(long)]
    details: bool,
}

impl Replay {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        watch_for_interruption();
        let model = self.query.models(std::slice::from_ref(&self.model))?.remove(0);
        let query = self.query.query()?;
        let workload = query.workload;
        let micro_batch = workload.micro_batch.unwrap_or(MICRO_BATCH.max(workload.batch));
        let workload = Workload { micro_batch: Some(micro_batch), ..workload };
        let mut device = self.device()?;
        let machine = device.machine();
        let (named, mut notes) = self.profile(&machine)?;
        let predicted = match &named {
            Some(named) => Some(evaluate(&model, &query.with(workload), &named.profile, &named.name)?),
            None => None,
        };
        let plans = plans(&model, &query, &workload, &machine, named.as_ref())?;
        let mut asked = self.asked(&model, &workload, &*device, &machine, named.as_ref(), &plans)?;
        let mut memory = Memory::beside(&mut asked, named.as_ref());
        notes.extend(report::unique(plans.iter().flat_map(|plan| plan.notes.iter().cloned())));
        let budget = Duration::from_secs(u64::from(self.seconds)) / plans.len() as u32;
        let (mut phases, mut line) = (Vec::new(), ProgressLine::new());
        for (place, plan) in plans.iter().enumerate() {
            let mut shown =
                Shares { line: &mut line, from: place as f64 / plans.len() as f64, of: 1.0 / plans.len() as f64 };
            let timed = timed(&mut *device, plan, budget, &mut shown, &mut notes, memory.as_mut())?;
            phases.extend(ReplayedPhase::of(plan, &workload, &timed, predicted.as_ref()));
            if interrupted() {
                break;
            }
        }
        line.end();
        let replayed = Replayed { asked, phases, interrupted: interrupted(), notes };
        self.show(&replayed, format)
    }

    /// The device that runs it.
    fn device(&self) -> Result<Box<dyn Replayer>> {
        match &self.device {
            Selection::Cpu => Ok(Box::new(CpuReplayer::new(Cpu::new(self.threads)?))),
            Selection::Gpu(_) if self.threads.is_some() => {
                Err(Error::misuse("--threads: are the CPU's; a GPU has none"))
            }
            Selection::Gpu(what) => super::gpu::replayer(what.as_deref()),
            Selection::All => Err(Error::misuse("--device all: one device replays at a time")),
        }
    }

    fn show(&self, replayed: &Replayed, format: Format) -> Result<()> {
        if replayed.phases.is_empty() {
            return Err(Error::failure(
                "interrupted before a pass had ended: nothing was measured; a shorter --prompt takes less time",
            ));
        }
        let shown = if self.details { Shown::All } else { Shown::Main };
        super::print_report(&report::replay::report(replayed, shown)?, format)?;
        if replayed.interrupted {
            return Err(Error::failure("interrupted; what was measured until then is shown"));
        }
        Ok(())
    }

    /// The profile that is asked for, or the best one of the device; without any, why there is none.
    fn profile(&self, machine: &Machine) -> Result<(Option<Named>, Vec<String>)> {
        let found = match (&self.profile, machine.device.kind) {
            (None, DeviceKind::Gpu) => best_of(&machine.device.name, "roofprobe measure --device gpu"),
            (named, _) => find_profiles(named.as_slice()).map(|mut found| found.remove(0)),
        };
        let named = match found {
            Ok(found) => found,
            Err(error) if self.profile.is_some() => return Err(error),
            Err(error) => return Ok((None, vec![format!("nothing is predicted: {error}")])),
        };
        let device = &named.profile.device;
        let word = |kind| if kind == DeviceKind::Cpu { "CPU" } else { "GPU" };
        if device.kind != machine.device.kind {
            let (own, runs) = (word(device.kind), word(machine.device.kind));
            return Err(Error::misuse(format!(
                "-p {}: is of a {own}, and a {runs} replays; name a {runs}'s profile",
                named.name
            )));
        }
        let other = device.name != machine.device.name;
        let note =
            format!("{} is a profile of {}, and this machine is {}", named.name, device.name, machine.device.name);
        let notes = if other { vec![note] } else { Vec::new() };
        Ok((Some(named), notes))
    }

    /// What is asked, once it is known to fit in memory.
    fn asked(
        &self,
        model: &Model,
        workload: &Workload,
        device: &dyn Replayer,
        machine: &Machine,
        named: Option<&Named>,
        plans: &[Plan],
    ) -> Result<Asked> {
        let needed = plans.iter().map(|plan| device.sequence_bytes(&plan.sequence));
        let needed =
            needed.collect::<std::result::Result<Vec<u64>, Refusal>>().map_err(|refusal| self.failed(refusal))?;
        let needed = needed.into_iter().max().unwrap_or(0);
        let available = machine.environment.memory_available_bytes;
        if needed as f64 > MEMORY_SHARE_MAX * available as f64 {
            return Err(Error::failure(format!(
                "{} needs {} of memory here, and of {} that are available a replay takes {:.0} % at most: {LESS_MEMORY}",
                self.model,
                mib(needed),
                mib(available),
                MEMORY_SHARE_MAX * 100.0
            )));
        }
        let demand = Demand::new(model, workload.weights, workload.kv)?;
        Ok(Asked {
            model: model.name().to_owned(),
            weights: demand.types().format.clone(),
            device: machine.device.name.clone(),
            threads: (machine.device.kind == DeviceKind::Cpu).then_some(machine.environment.threads),
            profile: named.map(|named| named.name.clone()),
            workload: workload.settled(),
            weight_bytes_total: demand.types().bytes,
            memory_needed_bytes: needed,
            memory_available_bytes: available,
        })
    }

    fn failed(&self, refusal: Refusal) -> Error {
        failed(refusal).within(&self.model)
    }
}

/// The read of main memory that is timed between the passes.
struct Memory {
    job: Job,
    gb_per_s_of_profile: f64,
    rates: Vec<f64>,
}

impl Memory {
    /// That of the profile, where its arrays have room beside what is `asked`, which then has them, too.
    fn beside(asked: &mut Asked, named: Option<&Named>) -> Option<Memory> {
        let (job, gb_per_s_of_profile) = memory_read(&named?.profile, asked.weight_bytes_total)?;
        let needed = asked.memory_needed_bytes.saturating_add(job.variant.keys().footprint_bytes?);
        if needed as f64 > MEMORY_SHARE_MAX * asked.memory_available_bytes as f64 {
            return None;
        }
        asked.memory_needed_bytes = needed;
        Some(Memory { job, gb_per_s_of_profile, rates: Vec::new() })
    }

    /// Reads once. A device that cannot leaves no rate.
    fn read(&mut self, device: &mut dyn Replayer) {
        if let Ok(timing) = device.time(&self.job) {
            self.rates.push(timing.work.bytes.0 / timing.seconds.0 / 1e9);
        }
    }

    /// What was read since the last time.
    fn taken(&mut self) -> Option<MemoryRead> {
        MemoryRead::of(&std::mem::take(&mut self.rates), self.gb_per_s_of_profile)
    }
}

/// What to do where memory is short.
const LESS_MEMORY: &str =
    "choose smaller --weights, a shorter --context or --prompt, fewer sequences (--batch), or a smaller model";

fn failed(refusal: Refusal) -> Error {
    match refusal {
        Refusal::OutOfMemory(reason) => Error::failure(format!("{reason}: {LESS_MEMORY}")),
        Refusal::Skipped(reason) => Error::failure(format!("{reason}; if memory is short, {LESS_MEMORY}")),
        Refusal::Unsupported(reason) | Refusal::Rejected(reason) => Error::failure(reason),
        Refusal::Exhausted => Error::failure("there is nothing more to be had"),
    }
}

/// Both phases laid out: prefill, then a decode step.
fn plans(
    model: &Model,
    query: &Query,
    workload: &Workload,
    machine: &Machine,
    named: Option<&Named>,
) -> Result<Vec<Plan>> {
    let demand = Demand::new(model, query.workload.weights, query.workload.kv)?;
    let profile = named.map(|named| &named.profile);
    [Phase::Prefill, Phase::Decode].into_iter().map(|phase| plan(&demand, workload, phase, machine, profile)).collect()
}

/// Shows a share of the whole.
struct Shares<'a> {
    line: &'a mut ProgressLine,
    from: f64,
    of: f64,
}

impl Shares<'_> {
    fn show(&mut self, share: f64, now: &str, left: Option<Duration>) {
        let share = self.from + self.of * share.min(1.0);
        self.line.show(&Progress { share, now, value: None, left });
    }
}

/// The part of a phase's progress that making operands is taken for.
const MAKING_SHARE: f64 = 0.3;

/// Times the passes of one phase: a first one that is verified, then passes with and without timers in turns, until their medians are
/// settled or time is up.
fn timed(
    device: &mut dyn Replayer,
    plan: &Plan,
    budget: Duration,
    shown: &mut Shares,
    notes: &mut Vec<String>,
    mut memory: Option<&mut Memory>,
) -> Result<Timed> {
    let name = plan.phase.name();
    let making = format!("{name}: making weights");
    let prepared = device.make_ready(&plan.sequence, &mut |share| {
        shown.show(share * MAKING_SHARE, &making, None);
        !interrupted()
    });
    match prepared {
        Err(_) if interrupted() => return Ok(Timed::default()),
        other => other.map_err(failed)?.into_iter().for_each(|note| {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }),
    }
    let mut timed = Timed::default();
    device.spoil().map_err(failed)?;
    if !pass(device, false, None)? {
        return Ok(timed);
    }
    timed.verified = device.verified().map_err(failed)?;
    if !timed.verified {
        return Err(Error::failure(format!(
            "a result of the {name} differs from the oracle: nothing that was timed counts"
        )));
    }
    if let Some(memory) = memory.as_mut() {
        // The first time its arrays are made.
        memory.read(device);
        memory.rates.clear();
    }
    let begun = Instant::now();
    while !interrupted() {
        let spent = begun.elapsed();
        let share = MAKING_SHARE + (1.0 - MAKING_SHARE) * (spent.as_secs_f64() / budget.as_secs_f64()).min(1.0);
        shown.show(share, &format!("{name}, pass {}", timed.passes.len() + 1), budget.checked_sub(spent));
        let both = !timed.passes.is_empty() && !timed.stepped.is_empty();
        if both && (spent >= budget || settled(&timed)) {
            break;
        }
        if let Some(memory) = memory.as_mut() {
            memory.read(device);
        }
        for timers in [false, true] {
            pass(device, timers, Some(&mut timed))?;
        }
    }
    timed.memory = memory.and_then(Memory::taken);
    Ok(timed)
}

/// One pass, kept in `timed`. Returns whether it went to its end.
fn pass(device: &mut dyn Replayer, timers: bool, timed: Option<&mut Timed>) -> Result<bool> {
    let pass = match device.pass(timers, interrupted) {
        Err(_) if interrupted() => return Ok(false),
        other => other.map_err(failed)?,
    };
    if let Some(timed) = timed.filter(|_| pass.complete) {
        timed.disturbed += u64::from(pass.disturbed && !timers);
        if timers {
            timed.stepped.push(pass.seconds);
            timed.steps.push(pass.steps);
        } else {
            timed.passes.push(pass.seconds);
        }
    }
    Ok(pass.complete)
}

/// Whether the medians are known well enough.
fn settled(timed: &Timed) -> bool {
    let is_settled = |seconds: &[f64]| {
        crate::stats::middle(seconds).is_some_and(|(middle, [low, high])| {
            seconds.len() >= PASSES_MIN && middle - low <= SETTLED * middle && high - middle <= SETTLED * middle
        })
    };
    is_settled(&timed.passes) && is_settled(&timed.stepped)
}
