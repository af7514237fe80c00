//! Measures the GPU of the browser, and tells the page how far it is.

use crate::page;
use crate::record::Record;
use roofprobe::device::Device;
use roofprobe::device::gpu::{Browser, Host, Suspension};
use roofprobe::error::{Error, Result};
use roofprobe::probe;
use roofprobe::profile::{self, Curve, Effort, Machine, Provenance};
use roofprobe::sample::{self, Clock, Finished, Pace, Session};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use web_time::Instant;

/// What is to be measured, and what the page knows of the browser.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    effort: String,
    /// The operating system.
    os: String,
    /// What the browser calls the GPU; empty where it does not tell.
    gpu: String,
    /// Bytes that a measurement may use.
    memory_bytes: u64,
    /// One step of the clock, ns.
    timer_ns: f64,
    /// Now, RFC 3339, UTC.
    date: String,
}

thread_local! {
    /// What the next measurement is to do: a call that may be suspended takes no arguments.
    static ORDER: RefCell<Option<Order>> = const { RefCell::new(None) };
}

/// Keeps what the next measurement is to do.
///
/// # Errors
/// Failure where page and program do not fit together.
pub(crate) fn order(order: &str) -> Result<()> {
    let order = serde_json::from_str(order);
    let order = order.map_err(|e| Error::failure(format!("the page orders what is not understood: {e}")))?;
    ORDER.with(|kept| *kept.borrow_mut() = Some(order));
    Ok(())
}

/// Measures what was ordered. The page is told how far it is, and the end: `done` and `partial` with the profile, `failed` with the
/// reason.
pub(crate) fn measure() {
    let order = ORDER.with(|kept| kept.borrow_mut().take());
    let measured = order.ok_or_else(|| Error::failure("nothing was ordered")).and_then(|order| measured(&order));
    match measured {
        Ok(Measured { toml, complete, lost }) => {
            if let Some(reason) = lost {
                page::tell("lost", &reason);
            }
            page::tell(if complete { "done" } else { "partial" }, &toml);
        }
        Err(error) => page::tell("failed", &error.to_string()),
    }
}

struct Measured {
    toml: String,
    complete: bool,
    lost: Option<String>,
}

fn measured(order: &Order) -> Result<Measured> {
    let effort = Effort::ALL.into_iter().find(|effort| effort.name() == order.effort);
    let effort = effort.ok_or_else(|| Error::failure(format!("there is no effort {:?}", order.effort)))?;
    let host = Host {
        os: order.os.clone(),
        gpu: order.gpu.clone(),
        memory_bytes: order.memory_bytes,
        timer_ns: order.timer_ns,
        hides: page::hides,
    };
    let mut browser = Browser::open(host, Suspension { suspend: page::suspend, resume: page::resume })?;
    let (machine, lost) = (browser.machine(), browser.lost());
    let provenance = Provenance { gpu: Some(browser.provenance()), ..provenance(order, effort) };
    let paused = Rc::new(Cell::new(Duration::ZERO));
    let mut record = Record::new(machine.clone(), provenance, lost.clone(), paused.clone());
    let clock = PageClock { begun: Instant::now(), paused };
    let session = Session::new(&mut browser, Pace::of_page(effort), &mut record).by(clock);
    let finished = sampled(session, &machine, effort)?;
    let profile = record.finish(&finished);
    let lost = lost.borrow().clone();
    Ok(Measured { toml: profile::to_toml(&profile)?, complete: profile.provenance.complete, lost })
}

fn provenance(order: &Order, effort: Effort) -> Provenance {
    Provenance {
        tool: "roofprobe".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: Some(roofprobe::COMMIT.to_owned()),
        compiler: Some(roofprobe::COMPILER.to_owned()),
        date: order.date.clone(),
        effort: Some(effort),
        tune: None,
        complete: false,
        only: Vec::new(),
        simulated: None,
        host: Some(profile::Host::Browser),
        gpu: None,
    }
}

/// The time that the page was not paused.
struct PageClock {
    begun: Instant,
    paused: Rc<Cell<Duration>>,
}

impl Clock for PageClock {
    fn elapsed(&self) -> Duration {
        self.begun.elapsed().saturating_sub(self.paused.get())
    }
}

/// Asks as the program does: what needs no survey, the curves, all ceilings, then what is held for long.
fn sampled(mut session: Session<'_>, machine: &Machine, effort: Effort) -> Result<Finished> {
    let session = &mut session;
    let plan = |curves: &[Curve]| probe::plan(machine, curves, effort);
    let begun = sample::begin(session, &plan(&[]), &[])?;
    if !begun.finished.complete {
        return Ok(begun.finished);
    }
    let surveyed = sample::survey(session, &|curves| probe::survey(machine, curves, effort), &[])?;
    if !surveyed.complete {
        let disturbed_samples = begun.finished.disturbed_samples + surveyed.disturbed_samples;
        return Ok(Finished { complete: false, disturbed_samples, ..begun.finished });
    }
    let finished = sample::go_on(session, begun, &plan(&surveyed.curves), &[])?;
    let held = probe::sustained(machine, &surveyed.curves, effort);
    let finished = sample::sustain(session, &held, &[], finished)?;
    Ok(Finished { disturbed_samples: finished.disturbed_samples + surveyed.disturbed_samples, ..finished })
}
