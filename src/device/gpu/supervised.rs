//! A GPU of this machine, as the measuring process sees it.

use super::adapter::Adapter;
use super::device_info;
use super::protocol::Opened;
use super::supervisor::Supervisor;
use crate::device::cpu::{Cpu, Taken};
use crate::device::{Attempt, Device, Purpose};
use crate::error::Result;
use crate::job::Job;
use crate::profile::{Environment, GpuClass, GpuProvenance, Machine};

/// The memory that a GPU is taken to have where no backend reports it.
const ASSUMED_MEMORY_BYTES: u64 = 2 << 30;

/// A GPU, as the measuring process sees it: through its worker.
pub struct Gpu {
    adapter: Adapter,
    pub(super) opened: Opened,
    host: Machine,
    taken_at_start: Taken,
    pub(super) supervisor: Supervisor,
}

impl Gpu {
    /// Opens `adapter`, one of [`adapters`](super::adapters), in a process of its own. A driver that hangs is not waited for once `stop`
    /// returns true.
    ///
    /// # Errors
    /// Failure when the driver does not open it.
    pub fn open(adapter: &Adapter, stop: fn() -> bool) -> Result<Gpu> {
        let host = Cpu::describe()?;
        let (supervisor, opened) = Supervisor::open(adapter, stop)?;
        Ok(Gpu { adapter: adapter.clone(), opened, host, taken_at_start: Taken::now(), supervisor })
    }

    /// Backend, driver and clock that its numbers depend on.
    pub fn provenance(&self) -> GpuProvenance {
        self.opened.provenance.clone()
    }

    /// Bytes of memory that a measurement may use. Never more than the host has left, because data is made and verified there.
    /// Of a GPU with memory of its own no more than it has, or 2 GiB where that is not reported.
    fn memory_available_bytes(&self) -> u64 {
        let host = self.host.environment.memory_available_bytes;
        match self.opened.gpu.class {
            GpuClass::Software | GpuClass::Integrated => host,
            GpuClass::Discrete | GpuClass::Virtual | GpuClass::Other => {
                host.min(self.adapter.memory_bytes.unwrap_or(ASSUMED_MEMORY_BYTES))
            }
        }
    }
}

impl Device for Gpu {
    fn machine(&self) -> Machine {
        let mut environment = Environment {
            // One thread waits for the GPU. How the host's cores are built and clocked does not matter.
            threads: 1,
            smt: None,
            core_scaling: None,
            core_scaling_latency: None,
            pinned_cpus: None,
            numa_nodes: None,
            nodes: Vec::new(),
            numa_balancing: None,
            huge_pages: None,
            memory_available_bytes: self.memory_available_bytes(),
            ..self.host.environment.clone()
        };
        Taken::now().note_since(self.taken_at_start, &mut environment);
        let device = device_info(&self.adapter, &self.opened.gpu, Some(&self.host.device));
        Machine { device, environment }
    }

    fn time(&mut self, job: &Job, repetitions: u64, _purpose: Purpose) -> Attempt {
        self.supervisor.time(job, repetitions)
    }

    fn renew(&mut self) {
        self.supervisor.renew();
    }
}
