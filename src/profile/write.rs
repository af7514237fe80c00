//! Profile to TOML: one table per section, everything below it on one line (but for `[device.gpu]` and `[provenance.gpu]`),
//! so that people can read it.

use super::Profile;
use crate::error::{Error, Result};
#[cfg(feature = "cli")]
use crate::file::Durability;
use serde::Serialize;
#[cfg(feature = "cli")]
use std::path::Path;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

const HEADER: &str =
    "# Hardware profile by roofprobe. Rates are decimal (GB = 10^9 bytes); 1 multiply-accumulate = 2 FLOP.\n";

/// The key of what only a GPU has, in every section that has it.
const GPU: &str = "gpu";

/// The profile as TOML text.
///
/// # Errors
/// Failure when a number cannot be written in TOML (an integer beyond 63 bits).
pub fn to_toml(profile: &Profile) -> Result<String> {
    let mut document = DocumentMut::new();
    document.insert("schema", toml_edit::value(i64::from(profile.schema)));
    document.insert("device", Item::Table(section(&profile.device)?));
    if let Some(environment) = &profile.environment {
        document.insert("environment", Item::Table(section(environment)?));
    }
    document.insert("summary", Item::Table(section(&profile.summary)?));
    sections(&mut document, "ceiling", &profile.ceiling)?;
    sections(&mut document, "curve", &profile.curve)?;
    document.insert("provenance", Item::Table(section(&profile.provenance)?));
    Ok(format!("{HEADER}{document}"))
}

fn sections<T: Serialize>(document: &mut DocumentMut, key: &str, parts: &[T]) -> Result<()> {
    let mut tables = ArrayOfTables::new();
    for part in parts {
        tables.push(section(part)?);
    }
    if !tables.is_empty() {
        document.insert(key, Item::ArrayOfTables(tables));
    }
    Ok(())
}

fn section<T: Serialize>(part: &T) -> Result<Table> {
    let value = part
        .serialize(toml_edit::ser::ValueSerializer::new())
        .map_err(|e| Error::failure(format!("the profile cannot be written as TOML: {e}")))?;
    let Value::InlineTable(table) = value else {
        return Err(Error::failure("the profile cannot be written as TOML: a section is not a table"));
    };
    let mut table = table.into_table();
    // What only a GPU has is a section of its own: too much for one line.
    if let Some((key, Item::Value(Value::InlineTable(gpu)))) = table.remove_entry(GPU) {
        table.insert_formatted(&key, Item::Table(gpu.into_table()));
    }
    Ok(table)
}

/// Saves the profile atomically.
///
/// # Errors
/// Failure when `path` cannot be written; what stood there before is untouched.
#[cfg(feature = "cli")]
pub fn save(profile: &Profile, path: &Path, durability: Durability) -> Result<()> {
    crate::file::write_atomically(path, &to_toml(profile)?, durability)
}
