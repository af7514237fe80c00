//! Going on with an interrupted measurement: which file it is, and whether this is still the machine that it was begun on.

use super::target::FileTarget;
use crate::error::{Error, Result};
use crate::probe::{self, Scope};
use crate::profile::{DeviceInfo, Machine, Profile};
use crate::report;
use crate::store;
use std::path::PathBuf;

/// An earlier measurement and its file.
pub(super) struct Earlier {
    pub(super) file: FileTarget,
    pub(super) profile: Profile,
}

/// The measurement to go on with: in the file named, or the newest incomplete one of the device that `name` names.
///
/// # Errors
/// Misuse when there is none.
pub(super) fn earlier(output: Option<&str>, name: impl FnOnce() -> Result<String>) -> Result<Earlier> {
    let path = match output {
        Some("-") => return Err(Error::misuse("--resume needs a file to go on with; name it with -o FILE")),
        Some(file) => PathBuf::from(file),
        None => {
            let name = name()?;
            let found = store::incomplete(&name).ok_or_else(|| {
                Error::misuse(format!(
                    "--resume: no incomplete profile of this machine ({name}) in {}; name the file with -o FILE",
                    store::folder().display()
                ))
            })?;
            found.path
        }
    };
    FileTarget::resumed(path).map(|(file, profile)| Earlier { file, profile })
}

impl Earlier {
    /// That it cannot be gone on with.
    pub(super) fn refusal(&self, why: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{}: {why}; measure anew without --resume", self.file.working.display()))
    }

    /// The machine to plan for: the circumstances that it began with, so that the jobs are the same.
    ///
    /// # Errors
    /// Misuse when `now` is another device, or has too little memory for the same plan.
    pub(super) fn machine(&self, now: Machine) -> Result<Machine> {
        let profile = &self.profile;
        if let Some(key) = difference(&profile.device, &now.device)? {
            return Err(self.refusal(format!("was measured on another machine: device.{key} differs")));
        }
        if profile.provenance.simulated.is_some() {
            return Err(self.refusal("is a simulation, and cannot be gone on with"));
        }
        if profile.provenance.version != env!("CARGO_PKG_VERSION") {
            return Err(self.refusal(format!("was begun by roofprobe {}", profile.provenance.version)));
        }
        let (Some(environment), Some(effort)) = (profile.environment.clone(), profile.provenance.effort) else {
            return Err(self.refusal("was quoted, not measured"));
        };
        let scope = Scope::of(&profile.provenance);
        let begun = Machine { device: now.device, environment };
        let mut tighter = begun.clone();
        let available = &mut tighter.environment.memory_available_bytes;
        *available = now.environment.memory_available_bytes.min(*available);
        let same_plan = probe::survey(&begun, &profile.curve, effort)
            == probe::survey(&tighter, &profile.curve, effort)
            && probe::plan(&begun, &profile.curve, scope) == probe::plan(&tighter, &profile.curve, scope);
        if !same_plan {
            let [then, now] = [&begun, &tighter].map(|machine| machine.environment.memory_available_bytes >> 20);
            let why = format!("was begun with {then} MiB available, and now there are {now} MiB: free some, or");
            return Err(self.refusal(why));
        }
        Ok(begun)
    }
}

/// The first key in which two devices differ.
fn difference(then: &DeviceInfo, now: &DeviceInfo) -> Result<Option<String>> {
    let [then, now] = [then, now].map(|device| report::json("the device", device));
    let (then, now) = (then?, now?);
    let keys = then.as_object().into_iter().chain(now.as_object()).flat_map(|map| map.keys());
    Ok(keys.into_iter().find(|key| then.get(key) != now.get(key)).cloned())
}
