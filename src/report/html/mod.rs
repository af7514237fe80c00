//! A report as one HTML file: it opens from disk, asks no network for anything, and runs one small script of its own.
//!
//! Templates escape every text that stands in them, `said` tames what was not written here, and the page's policy
//! (`Content-Security-Policy`) lets run only the script, and apply only the style sheet, whose digests it names. Pure: the same
//! input gives the same bytes.

mod pictures;
mod predictions;
mod profile_text;
mod provenance;
mod said;
mod tables;
mod verdict;

use crate::compare::Comparison;
use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::measured::{Joined, MeasuredPoint};
use crate::plot;
use crate::profile::Profile;
use crate::report::{self, Shown};
use base64::Engine;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use said::said;
use sha2::{Digest, Sha256};
use tables::{Kind, table};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");
/// Only a page with this in its head is written over.
const MARK: &str = "<meta name=\"generator\" content=\"roofprobe report\">";

/// A device of a report.
#[derive(Clone, Debug)]
pub struct Device<'r> {
    /// What its profile is called.
    pub name: &'r str,
    /// Its profile.
    pub profile: &'r Profile,
    /// The profile's file, byte by byte.
    pub toml: &'r str,
    /// One for each model, for the picture: the same models in the same order for every device.
    pub evaluations: &'r [Evaluation],
    /// What engines reached on it.
    pub runs: &'r [MeasuredPoint],
}

/// What is predicted of a model on a device.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The device's place in the report.
    pub device: usize,
    /// The model's name.
    pub model: String,
    /// How its weights are stored.
    pub weights: String,
    /// Tokens of the prompt.
    pub context: u64,
    /// The answer, or why there is none.
    pub outcome: std::result::Result<Evaluation, String>,
}

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Content<'r> {
    /// The devices, the reference first.
    pub devices: Vec<Device<'r>>,
    /// Models × formats × contexts × devices.
    pub predictions: Vec<Prediction>,
    /// Measured runs, where a file of them was given.
    pub measured: Option<&'r Joined>,
    /// The devices side by side, where there are several.
    pub comparison: Option<&'r Comparison>,
}

/// The page.
///
/// # Errors
/// Misuse for a profile without a bandwidth of its memory; failure when a record cannot be expressed as JSON.
pub fn page(content: &Content) -> Result<String> {
    let style = style();
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        digest(&style),
        digest(SCRIPT)
    );
    let body = markup(content)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                (PreEscaped(MARK))
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (said(&names(content).join(", "))) " – roofprobe" }
                style { (PreEscaped(&style)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string())
}

/// The style sheet of a report, with the colours of its pictures.
pub fn style() -> String {
    format!("{}{STYLE}", plot::page_style())
}

/// What stands in the body of the page, without the script: for a page that has style sheet and script as files of its own.
///
/// # Errors
/// As for [`page`].
pub fn body(content: &Content) -> Result<String> {
    markup(content).map(Markup::into_string)
}

fn names<'r>(content: &Content<'r>) -> Vec<&'r str> {
    content.devices.iter().map(|device| device.profile.device.name.as_str()).collect()
}

fn markup(content: &Content) -> Result<Markup> {
    let (names, sections) = (names(content), sections(content)?);
    Ok(html! {
        a class="skip" href="#main" { "To the report" }
        header class="top" {
            p class="brand" { "roofprobe report" }
            nav aria-label="Sections" {
                @for section in &sections { a href={ "#" (section.id) } { (section.title) } }
            }
        }
        main id="main" {
            h1 { @if let [name] = names.as_slice() { (said(name)) } @else { (names.len()) " devices side by side" } }
            @for section in &sections { (section.markup()) }
        }
        footer { p { "Made by roofprobe " (env!("CARGO_PKG_VERSION")) ". This file is complete: it loads nothing." } }
        div id="tip" aria-hidden="true" {}
    })
}

/// Whether a file with this text is a report of ours.
pub fn is_ours(text: &str) -> bool {
    // The head begins with it; what a profile says comes later.
    text.starts_with("<!DOCTYPE html>") && text.find(MARK).is_some_and(|at| at < 200)
}

/// What a policy calls a script or a style sheet by.
fn digest(text: &str) -> String {
    format!("sha256-{}", base64::prelude::BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// A part of the page with a title of its own.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

impl Section {
    fn markup(&self) -> Markup {
        html! {
            section id=(self.id) aria-labelledby={ (self.id) "-title" } {
                h2 id={ (self.id) "-title" } { (self.title) }
                (self.body)
            }
        }
    }
}

fn sections(content: &Content) -> Result<Vec<Section>> {
    let section = |id, title, body| Section { id, title, body };
    let mut all = vec![
        section("verdict", "Verdict", verdict::cards(content)),
        section("roofline", "Roofline", pictures::roofline(content)?),
    ];
    if !content.predictions.is_empty() {
        all.push(section("models", "Models", predictions::section(content)));
    }
    if let Some(joined) = content.measured {
        let report = report::measured::report(joined, Shown::Main)?;
        let tables = html! { @for (at, one) in report.tables.iter().enumerate() { (table(&format!("runs-{at}"), one, Kind::Sorted)) } };
        all.push(section("runs", "Measured runs", tables));
    }
    all.extend(pictures::curves(content)?.map(|body| section("curves", "Curves", body)));
    if let Some(comparison) = content.comparison {
        let report = report::compare::report(comparison, Shown::Main)?;
        let tables = html! { @for (at, one) in report.tables.iter().enumerate() { (table(&format!("compared-{at}"), one, Kind::Plain)) } };
        all.push(section("compared", "Side by side", tables));
    }
    all.push(section("ceilings", "Every ceiling", provenance::ceilings(content)));
    all.push(section("how", "How it was measured", provenance::section(content)));
    all.push(section("profile", "The profile", profile_text::section(content)));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the policy names must be all that a browser sees between the tags.
    #[test]
    fn script_and_style_end_where_they_should() {
        for text in [SCRIPT, STYLE] {
            assert!(!text.contains("</") && !text.contains('\r') && text.is_ascii(), "an early end");
        }
        assert_eq!(digest(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn only_our_own_pages_are_ours() {
        assert!(is_ours(&format!("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">{MARK}")));
        let far = format!("<!DOCTYPE html>{}{MARK}", " ".repeat(300));
        assert!(!is_ours(&far) && !is_ours(MARK) && !is_ours(""));
    }
}
