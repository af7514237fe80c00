//! Many measured rates, models and profiles: which belong together.

use super::{Measured, MeasuredPoint, join_engine};
use crate::engine::EngineTable;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::profile::Profile;

/// What came of joining.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joined {
    /// The points, profile by profile, in the order of the file.
    pub points: Vec<MeasuredPoint>,
    /// Measurements that belong to no model, or no profile, that was named.
    pub left_out: usize,
}

/// Joins every measurement with the models that it is of (each with the name that it was asked for by) and the profiles of its
/// device (each with its name); one that names no device belongs to every profile.
///
/// # Errors
/// Misuse when nothing belongs together, listing what was measured; and as [`join`](super::join).
pub fn join_all(measured: &[Measured], models: &[(&str, &Model)], profiles: &[(&str, &Profile)]) -> Result<Joined> {
    let profiles: Vec<_> = profiles.iter().map(|&(name, profile)| (name, profile, None)).collect();
    join_engines(measured, models, &profiles)
}

/// As [`join_all`], each profile with the table of the engine that ran there.
///
/// # Errors
/// As [`join_all`].
pub fn join_engines(
    measured: &[Measured],
    models: &[(&str, &Model)],
    profiles: &[(&str, &Profile, Option<&EngineTable>)],
) -> Result<Joined> {
    let mut joined = Joined::default();
    let mut used = vec![false; measured.len()];
    for (profile_name, profile, engine) in profiles {
        for (one, used) in measured.iter().zip(&mut used) {
            let here = one.device.as_ref().is_none_or(|device| device.eq_ignore_ascii_case(&profile.device.name));
            for (asked, model) in models {
                if here && one.is_of(model, asked)? {
                    *used = true;
                    joined.points.push(join_engine(one, model, profile, profile_name, *engine)?);
                }
            }
        }
    }
    joined.left_out = used.iter().filter(|used| !**used).count();
    if joined.points.is_empty() {
        return Err(Error::misuse(format!(
            "nothing there was measured of these models on these devices; there are: {}",
            names_of(measured).join(", ")
        )));
    }
    Ok(joined)
}

/// What was measured, each once.
fn names_of(measured: &[Measured]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for one in measured {
        let device = one.device.as_ref().map_or_else(String::new, |device| format!(" on {device}"));
        let parameters = one.parameters.map_or_else(String::new, |count| format!(" of {count} parameters"));
        let name = format!("{}{parameters}{device}", one.model);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
