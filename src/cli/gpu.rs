//! GPUs on the command line: listed, chosen, opened. `no_gpu.rs` has the same functions for a build without them.

use super::recorder::interrupted;
use super::resume::Earlier;
use super::say;
use crate::device::gpu::{self, Adapter, AdapterList, Gpu, GpuReplayer};
use crate::device::{Device, Replayer};
use crate::error::Result;
use crate::profile::GpuProvenance;

/// Every adapter, and notes about the list.
pub(super) fn list() -> (Vec<serde_json::Value>, Vec<String>) {
    let AdapterList { adapters, mut notes } = match gpu::adapters(interrupted) {
        Ok(listed) => listed,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    if gpu::hardware(&adapters).next().is_none() {
        notes.push(gpu::no_hardware(&adapters));
    } else if let Some(software) = adapters.iter().find(|adapter| adapter.is_software()) {
        notes.push(format!("software is measured only when it is named, as in --device gpu:{}", software.index));
    }
    // An adapter has nothing that JSON cannot hold.
    (adapters.iter().filter_map(|adapter| serde_json::to_value(adapter).ok()).collect(), notes)
}

/// Names of all hardware GPUs, as `--device gpu:WHAT` takes them, and why there is none.
pub(super) fn hardware() -> Result<(Vec<String>, Option<String>)> {
    let adapters = adapters()?;
    let names: Vec<String> = gpu::hardware(&adapters).map(|adapter| adapter.index.to_string()).collect();
    let none = names.is_empty().then(|| gpu::no_hardware(&adapters));
    Ok((names, none))
}

/// The name of the chosen GPU.
pub(super) fn name(what: Option<&str>) -> Result<String> {
    Ok(chosen(what)?.name)
}

/// The chosen GPU, and how its numbers are got.
///
/// # Errors
/// Misuse when `what` names none or several, failure when it cannot be opened.
pub(super) fn open(what: Option<&str>) -> Result<(Box<dyn Device>, GpuProvenance)> {
    Gpu::open(&chosen(what)?, interrupted).map(with_provenance)
}

/// The chosen GPU, for sequences.
///
/// # Errors
/// As [`open`].
pub(super) fn replayer(what: Option<&str>) -> Result<Box<dyn Replayer>> {
    Ok(Box::new(GpuReplayer::new(Gpu::open(&chosen(what)?, interrupted)?)))
}

/// The GPU of an earlier measurement, and how its numbers are got.
///
/// # Errors
/// Misuse when it is not here, or has another driver.
pub(super) fn reopen(earlier: &Earlier) -> Result<(Box<dyn Device>, GpuProvenance)> {
    let profile = &earlier.profile;
    let (Some(info), Some(asked)) = (&profile.device.gpu, &profile.provenance.gpu) else {
        return Err(earlier.refusal("does not name its GPU"));
    };
    let (name, id, bus) = (&profile.device.name, info.pci_id.as_deref(), info.pci_bus.as_deref());
    let adapter = gpu::again(&adapters()?, name, id, bus, &asked.backend).map_err(|e| earlier.refusal(e))?;
    let gpu = Gpu::open(&adapter, interrupted)?;
    if let Some((what, then, now)) = difference(asked, &gpu.provenance()) {
        return Err(
            earlier.refusal(format!("was measured with another driver: {what} was \"{then}\", and is \"{now}\""))
        );
    }
    Ok(with_provenance(gpu))
}

/// The first difference between two provenances that numbers depend on: its name, the value then, the value now.
fn difference(then: &GpuProvenance, now: &GpuProvenance) -> Option<(&'static str, String, String)> {
    let of = |p: &GpuProvenance| [&p.backend, &p.driver, &p.driver_info, &p.shader_checks].map(String::clone);
    let both = of(then).into_iter().zip(of(now));
    let named = ["backend", "driver", "driver_info", "shader_checks"].into_iter().zip(both);
    named.map(|(what, (then, now))| (what, then, now)).find(|(_, then, now)| then != now)
}

/// Every adapter. Backends that could not be asked are reported.
fn adapters() -> Result<Vec<Adapter>> {
    let listed = gpu::adapters(interrupted)?;
    listed.notes.iter().for_each(|note| say(note));
    Ok(listed.adapters)
}

fn chosen(what: Option<&str>) -> Result<Adapter> {
    let adapters = adapters()?;
    let chosen = what.map_or_else(|| gpu::best(&adapters), |what| gpu::named(&adapters, what))?;
    chosen.remark.iter().for_each(|remark| say(remark));
    Ok(chosen.adapter)
}

fn with_provenance(gpu: Gpu) -> (Box<dyn Device>, GpuProvenance) {
    let provenance = gpu.provenance();
    (Box::new(gpu), provenance)
}
