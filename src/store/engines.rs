//! Where tables of engines are: shipped with the program, or kept beside the profiles that they belong to.

use super::{folder, slug};
use crate::engine::{self, EngineTable};
use crate::error::{Error, Result};
use crate::file::{self, Durability};
use crate::profile::Profile;
use std::path::{Path, PathBuf};

/// The folder of tables, inside that of the profiles.
fn engines() -> PathBuf {
    folder().join("engines")
}

/// The table of that file, or the shipped one of that engine.
///
/// # Errors
/// Misuse when it is neither, or no table.
pub fn find_engine(name: &str) -> Result<EngineTable> {
    let path = Path::new(name);
    if path.is_file() {
        return engine::parse(&file::read_text(path)?).map_err(|e| e.within(name));
    }
    engine::shipped(name)?.ok_or_else(|| {
        Error::misuse(format!(
            "--engine \"{name}\": is neither a file nor an engine with a shipped table (there are: {}); `roofprobe calibrate` \
             writes a table",
            engine::SHIPPED_ENGINES.join(", ")
        ))
    })
}

/// The kept table that belongs to this profile, and its file: the newest of several. What cannot be read is passed over.
pub fn engine_of(profile: &Profile) -> Option<(PathBuf, EngineTable)> {
    let entries = std::fs::read_dir(engines()).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let tables =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).filter_map(|path| {
            let table = engine::parse(&file::read_text(&path).ok()?).ok()?;
            Some((path, table))
        });
    let belongs = |table: &EngineTable| {
        table.device == profile.device.name && table.profile_measured.as_ref() == Some(&profile.provenance.date)
    };
    // RFC 3339 dates in UTC sort as text.
    tables.filter(|(_, table)| belongs(table)).max_by(|(_, a), (_, b)| a.fitted.cmp(&b.fitted))
}

/// Writes a table to `path`; where none is named, beside the profiles. Returns its file.
///
/// # Errors
/// Failure when it cannot be written.
pub fn keep_engine(table: &EngineTable, path: Option<&Path>) -> Result<PathBuf> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => {
            let folder = engines();
            std::fs::create_dir_all(&folder).map_err(|e| {
                Error::failure(format!("{}: cannot be made: {e}; name a file with -o", folder.display()))
            })?;
            let measured = table.profile_measured.as_deref().unwrap_or_default();
            folder.join(format!("{}.toml", slug(&format!("{}-{}-{measured}", table.engine, table.device))))
        }
    };
    file::write_atomically(&path, &engine::to_toml(table)?, Durability::Synced)?;
    Ok(path)
}
