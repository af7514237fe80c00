//! The one error of the library: a message a person can act on, and whose fault it is.
//!
//! A message names the file, the key and the remedy where there is one. Nothing here prints or exits; `cli` does.

use std::fmt;

/// Who has to act, which is also the exit code's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request or an input file is wrong (exit code 2).
    Misuse,
    /// The request is right, and could not be done (exit code 1).
    Failure,
}

/// An error with its message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    fault: Fault,
    message: String,
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The request or an input file is wrong.
    pub fn misuse(message: impl Into<String>) -> Error {
        Error { fault: Fault::Misuse, message: message.into() }
    }

    /// The request is right, and could not be done.
    pub fn failure(message: impl Into<String>) -> Error {
        Error { fault: Fault::Failure, message: message.into() }
    }

    /// The same error with the place it concerns (usually a file) put before its message.
    #[must_use]
    pub fn within(self, place: impl fmt::Display) -> Error {
        Error { fault: self.fault, message: format!("{place}: {}", self.message) }
    }

    /// Who has to act.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

/// Characters of a foreign text that a message shows.
const SHOWN: usize = 80;

/// A foreign text as messages show it: what a terminal would obey is escaped, and what is long is cut.
pub fn shown(text: &str) -> String {
    shown_within(text, SHOWN)
}

/// The same of a text of which `most` characters are shown.
pub fn shown_within(text: &str, most: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(most)
        .map(|c| if obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a terminal or a reader obeys a character instead of showing it: controls, and marks that turn the direction of text.
pub fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
