//! The GPU of a browser, through WebGPU, as a page sees it. The browser itself is the process that a driver may crash.

mod submissions;
mod suspension;

pub use suspension::Suspension;
pub(super) use suspension::block_on;

use super::adapter::Adapter;
use super::context::GpuError;
use super::hooks::Hooks;
use super::protocol::Opened;
use super::worker::Worker;
use super::{device_info, serve};
use crate::device::{Attempt, Device, Purpose, Refusal};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::profile::{Environment, GpuProvenance, Machine};
use std::cell::RefCell;
use std::rc::Rc;

/// wgpu's word for the interface.
const BACKEND: &str = "webgpu";

/// What the page knows of the browser and its machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The operating system.
    pub os: String,
    /// What the browser calls the GPU; empty where it does not tell.
    pub gpu: String,
    /// Bytes that a measurement may use.
    pub memory_bytes: u64,
    /// One step of the page's clock, or of the GPU's where that is coarser, ns.
    pub timer_ns: f64,
    /// How often the page has been hidden so far.
    pub hides: fn() -> u32,
}

/// The GPU of a browser.
pub struct Browser {
    host: Host,
    adapter: Adapter,
    opened: Opened,
    worker: Worker,
    lost: Rc<RefCell<Option<String>>>,
}

impl Browser {
    /// Opens the browser's GPU. Waits by `suspension`, here and in every call.
    ///
    /// # Errors
    /// Failure when the browser has no adapter, or refuses it.
    pub fn open(host: Host, suspension: Suspension) -> Result<Browser> {
        suspension::suspend_by(suspension);
        let hooks = Hooks { checked: true, ..Hooks::default() };
        let listed = serve::list(BACKEND, &hooks).into_iter().next();
        let (adapter, _) = listed.ok_or_else(|| Error::failure("the browser gives this page no GPU"))?;
        let refused = |reason| Error::failure(format!("the browser does not open its GPU: {reason}"));
        let (worker, opened) = serve::open(&adapter, &hooks).map_err(refused)?;
        let adapter = if host.gpu.is_empty() { adapter } else { Adapter { name: host.gpu.clone(), ..adapter } };
        Ok(Browser { host, adapter, opened, worker, lost: Rc::default() })
    }

    /// Backend and clock that its numbers depend on.
    pub fn provenance(&self) -> GpuProvenance {
        self.opened.provenance.clone()
    }

    /// Why the device was lost, once it is: then there is nothing more to be had.
    pub fn lost(&self) -> Rc<RefCell<Option<String>>> {
        self.lost.clone()
    }
}

impl Device for Browser {
    fn machine(&self) -> Machine {
        let environment = Environment {
            os: self.host.os.clone(),
            threads: 1,
            memory_available_bytes: self.host.memory_bytes,
            timer_ns: self.host.timer_ns,
            ..Environment::default()
        };
        Machine { device: device_info(&self.adapter, &self.opened.gpu, None), environment }
    }

    fn time(&mut self, job: &Job, repetitions: u64, _purpose: Purpose) -> Attempt {
        if self.lost.borrow().is_some() {
            return Err(Refusal::Exhausted);
        }
        let hides = (self.host.hides)();
        match self.worker.time(job, repetitions, 1.0) {
            Ok(mut pass) => {
                pass.disturbed |= (self.host.hides)() != hides;
                Ok(pass)
            }
            Err(GpuError::Refused(refusal)) => Err(refusal),
            Err(GpuError::Fatal(reason)) => {
                *self.lost.borrow_mut() = Some(reason);
                Err(Refusal::Exhausted)
            }
        }
    }

    fn renew(&mut self) {
        self.worker.renew();
    }
}
