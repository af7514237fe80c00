//! Where a profile goes, and what stands there already: nothing that somebody measured is lost unless it is asked for.

use crate::error::{Error, Result};
use crate::file::{self, Durability, WriterLock};
use crate::profile::{self, DeviceInfo, Profile};
use crate::store;
use std::path::{Path, PathBuf};

/// Where a profile goes.
#[derive(Debug)]
pub(super) enum Target {
    /// A file.
    File(FileTarget),
    /// Standard output, once, at the end.
    StandardOutput,
}

/// A file that nobody else writes meanwhile. Until the measurement is complete it is kept at `working`, which differs from
/// `path` where a complete profile stands there that must not be lost.
#[derive(Debug)]
pub(super) struct FileTarget {
    /// The place of the complete profile.
    pub(super) path: PathBuf,
    /// The place of the incomplete one.
    pub(super) working: PathBuf,
    /// Held until the end.
    _lock: WriterLock,
}

impl Target {
    /// A file named by the user, for a new measurement of `device`; `replace` allows to lose what stands there.
    ///
    /// # Errors
    /// Misuse when another process writes it, or when something stands there that is not to be lost: what is no profile;
    /// without `replace` also a profile of another device, and an incomplete one. Failure when it could not be written.
    pub(super) fn named(path: &Path, device: &DeviceInfo, replace: bool) -> Result<Target> {
        file::check_writable(path)?;
        let lock = WriterLock::take(path)?;
        let partial = file::partial(path);
        let there = standing(path)?;
        // What stands beside it was not named: it is no matter if it cannot be read.
        let beside = profile::load(&partial).ok();
        if !replace {
            for (place, profile) in [(path, &there), (&partial, &beside)] {
                profile.as_ref().map_or(Ok(()), |profile| replaceable(place, path, profile, device))?;
            }
        }
        let complete = there.is_some_and(|there| there.provenance.complete);
        let working = if complete { partial } else { path.to_owned() };
        Ok(Target::File(FileTarget { path: path.to_owned(), working, _lock: lock }))
    }

    /// A new file in the store.
    ///
    /// # Errors
    /// Failure when the folder cannot be made or written.
    pub(super) fn kept(device_name: &str, date: &str) -> Result<Target> {
        let path = store::reserve(device_name, date)?;
        let lock = WriterLock::take(&path)?;
        Ok(Target::File(FileTarget { working: path.clone(), path, _lock: lock }))
    }

    /// How it is called in messages.
    pub(super) fn name(&self, complete: bool) -> String {
        match self {
            Target::File(file) if complete => file.path.display().to_string(),
            Target::File(file) => file.working.display().to_string(),
            Target::StandardOutput => "-".to_owned(),
        }
    }

    pub(super) fn write(&self, profile: &Profile, durability: Durability) -> Result<()> {
        let Target::File(FileTarget { path, working, .. }) = self else { return Ok(()) };
        if !profile.provenance.complete {
            return profile::save(profile, working, durability);
        }
        profile::save(profile, path, durability)?;
        if working != path {
            // Its contents stand at `path` now; if it cannot be removed, nothing is lost.
            let _ = std::fs::remove_file(working);
        }
        Ok(())
    }
}

impl FileTarget {
    /// The incomplete work on `path` to go on with, wherever it lies: there, or beside it. Where all is complete, the complete
    /// profile.
    ///
    /// # Errors
    /// Misuse when another process is at it, or when there is none.
    pub(super) fn resumed(path: PathBuf) -> Result<(FileTarget, Profile)> {
        // The name of the incomplete work means the same.
        let path = file::whole(&path).filter(|whole| whole.exists()).unwrap_or(path);
        let partial = file::partial(&path);
        if !path.exists() && !partial.exists() {
            return Err(Error::misuse(format!("{}: no such file", path.display())));
        }
        file::check_writable(&path)?;
        let lock = WriterLock::take(&path)?;
        let beside = profile::load(&partial).ok();
        let there = match standing(&path) {
            Ok(there) => there,
            Err(_) if std::fs::metadata(&path).is_err() => None,
            Err(error) => return Err(error),
        };
        let file = |working| FileTarget { path: path.clone(), working, _lock: lock };
        match (there, beside) {
            (Some(there), Some(beside)) if remains(&beside, &there) => {
                let _ = std::fs::remove_file(&partial);
                Ok((file(path.clone()), there))
            }
            // Of two the one that was begun later.
            (Some(there), Some(beside)) if there.provenance.complete || begun(&beside) > begun(&there) => {
                Ok((file(partial), beside))
            }
            (Some(there), _) => Ok((file(path.clone()), there)),
            (None, Some(beside)) => Ok((file(partial), beside)),
            (None, None) => {
                Err(Error::misuse(format!("{}: nothing was measured yet; measure it without --resume", path.display())))
            }
        }
    }
}

/// The profile at `path`; none where there is nothing as yet.
///
/// # Errors
/// Misuse when something else stands there.
fn standing(path: &Path) -> Result<Option<Profile>> {
    match profile::load(path) {
        Ok(there) => Ok(Some(there)),
        Err(error) if std::fs::metadata(path).is_ok_and(|there| there.len() > 0) => {
            let why = match std::fs::File::open(path) {
                Ok(_) => format!("is not a profile that this roofprobe reads ({error})"),
                Err(unreadable) => format!("cannot be opened: {unreadable}"),
            };
            Err(Error::misuse(format!("-o {}: exists and {why}; remove it, or choose another name", path.display())))
        }
        Err(_) => Ok(None),
    }
}

/// That `there`, which stands at `place`, may be lost to a measurement of `device` that is written to `path`.
///
/// # Errors
/// Misuse when it is of another device, or not complete.
fn replaceable(place: &Path, path: &Path, there: &Profile, device: &DeviceInfo) -> Result<()> {
    let place = place.display();
    if !same_device(&there.device, device) {
        return Err(Error::misuse(format!(
            "-o {place}: holds a profile of {}, and this is {}; choose another name, or allow it with --replace",
            there.device.name, device.name
        )));
    }
    let answers = there.ceiling.iter().filter(|ceiling| ceiling.samples.is_some()).count() + there.curve.len();
    if !there.provenance.complete && answers > 0 {
        return Err(Error::misuse(format!(
            "-o {place}: holds a measurement that was interrupted, with {answers} answers so far; complete it with: roofprobe \
             measure --resume -o {}, or begin anew with --replace",
            super::quoted(&path.display().to_string())
        )));
    }
    Ok(())
}

/// Whether two devices are one, or alike: what a new version finds out about a device, and what memory an operating system
/// leaves of it, may change.
fn same_device(a: &DeviceInfo, b: &DeviceInfo) -> bool {
    let of = |device: &DeviceInfo| (device.kind, device.name.clone(), device.vendor.clone(), device.model.clone());
    of(a) == of(b)
}

/// When it was begun: RFC 3339 dates in UTC sort as text.
fn begun(profile: &Profile) -> &str {
    &profile.provenance.date
}

/// Whether `beside` is what a process that ended between two steps left of the work on `complete`.
fn remains(beside: &Profile, complete: &Profile) -> bool {
    let mut provenance = beside.provenance.clone();
    provenance.complete = true;
    provenance == complete.provenance && same_device(&beside.device, &complete.device)
}
