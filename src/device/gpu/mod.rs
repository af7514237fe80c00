//! GPUs through wgpu: WGSL compute shaders, timed by timestamps that are held against the wall clock.
//!
//! A driver's fault kills its process without a word, so all that touches one lives in a process of its own, the worker; here
//! is who asks it, line by line, notices when it dies or hangs, and starts another one.

mod adapter;
mod attention;
mod buffers;
mod chain;
mod choose;
mod context;
mod coopmat;
mod hooks;
mod keeper;
mod matmul;
mod overhead;
mod params;
mod process;
mod raw;
mod routine;
mod serve;
mod shader;
mod stream;
#[cfg(test)]
mod tests;
mod wall;
mod wire;
mod worker;

pub use adapter::Adapter;
pub use choose::{Chosen, again, best, hardware, named, no_hardware};
pub(crate) use keeper::VERB;
pub use keeper::{Listed, adapters};
pub use serve::serve;

use super::cpu::{Cpu, Taken};
use super::{Device, Pass, Purpose, Refusal};
use crate::error::Result;
use crate::job::Job;
use crate::profile::{DeviceInfo, DeviceKind, Environment, GpuClass, GpuProvenance, Machine};
use keeper::Keeper;
use wire::Opened;

/// What a GPU is trusted to have where nobody tells.
const UNTOLD_MEMORY_BYTES: u64 = 2 << 30;

/// A GPU, as the measuring process sees it: through its worker.
pub struct Gpu {
    adapter: Adapter,
    opened: Opened,
    host: Machine,
    taken_at_start: Taken,
    keeper: Keeper,
}

impl Gpu {
    /// Opens `adapter`, one of [`adapters`], in a process of its own. A driver that hangs is not waited for once `stop` says
    /// that somebody wants it all to end.
    ///
    /// # Errors
    /// Failure when the driver does not open it.
    pub fn open(adapter: &Adapter, stop: fn() -> bool) -> Result<Gpu> {
        let host = Cpu::describe()?;
        let (keeper, opened) = Keeper::open(adapter, stop)?;
        Ok(Gpu { adapter: adapter.clone(), opened, host, taken_at_start: Taken::now(), keeper })
    }

    /// How it is asked.
    pub fn provenance(&self) -> GpuProvenance {
        self.opened.provenance.clone()
    }

    /// Memory that may be asked for: what the host has left where the GPU shares it, and never more than that, as data is
    /// made and verified there; of a GPU with memory of its own no more than it has, and 2 GiB where that is not told.
    fn memory_available_bytes(&self) -> u64 {
        let host = self.host.environment.memory_available_bytes;
        match self.opened.gpu.class {
            GpuClass::Software | GpuClass::Integrated => host,
            GpuClass::Discrete | GpuClass::Virtual | GpuClass::Other => {
                host.min(self.adapter.memory_bytes.unwrap_or(UNTOLD_MEMORY_BYTES))
            }
        }
    }
}

impl Device for Gpu {
    fn machine(&self) -> Machine {
        let mut environment = Environment {
            // One thread waits for the GPU; how the host's cores are built and clocked is no matter of its own.
            threads: 1,
            smt: None,
            core_scaling: None,
            numa_nodes: None,
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
            architecture: "gpu".to_owned(),
            isas: Vec::new(),
            logical_cpus: None,
            cores: None,
            memory_bytes: self.adapter.memory_bytes.or(of_host.then_some(self.host.device.memory_bytes).flatten()),
            // The processor's own serve a software adapter; those of a GPU nobody tells.
            caches: if class == GpuClass::Software { self.host.device.caches.clone() } else { Vec::new() },
            gpu: Some(self.opened.gpu.clone()),
        };
        Machine { device, environment }
    }

    fn time(&mut self, job: &Job, repetitions: u64, _purpose: Purpose) -> std::result::Result<Pass, Refusal> {
        self.keeper.time(job, repetitions)
    }

    fn renew(&mut self) {
        self.keeper.renew();
    }
}

/// Who made it, by the number on the bus, else by its name.
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
