//! What a name and a figure of a profile may be.

use crate::error::{Error, Result};

/// Rates beyond 10⁹ GB/s or GFLOP/s (10¹⁸ per second) and times beyond 10⁹ units are no single device's.
const VALUE_MAX: f64 = 1e9;
/// And none is slower than one operation per second, or quicker than a femtosecond.
const VALUE_MIN: f64 = 1e-9;

/// No name is longer, in bytes: it stands in the title of every table.
const NAME_BYTES_MAX: usize = 16 << 10;

/// Checks a name that people read.
pub(crate) fn named(key: &str, name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Error::misuse(format!("{key}: must be a name without control characters")));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::misuse(format!("{key}: is longer than {NAME_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Checks a count, where there is one.
pub(super) fn counted(key: &str, count: Option<impl Into<u64>>, most: u64) -> Result<()> {
    match count.map(Into::into) {
        Some(count) if !(1..=most).contains(&count) => {
            Err(Error::misuse(format!("{key}: must lie in 1..={most}, is {count}")))
        }
        _ => Ok(()),
    }
}

/// Checks a figure, where there is one.
pub(super) fn positive(key: &str, value: Option<f64>) -> Result<()> {
    match value {
        Some(v) if !(VALUE_MIN..=VALUE_MAX).contains(&v) => {
            Err(Error::misuse(format!("{key}: must lie in {VALUE_MIN:e}..={VALUE_MAX:e}, is {v:?}")))
        }
        _ => Ok(()),
    }
}
