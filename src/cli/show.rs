//! `roofprobe show`.

use super::choice;
use crate::error::{Error, Result};
use crate::plot::{self, Chart, CurveChart, Screen, Subject};
use crate::report::{self, Format, Shown};
use crate::store::{self, Named};
use clap::Args;

/// Show a profile: what the device reaches, with intervals, and how far to trust it.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A profile: a file, or the name of a shipped one (see `roofprobe profiles`).
    profile: String,

    /// Show every ceiling with its variant and samples, the curves, the machine and its circumstances. JSON and CSV have
    /// every ceiling anyway.
    #[arg(long)]
    all: bool,

    /// Draw the roofline and the curves, too, as wide as the terminal; with --all every curve.
    #[arg(long, value_name = "LETTERS", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    #[arg(value_parser = choice(LETTERS))]
    plot: Option<Letters>,
}

/// What a picture is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Auto,
    Braille,
    Ascii,
}

/// The words of `--plot`.
const LETTERS: [(&str, &str, Letters); 3] = [
    ("auto", "Braille where the locale has Unicode, else ASCII", Letters::Auto),
    ("braille", "Dots of Braille letters", Letters::Braille),
    ("ascii", "Characters that every terminal has", Letters::Ascii),
];

impl Show {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        if self.plot.is_some() && format.name() != Format::default().name() {
            return Err(Error::misuse("--plot: is for text; leave --format out, or use `roofprobe plot`"));
        }
        let named = store::find(&self.profile)?;
        let shown = if self.all { Shown::All } else { Shown::Main };
        let text = report::profile::report(&named.profile, shown)?.render(format)?;
        let Some(letters) = self.plot else { return super::print(&text) };
        super::print(&format!("{text}\n{}", self.pictures(&named, letters, format)?))
    }

    fn pictures(&self, named: &Named, letters: Letters, format: Format) -> Result<String> {
        let unicode = match letters {
            Letters::Auto => has_unicode(),
            Letters::Braille => true,
            Letters::Ascii => false,
        };
        let screen = Screen { width: format.style.width, unicode, colour: format.style.colour };
        let subject = Subject { name: &named.name, profile: &named.profile, evaluations: &[], runs: &[] };
        let mut pictures = plot::roofline_text(&Chart::of(&[subject])?, screen);
        // A profile without curves has a roofline all the same.
        if let Ok(curves) = CurveChart::of(&[(&named.name, &named.profile)]) {
            pictures += &format!("\n{}", plot::curves_text(&curves, self.all, screen));
        }
        Ok(pictures)
    }
}

/// Whether the locale says so; where there are no locales, terminals have Unicode.
fn has_unicode() -> bool {
    let set = |key: &str| std::env::var(key).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    cfg!(windows) || locale.is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}
