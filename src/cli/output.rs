//! What a result may be written over: never what somebody else made, and never a profile.

use crate::error::{Error, Result};
use crate::profile;
use std::path::Path;

/// Refuses to write over what roofprobe did not make; `what` says what it makes.
///
/// # Errors
/// Misuse where something else stands at `path`, or what stands there cannot be read.
pub(super) fn refuse_other(path: &Path, what: &str, is_ours: impl Fn(&[u8]) -> bool) -> Result<()> {
    let is_there = std::fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
    let why = match is_there.then(|| std::fs::read(path)) {
        None => return Ok(()),
        Some(Ok(bytes)) if is_ours(&bytes) => return Ok(()),
        Some(Ok(_)) => format!("is not {what}"),
        Some(Err(error)) => format!("cannot be read: {error}"),
    };
    Err(Error::misuse(format!("-o {}: exists and {why}; remove it, or choose another name", path.display())))
}

/// Refuses to write over a profile what is none.
///
/// # Errors
/// Misuse where a profile stands at `path`.
pub(super) fn refuse_profile(path: &Path, option: &str) -> Result<()> {
    match profile::load(path) {
        Ok(_) => Err(Error::misuse(format!(
            "{option} {}: is a profile, and would be lost; choose another name",
            path.display()
        ))),
        Err(_) => Ok(()),
    }
}
