//! What a build without GPUs says where the others speak of them: see `gpu.rs`.

use super::resume::Earlier;
use super::subject::Subject;
use crate::error::{Error, Result};

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
pub(super) fn open(_what: Option<&str>) -> Result<Subject> {
    Err(Error::failure(NONE))
}

/// Nor again.
pub(super) fn reopen(earlier: &Earlier) -> Result<Subject> {
    Err(earlier.refusal(NONE))
}
