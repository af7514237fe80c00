//! GPUs through wgpu: WGSL compute shaders, timed by timestamps that are compared with the wall clock.
//!
//! A driver's fault kills its process without a message. So everything that touches a driver runs in a process of its own, the
//! worker. In the measuring process: `supervisor`, which asks the worker, notices when it crashes or hangs, and starts another
//! one. In the worker: `serve`, `worker`, and below them `routines` (what is timed), `timer` (how) and `context` (on what).
//! `protocol` is what the two processes exchange.

mod adapter;
mod buffers;
mod choose;
mod context;
mod hooks;
mod params;
mod pipeline;
mod protocol;
mod raw;
mod routines;
mod scopes;
mod serve;
mod shader;
mod supervisor;
mod timer;
mod timestamps;
mod unroll;
mod worker;

pub use adapter::Adapter;
pub use choose::{Chosen, again, best, hardware, named, no_hardware};
pub use serve::serve;
pub(crate) use supervisor::VERB;
pub use supervisor::{AdapterList, adapters};

use super::cpu::{Cpu, Taken};
use super::{Attempt, Device, Purpose};
use crate::error::Result;
use crate::job::Job;
use crate::profile::{DeviceInfo, DeviceKind, Environment, GpuClass, GpuProvenance, Machine};
use protocol::Opened;
use supervisor::Supervisor;

/// The memory that a GPU is taken to have where no backend reports it.
const ASSUMED_MEMORY_BYTES: u64 = 2 << 30;

/// A GPU, as the measuring process sees it: through its worker.
pub struct Gpu {
    adapter: Adapter,
    opened: Opened,
    host: Machine,
    taken_at_start: Taken,
    supervisor: Supervisor,
}

impl Gpu {
    /// Opens `adapter`, one of [`adapters`], in a process of its own. A driver that hangs is not waited for once `stop`
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
        let class = self.opened.gpu.class;
        let of_host = matches!(class, GpuClass::Software | GpuClass::Integrated);
        let device = DeviceInfo {
            name: self.adapter.name.clone(),
            kind: DeviceKind::Gpu,
            vendor: vendor(self.adapter.pci_id.as_deref(), &self.adapter.name).to_owned(),
            model: self.adapter.name.clone(),
            microarchitecture: None,
            // A GPU in the processor's own chip is known by that chip.
            board: self.host.device.board.clone().filter(|_| class == GpuClass::Integrated),
            soc: self.host.device.soc.clone().filter(|_| class == GpuClass::Integrated),
            architecture: "gpu".to_owned(),
            isas: Vec::new(),
            isas_unused: Vec::new(),
            sve_bits: None,
            sme_bits: None,
            logical_cpus: None,
            cores: None,
            memory_bytes: self.adapter.memory_bytes.or(of_host.then_some(self.host.device.memory_bytes).flatten()),
            // A software adapter uses the processor's caches. No backend reports those of a GPU.
            caches: if class == GpuClass::Software { self.host.device.caches.clone() } else { Vec::new() },
            core_classes: Vec::new(),
            gpu: Some(self.opened.gpu.clone()),
        };
        Machine { device, environment }
    }

    fn time(&mut self, job: &Job, repetitions: u64, _purpose: Purpose) -> Attempt {
        self.supervisor.time(job, repetitions)
    }

    fn renew(&mut self) {
        self.supervisor.renew();
    }
}

/// The maker, by its PCI number, else by the adapter's name.
fn vendor(pci_id: Option<&str>, name: &str) -> &'static str {
    const MAKERS: [(&str, &str); 11] = [
        ("10de", "NVIDIA"),
        ("1002", "AMD"),
        ("8086", "Intel"),
        ("106b", "Apple"),
        ("13b5", "Arm"),
        ("5143", "Qualcomm"),
        ("1010", "Imagination"),
        ("14e4", "Broadcom"),
        ("10005", "Mesa"),
        ("1ae0", "Google"),
        ("1414", "Microsoft"),
    ];
    let number = pci_id.and_then(|id| id.split(':').next());
    let by_number = MAKERS.iter().find(|(id, _)| number == Some(*id));
    by_number.or_else(|| MAKERS.iter().find(|(_, maker)| name.contains(maker))).map_or("unknown", |(_, maker)| maker)
}
