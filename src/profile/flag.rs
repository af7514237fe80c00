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
    /// Of a quoted value: what to look at where less is measured on such a device.
    Advice(String),
    /// Anything else, in words for people.
    Other(String),
}

const MODES: &str = "more than one mode: the value is the upper one";
/// How the text of a device's report begins.
const DEVICE: &str = "the device says: ";
/// How the text of advice begins.
const ADVICE: &str = "where less is measured: ";

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flag::Modes => f.write_str(MODES),
            Flag::Device(report) => write!(f, "{DEVICE}{report}"),
            Flag::Advice(what) => write!(f, "{ADVICE}{what}"),
            Flag::Other(text) => f.write_str(text),
        }
    }
}

impl From<String> for Flag {
    fn from(text: String) -> Flag {
        if text == MODES {
            return Flag::Modes;
        }
        match (text.strip_prefix(DEVICE), text.strip_prefix(ADVICE)) {
            (Some(report), _) => Flag::Device(report.to_owned()),
            (None, Some(what)) => Flag::Advice(what.to_owned()),
            (None, None) => Flag::Other(text),
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
        let [report, advice, words] = ["no timestamps", "the power mode", "one thread"].map(str::to_owned);
        for flag in [Flag::Modes, Flag::Device(report), Flag::Advice(advice), Flag::Other(words)] {
            assert_eq!(Flag::from(flag.to_string()), flag);
        }
    }
}
