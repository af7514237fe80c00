//! Remarks of ceilings and curves: those that something depends on by what they mean, all others by their words.

use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;

/// A remark that does not change the status; in a profile it is its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Flag {
    /// The samples fall into several modes, and the value is of the fastest one.
    Modes,
    /// What the device reported of its passes.
    Device(String),
    /// Anything else, in words for people.
    Other(String),
}

const MODES: &str = "more than one mode: the value is the upper one";
/// How the text of a device's report begins.
const DEVICE: &str = "the device says: ";

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flag::Modes => f.write_str(MODES),
            Flag::Device(report) => write!(f, "{DEVICE}{report}"),
            Flag::Other(text) => f.write_str(text),
        }
    }
}

impl From<String> for Flag {
    fn from(text: String) -> Flag {
        if text == MODES {
            return Flag::Modes;
        }
        match text.strip_prefix(DEVICE) {
            Some(report) => Flag::Device(report.to_owned()),
            None => Flag::Other(text),
        }
    }
}

impl From<Flag> for String {
    fn from(flag: Flag) -> String {
        flag.to_string()
    }
}

impl std::str::FromStr for Flag {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Flag, Infallible> {
        Ok(Flag::from(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_read_back_from_its_text() {
        for flag in [Flag::Modes, Flag::Device("no timestamps".to_owned()), Flag::Other("one thread".to_owned())] {
            assert_eq!(Flag::from(flag.to_string()), flag);
        }
    }
}
