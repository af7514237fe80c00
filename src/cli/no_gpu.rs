//! The functions of `gpu.rs` in a build without GPU support.

use super::resume::Earlier;
use crate::device::{Device, Replayer};
use crate::error::{Error, Result};
use crate::profile::GpuProvenance;

const NONE: &str =
    "this build of roofprobe has no GPU support; build it with the feature gpu, as cargo does by default";

/// No adapter, and why.
pub(super) fn list() -> (Vec<serde_json::Value>, Vec<String>) {
    (Vec::new(), vec![NONE.to_owned()])
}

/// No name, and why.
pub(super) fn hardware() -> Result<(Vec<String>, Option<String>)> {
    Ok((Vec::new(), Some(NONE.to_owned())))
}

/// No GPU has a name here.
pub(super) fn name(_what: Option<&str>) -> Result<String> {
    Err(Error::failure(NONE))
}

/// No GPU is opened here.
pub(super) fn open(_what: Option<&str>) -> Result<(Box<dyn Device>, GpuProvenance)> {
    Err(Error::failure(NONE))
}

/// Nor for sequences.
pub(super) fn replayer(_what: Option<&str>) -> Result<Box<dyn Replayer>> {
    Err(Error::failure(NONE))
}

/// Nor again.
pub(super) fn reopen(earlier: &Earlier) -> Result<(Box<dyn Device>, GpuProvenance)> {
    Err(earlier.refusal(NONE))
}
