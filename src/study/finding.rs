//! What rows say: claims, held against every case of a study.

use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::SerializeDisplay;

named_enum! {
    /// Whether a claim holds.
    #[derive(SerializeDisplay, JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub enum Holds: "verdict" {
        /// It does.
        True = "true",
        /// It does not.
        False = "false",
        /// The intervals overlap, or what it speaks of is not among the rows.
        Undecided = "undecided",
    }
}

impl Holds {
    /// What two certainties say: a condition and the certainty of its opposite.
    pub(super) const fn of(certain: bool, certainly_not: bool) -> Holds {
        match (certain, certainly_not) {
            (true, _) => Holds::True,
            (_, true) => Holds::False,
            _ => Holds::Undecided,
        }
    }
}

/// A claim, computed from the rows of a study.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// The claim.
    pub claim: String,
    /// Whether it holds.
    pub holds: Holds,
    /// What it was held against, one by one.
    pub of: String,
    /// Cases in which it holds.
    pub cases_for: usize,
    /// Cases in which it does not.
    pub cases_against: usize,
    /// Cases in which that is undecided.
    pub cases_undecided: usize,
    /// The numbers that decide it.
    pub evidence: String,
}

/// How many cases are for a claim, and how many against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) yes: usize,
    pub(super) no: usize,
    pub(super) open: usize,
}

impl Tally {
    pub(super) fn of(verdicts: impl IntoIterator<Item = Holds>) -> Tally {
        let mut tally = Tally::default();
        for holds in verdicts {
            match holds {
                Holds::True => tally.yes += 1,
                Holds::False => tally.no += 1,
                Holds::Undecided => tally.open += 1,
            }
        }
        tally
    }

    /// Whether every case is for it.
    pub(super) fn of_all(self) -> Holds {
        Holds::of(self.yes > 0 && self.no + self.open == 0, self.no > 0)
    }

    /// The claim is that there is such a case.
    fn of_any(self) -> Holds {
        Holds::of(self.yes > 0, self.no > 0 && self.open == 0)
    }

    /// A claim made of each of the cases, which `of` names; none of none.
    pub(super) fn every(self, claim: impl Into<String>, of: &str, evidence: String) -> Option<Finding> {
        self.finding(self.of_all(), claim.into(), of, evidence)
    }

    /// A claim that one of the cases bears out; none of none.
    pub(super) fn some(self, claim: impl Into<String>, of: &str, evidence: String) -> Option<Finding> {
        self.finding(self.of_any(), claim.into(), of, evidence)
    }

    fn finding(self, holds: Holds, claim: String, of: &str, evidence: String) -> Option<Finding> {
        let Tally { yes: cases_for, no: cases_against, open: cases_undecided } = self;
        let of = of.to_owned();
        (self != Tally::default()).then_some(Finding {
            claim,
            holds,
            of,
            cases_for,
            cases_against,
            cases_undecided,
            evidence,
        })
    }
}

/// Whether the first lies above the second, each with its interval.
pub(super) fn above(a: [f64; 2], b: [f64; 2]) -> Holds {
    Holds::of(a[0] > b[1], a[1] <= b[0])
}

/// A number as a person reads it in a sentence.
pub(super) fn short(value: f64) -> String {
    crate::units::four_digits(value).to_string()
}

/// The least and the most of several numbers.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> String {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        (least, most) = (least.min(value), most.max(value));
    }
    let [least, most] = [least, most].map(short);
    if least == most { least } else { format!("{least} … {most}") }
}

/// The range of what each of `names` has; those that have nothing are left out.
pub(super) fn ranges(names: &[&str], of: impl Fn(&str) -> Vec<f64>) -> String {
    let each = names.iter().map(|name| (name, of(name))).filter(|(_, values)| !values.is_empty());
    each.map(|(name, values)| format!("{name} {}", range(values))).collect::<Vec<_>>().join(", ")
}

/// How often each word comes, the most frequent first.
pub(super) fn tallied<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for word in words {
        match counts.iter_mut().find(|(other, _)| *other == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
}
