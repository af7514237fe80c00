//! Which of the shipped models are meant: by words, family, size, licence and date.

use super::family::Family;
use super::language_model::Model;
use super::nearest;
use crate::error::{Error, Result};
use std::str::FromStr;

/// What a model must be. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ZooFilter {
    /// Words that its name, family or card must have, in any order and case.
    pub words: Vec<String>,
    /// Its family is one of these; all where there are none.
    pub families: Vec<String>,
    /// How many parameters it has.
    pub size: Option<SizeRange>,
    /// Words that its licence must have.
    pub licence: Option<String>,
    /// When it was released.
    pub released: Option<DateRange>,
}

/// Numbers of parameters, both ends within.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeRange {
    least: f64,
    most: f64,
}

/// Months, both ends within.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRange {
    first: String,
    last: String,
}

impl ZooFilter {
    /// Those of `models` that are meant.
    ///
    /// # Errors
    /// Misuse for a family that is not known.
    pub fn of(&self, models: Vec<Model>) -> Result<Vec<Model>> {
        let families = self.families.iter().map(|word| {
            Family::of(word).ok_or_else(|| {
                let remedy = nearest::remedy(word, Family::all().map(Family::name), nearest::FAMILIES);
                Error::misuse(format!("--family: {word:?} is not known; {remedy}"))
            })
        });
        let families: Vec<Family> = families.collect::<Result<_>>()?;
        let mut kept = Vec::new();
        for model in models {
            let counted = model.parameters()? as f64;
            let family = families.is_empty() || families.contains(&model.family());
            let size = self.size.is_none_or(|range| (range.least..=range.most).contains(&counted));
            if family && size && self.origin_fits(&model) {
                kept.push(model);
            }
        }
        Ok(kept)
    }

    fn origin_fits(&self, model: &Model) -> bool {
        let Some(origin) = &model.source.origin else { return false };
        let has = |text: &str, word: &str| text.to_lowercase().contains(&word.to_lowercase());
        let all = format!("{} {} {}", model.name(), model.family(), origin.card);
        self.words.iter().all(|word| has(&all, word))
            && self.licence.as_ref().is_none_or(|word| has(&origin.licence, word))
            && self.released.as_ref().is_none_or(|range| range.holds(&origin.released))
    }
}

impl FromStr for SizeRange {
    type Err = String;

    /// `7B` (as people round it), `1B..8B`, `..3B`, `30B..`.
    fn from_str(text: &str) -> std::result::Result<SizeRange, String> {
        let Some((least, most)) = text.split_once("..") else {
            let size = parameters(text)?;
            return Ok(SizeRange { least: size * 0.9, most: size * 1.1 });
        };
        let end = |text: &str, open: f64| if text.is_empty() { Ok(open) } else { parameters(text) };
        let range = SizeRange { least: end(least, 0.0)?, most: end(most, f64::INFINITY)? };
        if range.least <= range.most { Ok(range) } else { Err("its ends are the wrong way round".to_owned()) }
    }
}

/// `500M`, `1.5B`, `1T`, or a number.
fn parameters(text: &str) -> std::result::Result<f64, String> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[number.len()..].to_ascii_uppercase().as_str() {
        "" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "B" => 1e9,
        "T" => 1e12,
        _ => f64::NAN,
    };
    let size = number.parse::<f64>().map_or(f64::NAN, |number| number * unit);
    let lawful = size > 0.0 && size.is_finite();
    lawful.then_some(size).ok_or_else(|| format!("{text:?} is no number of parameters; write 500M, 7B or 1B..8B"))
}

impl FromStr for DateRange {
    type Err = String;

    /// `2024`, `2024-06`, `2024-06..`, `..2023`, `2024..2025-03`.
    fn from_str(text: &str) -> std::result::Result<DateRange, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let lawful = |word: &str| word.is_empty() || is_month(word) || is_month(&format!("{word}-01"));
        if !lawful(first) || !lawful(last) || text.is_empty() {
            return Err(format!("{text:?} is no date; write 2024, 2024-06, 2024-06.. or 2023..2024"));
        }
        Ok(DateRange { first: first.to_owned(), last: last.to_owned() })
    }
}

impl DateRange {
    fn holds(&self, month: &str) -> bool {
        let within = month.get(..self.last.len()).is_none_or(|start| start <= self.last.as_str());
        month >= self.first.as_str() && within
    }
}

/// Whether this is `YYYY-MM`.
pub(super) fn is_month(text: &str) -> bool {
    let digits = |word: &str, length: usize| word.len() == length && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(year, month)| {
        digits(year, 4) && digits(month, 2) && (1..=12).contains(&month.parse::<u8>().unwrap_or_default())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_people_write_them() {
        let size = |text: &str| text.parse::<SizeRange>();
        assert_eq!(size("7B"), Ok(SizeRange { least: 7e9 * 0.9, most: 7e9 * 1.1 }));
        assert_eq!(size("500m..1.5B"), Ok(SizeRange { least: 5e8, most: 1.5e9 }));
        assert_eq!(size("1T.."), Ok(SizeRange { least: 1e12, most: f64::INFINITY }));
        for wrong in ["", "x", "7G", "-1B", "8B..1B", "1B...", "nanB", "0"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        let holds = |range: &str, month| range.parse::<DateRange>().unwrap().holds(month);
        assert!(holds("2024", "2024-06") && holds("2024-06", "2024-06") && holds("2023..2024-06", "2024-06"));
        assert!(holds("2024-06..", "2025-01") && holds("..2023", "2019-02") && holds("..", "2024-06"));
        assert!(!holds("2024", "2023-12") && !holds("2024-07..", "2024-06") && !holds("..2023", "2024-01"));
        for wrong in ["", "24", "2024-13", "2024-6", "soon", "2024..x"] {
            assert!(wrong.parse::<DateRange>().is_err(), "{wrong}");
        }
    }
}
