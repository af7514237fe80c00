//! What is measured: a device of whatever kind, and how it is to be written down.

use super::resume::Earlier;
use super::selection::Selection;
use super::{gpu, say};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::device::power::Metered;
use crate::error::{Error, Result};
use crate::profile::{DeviceKind, EarlierRead, GpuClass, GpuProvenance, Machine};
use crate::simulate::Simulated;
use crate::store::{self, Races};

/// A device that was opened.
pub(super) struct Subject {
    pub(super) device: Box<dyn Device>,
    /// The machine to plan for.
    pub(super) machine: Machine,
    /// How it is asked, if it is a GPU.
    pub(super) provenance: Option<GpuProvenance>,
    /// The profile that is replayed, if it is a simulation.
    pub(super) simulated: Option<store::Named>,
}

impl Subject {
    /// The device that is selected; `all` is no single one.
    ///
    /// # Errors
    /// Misuse when no device or several are named so, failure when it cannot be opened.
    pub(super) fn open(selection: &Selection, threads: Option<usize>) -> Result<Subject> {
        match selection {
            Selection::Cpu => Cpu::new(threads).map(Subject::cpu),
            Selection::Gpu(what) => gpu::open(what.as_deref()).map(Subject::gpu),
            Selection::All => Err(Error::misuse("--device all: name one device")),
        }
    }

    /// The replay of the profile of that name.
    ///
    /// # Errors
    /// Misuse when there is no such profile.
    pub(super) fn simulated(name: &str) -> Result<Subject> {
        let named = store::find(name)?;
        let device = Box::new(Simulated::new(named.profile.clone()).map_err(|e| e.within(name))?);
        // A replay has no driver but the one that was recorded.
        let provenance = named.profile.provenance.gpu.clone();
        Ok(Subject { machine: device.machine(), device, provenance, simulated: Some(named) })
    }

    /// The device that `earlier` is of, with the machine as it was then.
    ///
    /// # Errors
    /// Misuse when it is not here, or not as it was.
    pub(super) fn of(earlier: &Earlier) -> Result<Subject> {
        match earlier.profile.device.kind {
            DeviceKind::Cpu => {
                let threads = earlier.profile.environment.as_ref().map(|environment| environment.threads as usize);
                let machine = earlier.machine(threads.map_or_else(Cpu::describe, Cpu::describe_with)?)?;
                let cpu = Cpu::new(threads)?;
                Ok(Subject { machine, ..Subject::cpu(cpu) })
            }
            DeviceKind::Gpu => {
                let subject = Subject::gpu(gpu::reopen(earlier)?);
                let machine = earlier.machine(subject.machine.clone())?;
                Ok(Subject { machine, ..subject })
            }
        }
    }

    /// The races that were held on it before; a replay has none.
    pub(super) fn races(&self, gpu: Option<&GpuProvenance>) -> Option<Races> {
        let (races, remark) = self.simulated.is_none().then(|| Races::of(&self.machine, gpu))?;
        remark.iter().for_each(|remark| say(remark));
        Some(races)
    }

    /// The fastest that a CPU's memory was when this machine was measured before; a replay knows no other measurement.
    pub(super) fn earlier_read(&self) -> Option<EarlierRead> {
        let is_real = self.simulated.is_none() && self.machine.device.kind == DeviceKind::Cpu;
        is_real.then(|| store::highest_read(&self.machine)).flatten()
    }

    fn gpu((device, provenance): (Box<dyn Device>, GpuProvenance)) -> Subject {
        // One in the processor's own chip shares its power; of others nothing is read.
        let integrated = device.machine().device.gpu.is_some_and(|gpu| gpu.class == GpuClass::Integrated);
        let device = if integrated { Box::new(Metered::new(device)) } else { device };
        Subject { machine: device.machine(), device, provenance: Some(provenance), simulated: None }
    }

    fn cpu(cpu: Cpu) -> Subject {
        let device = Box::new(Metered::new(Box::new(cpu)));
        Subject { machine: device.machine(), device, provenance: None, simulated: None }
    }
}
