//! `roofprobe check`.

use super::filter::globs;
use super::measure::Measure;
use super::output::refuse_profile;
use super::selection::Selection;
use super::{choice, say};
use crate::check::{self, Answer, Checked, Gate, Rules};
use crate::error::{Error, Result};
use crate::evaluate::NamedProfile;
use crate::file::{self, Durability};
use crate::profile::{Effort, Grade};
use crate::report::{self, Format, Shown};
use crate::store;
use clap::Args;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  roofprobe check baseline.toml new.toml                        is it slower than it was?
  roofprobe check baseline.toml new.toml --tolerance 3% --only 'matmul.*' --junit check.xml
  roofprobe check board-a.toml board-b.toml --gate ratios       two machines by their ratios
  roofprobe check --self                                        what tolerance is possible here?

Answers and exit codes: passed, 0: nothing is slower by more than the tolerance, and what is slower
by twice the tolerance would have been seen. regressed, 1: something is slower by more than the
tolerance and beyond both intervals. cannot tell, 3: neither could be shown, because of intervals,
modes, a poor grade or a suspect value. 2: the request or a file is wrong.";

/// Hold a new profile against a baseline: is anything slower, beyond a tolerance and beyond both intervals?
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    /// The profile that says how fast it should be: a file, or a name that `roofprobe profiles` lists.
    #[arg(value_name = "BASELINE", required_unless_present = "itself", requires = "new")]
    baseline: Option<String>,

    /// The profile that says how fast it is.
    #[arg(value_name = "NEW")]
    new: Option<String>,

    /// The share of a speed that may be lost.
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = tolerance)]
    tolerance: f64,

    /// Check only what matches, such as 'matmul.*'. May be repeated.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,

    /// What is held against each other.
    #[arg(long, value_parser = choice(GATES), default_value = GATES[0].0)]
    gate: Gate,

    /// The worst grade whose circumstances are not to blame for a difference.
    #[arg(long, value_parser = choice(Grade::ALL.map(|grade| (grade.name(), "", grade))), default_value = "D", value_name = "GRADE")]
    worst_grade: Grade,

    /// Allow profiles of devices with different names.
    #[arg(long)]
    other_device: bool,

    /// Write the answer as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<String>,

    /// Write annotations for GitHub's runner to standard error, too.
    #[arg(long)]
    github: bool,

    /// Show every quantity, not only those that regressed. JSON and CSV have every one anyway.
    #[arg(long)]
    all: bool,

    /// Measure this machine twice, and say which tolerance it supports; nothing is kept.
    #[arg(long = "self", id = "itself", conflicts_with_all = ["baseline", "junit", "github"])]
    itself: bool,

    /// How much time each of the two measurements takes; as a rule quick.
    #[arg(long, requires = "itself", value_parser = choice(Effort::ALL.map(|effort| (effort.name(), "", effort))))]
    effort: Option<Effort>,

    /// What to measure twice, as for `measure`.
    #[arg(long, value_name = "DEVICE", requires = "itself", default_value = "cpu")]
    device: Selection,
}

/// The words of `--gate`.
const GATES: [(&str, &str, Gate); 3] = [
    ("ceilings", "What the device reaches", Gate::Ceilings),
    ("ratios", "One ceiling over another: they survive noisy neighbours and other machines", Gate::Ratios),
    ("all", "Both", Gate::All),
];

/// A share in percent: `5%` or `5`.
fn tolerance(text: &str) -> std::result::Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok();
    let share = number.map(|percent| percent / 100.0).filter(|share| *share > 0.0 && *share < 0.5);
    share.ok_or_else(|| "must be a percentage above 0 and below 50, such as 5%".to_owned())
}

impl Check {
    /// The answer decides the exit code.
    pub(super) fn run(&self, format: Format) -> Result<Answer> {
        let rules = Rules {
            tolerance: self.tolerance,
            worst_grade: self.worst_grade,
            gate: self.gate,
            other_device: self.other_device,
        };
        let shown = if self.all { Shown::All } else { Shown::Main };
        if self.itself {
            return self.measure_twice(&rules, shown, format);
        }
        let (Some(baseline), Some(new)) = (&self.baseline, &self.new) else {
            return Err(Error::misuse("name a BASELINE and a NEW profile"));
        };
        let (baseline, new) = (store::find(baseline)?, store::find(new)?);
        let checked = self.checked((&baseline.name, &baseline.profile), (&new.name, &new.profile), &rules)?;
        if let Some(junit) = &self.junit {
            refuse_profile(Path::new(junit), "--junit")?;
            file::write_atomically(Path::new(junit), &report::check::junit(&checked), Durability::Synced)?;
        }
        super::print_report(&report::check::report(&checked, shown)?, format)?;
        if self.github {
            report::check::annotations(&checked).iter().for_each(|line| say(line));
        }
        Ok(checked.answer)
    }

    fn measure_twice(&self, rules: &Rules, shown: Shown, format: Format) -> Result<Answer> {
        let measure = Measure::unkept(self.device.clone(), self.effort.unwrap_or(Effort::Quick));
        let (first, second) = (measure.measure()?.profile, measure.measure()?.profile);
        let checked = self.checked(("first", &first), ("second", &second), rules)?;
        let reasons = [&first, &second].map(|of| of.environment.as_ref().map_or(&[][..], |of| &of.grade_reasons));
        super::print_report(&report::check::self_report(&checked, reasons, shown)?, format)?;
        // Two measurements of one machine were made, which is what was asked for.
        Ok(Answer::Passed)
    }

    fn checked(&self, baseline: NamedProfile, new: NamedProfile, rules: &Rules) -> Result<Checked> {
        let names = check::quantities(baseline.1, rules.gate);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let only = globs(&self.only, &names, "quantity of the baseline", &names)?;
        check::check(baseline, new, rules, |name| self.only.is_empty() || only.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_percentage() {
        assert_eq!(tolerance("5%"), Ok(0.05));
        assert_eq!(tolerance(" 2.5 %"), Ok(0.025));
        for wrong in ["", "%", "0", "-1%", "50%", "NaN", "five"] {
            assert!(tolerance(wrong).is_err(), "{wrong}");
        }
    }
}
