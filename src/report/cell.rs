//! One cell of a table: a number in full for programs, and rounded for people.

use crate::units::thousands;

use crate::error::obeyed;
use std::borrow::Cow;

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Empty,
    /// Words.
    Text(String),
    /// Words that programs and people know by different spellings.
    Phrase {
        /// As a program reads it.
        exact: String,
        /// As a person reads it.
        shown: String,
    },
    /// A number.
    Number {
        /// As a program reads it.
        exact: String,
        /// As a person reads it.
        shown: String,
    },
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Cell {
        Cell::Text(words.into())
    }

    /// Words that may be missing.
    pub fn words<T: ToString>(words: Option<T>) -> Cell {
        words.map_or(Cell::Empty, |words| Cell::Text(words.to_string()))
    }

    /// Words that people see spelt otherwise.
    pub fn phrase(exact: impl Into<String>, shown: impl Into<String>) -> Cell {
        Cell::Phrase { exact: exact.into(), shown: shown.into() }
    }

    /// A measured or computed number: four significant digits for people, all of them for programs.
    pub fn number(value: f64) -> Cell {
        Cell::scaled(value, 1.0)
    }

    /// A number that may be missing.
    pub fn maybe(value: Option<f64>) -> Cell {
        value.map_or(Cell::Empty, Cell::number)
    }

    /// Yes or no, where it is known.
    pub fn yes_no(answer: Option<bool>) -> Cell {
        match answer {
            Some(true) => Cell::phrase("true", "yes"),
            Some(false) => Cell::phrase("false", "no"),
            None => Cell::Empty,
        }
    }

    /// A number that people see multiplied by `factor`, because the heading has another unit than the record.
    pub fn scaled(value: f64, factor: f64) -> Cell {
        Cell::Number { exact: value.to_string(), shown: significant(value * factor) }
    }

    /// An exact count, with thousands separated for people.
    pub fn count(value: u128) -> Cell {
        Cell::Number { exact: value.to_string(), shown: thousands(value) }
    }

    /// A small count: the same for people and programs.
    pub fn plain(value: u64) -> Cell {
        Cell::Number { exact: value.to_string(), shown: value.to_string() }
    }

    /// A count that people see in units of `unit`, such as bytes in units of 10⁶.
    pub fn amount(value: u64, unit: f64) -> Cell {
        Cell::Number { exact: value.to_string(), shown: significant(value as f64 / unit) }
    }

    /// The cell for people.
    pub fn shown(&self) -> &str {
        match self {
            Cell::Empty => "",
            Cell::Text(words) => words,
            Cell::Phrase { shown, .. } | Cell::Number { shown, .. } => shown,
        }
    }

    /// The cell for programs.
    pub fn exact(&self) -> &str {
        match self {
            Cell::Number { exact, .. } | Cell::Phrase { exact, .. } => exact,
            other => other.shown(),
        }
    }
}

/// Words as a terminal may have them: what it would obey is escaped.
pub(super) fn plain(words: &str) -> Cow<'_, str> {
    if !words.contains(obeyed) {
        return Cow::Borrowed(words);
    }
    words.chars().map(|c| if obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// The same for a cell of Markdown: no bar and no element of HTML is one.
pub(super) fn of_markdown(words: &str) -> Cow<'_, str> {
    let words = plain(words);
    if !words.contains(['|', '<']) {
        return words;
    }
    Cow::Owned(words.replace('|', "\\|").replace('<', "&lt;"))
}

/// A number with four significant digits in plain decimal notation (scientific beyond 10⁻⁴ … 10⁷).
pub fn significant(value: f64) -> String {
    digits(value, 4)
}

/// A number with that many significant digits, at most four.
pub fn digits(value: f64, digits: i32) -> String {
    let rounded = crate::units::four_digits(value);
    let magnitude = rounded.abs();
    if rounded == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{rounded:.3e}");
    }
    let decimals = (digits - 1 - magnitude.log10().floor() as i32).clamp(0, 8) as usize;
    format!("{rounded:.decimals$}")
}

/// Bytes in MiB, rounded up.
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        assert_eq!(significant(201_646.38), "201600");
        assert_eq!(significant(1.0), "1.000");
        assert_eq!(significant(0.0), "0");
        assert_eq!(significant(1.5e-7), "1.500e-7");
        assert_eq!(digits(19.96, 3), "20.0");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
