//! TOML to profile: versions refused kindly, unknown keys by name, then the numbers checked.

use super::{Profile, SCHEMA};
use crate::error::{Error, Result, shown, shown_within};
#[cfg(feature = "cli")]
use std::path::Path;

/// Loads and validates a profile.
///
/// # Errors
/// Misuse, naming the file and the key, when it is missing, not TOML, not a profile, of another schema version, has an
/// unknown key, or a number that cannot be.
#[cfg(feature = "cli")]
pub fn load(path: &Path) -> Result<Profile> {
    let text = crate::file::read_text(path)?;
    parse(&text).map_err(|e| e.within(path.display()))
}

/// Reads and validates a profile from TOML text.
///
/// # Errors
/// As [`load`], without the file's name.
pub fn parse(text: &str) -> Result<Profile> {
    let table: toml::Table =
        toml::from_str(text).map_err(|e| located(text, &e, "is the file truncated, or not TOML?"))?;
    match table.get("schema") {
        None => {
            return Err(Error::misuse(
                "no key \"schema\": not a roofprobe profile (`roofprobe measure -o FILE` writes one)",
            ));
        }
        Some(toml::Value::Integer(version)) if *version == i64::from(SCHEMA) => {}
        Some(toml::Value::Integer(version)) => {
            return Err(Error::misuse(format!(
                "schema: this is profile schema {version}, and this roofprobe ({}) reads schema {SCHEMA}; use the \
                 version that wrote it, or measure again",
                env!("CARGO_PKG_VERSION"),
            )));
        }
        Some(_) => return Err(Error::misuse(format!("schema: must be the integer {SCHEMA}"))),
    }
    let profile: Profile =
        toml::from_str(text).map_err(|e| located(text, &e, "`roofprobe schema` describes the format"))?;
    profile.validate()?;
    Ok(profile)
}

/// Characters of what the reader of TOML says that a message shows: it may name every key there is, or one of the file's that never ends.
const SAID: usize = 1000;

fn located(text: &str, error: &toml::de::Error, remedy: &str) -> Error {
    let said = shown_within(&error.message().replace('\n', " "), SAID);
    // What is missing at the top is of the whole file, and of no line.
    let is_of_file = |start: usize| start == 0 && said.starts_with("missing field");
    let Some(span) = error.span().filter(|span| !is_of_file(span.start)) else {
        return Error::misuse(format!("{said}; {remedy}"));
    };
    let before = &text[..span.start.min(text.len())];
    let number = before.matches('\n').count() + 1;
    // The key of the line, where it has one: a type error names only what it found.
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| format!("{}: ", shown(key.trim()))).unwrap_or_default();
    Error::misuse(format!("line {number}: {key}{said}; {remedy}"))
}
