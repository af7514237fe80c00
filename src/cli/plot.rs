//! `roofprobe plot`.

use super::workload::QueryOptions;
use super::{choice, say};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, NamedProfile, common_roof, evaluate};
use crate::file::{self, Durability};
use crate::plot::{self, Chart, Drawing, Subject, Theme};
use crate::report::Format;
use crate::store::{self, Named};
use clap::Args;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  roofprobe plot here.toml -o roofline.svg                     the ceilings alone
  roofprobe plot here.toml -m qwen2.5-0.5b -m llama-3.2-1b --weights q8_0 -o models.svg
  roofprobe plot cpu.toml gpu.toml -m llama-3.2-1b --prompt 2048 --generate 256 -o two.svg
  roofprobe plot here.toml --theme dark -o - > dark.svg

How to read it: both axes are logarithmic. Slopes are the bandwidths of memory, horizontals the peaks
of arithmetic; nothing can lie above the lowest that holds for it. A model's point left of the ridge is
bound by memory, right of it by compute; shaded is what there is left to gain. Pointing at a line or a
point shows its numbers.";

/// Draw the roofline of devices, and where models stand under it, as SVG.
///
/// Several devices are drawn side by side, on the same axes. What a gate did not believe is dashed, what was quoted is
/// dotted.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, mut_group("LengthOptions", |group| group.requires("models")))]
#[command(mut_group("UsageOptions", |group| group.requires("models")))]
pub(super) struct Plot {
    /// Hardware profiles: files, or shipped names that `roofprobe profiles` lists.
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<String>,

    /// Show where this model stands, too: a name that `roofprobe models` lists, or the path of a Hugging Face
    /// config.json (or of its folder). May be repeated.
    #[arg(short, long = "model", value_name = "MODEL")]
    models: Vec<String>,

    #[command(flatten)]
    query: QueryOptions,

    /// Where to write the picture; '-' is standard output. A picture that roofprobe drew is written over, nothing else.
    #[arg(short, long, value_name = "FILE", default_value = "roofline.svg")]
    output: String,

    /// The background that it is for.
    #[arg(long, value_parser = choice(THEMES), default_value = THEMES[0].0)]
    theme: Theme,
}

/// The words of `--theme`.
const THEMES: [(&str, &str, Theme); 3] = [
    ("auto", "As the reader prefers, where the program that shows it knows that; else light", Theme::Auto),
    ("light", "Dark on white", Theme::Light),
    ("dark", "Light on black", Theme::Dark),
];

impl Plot {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        if format != Format::default() {
            return Err(Error::misuse("--format: a picture is SVG; leave the option out"));
        }
        let query = self.query.query()?;
        let named: Vec<Named> = self.profiles.iter().map(|name| store::find(name)).collect::<Result<_>>()?;
        let models = self.query.models(&self.models)?;
        let profiles: Vec<NamedProfile> = named.iter().map(|n| (n.name.as_str(), &n.profile)).collect();
        let query = query.by(query.roof.unwrap_or_else(|| common_roof(&profiles)));
        let evaluate = |named: &Named| -> Result<Vec<Evaluation>> {
            let with_names = models.iter().zip(&self.models);
            with_names
                .map(|(model, asked)| evaluate(model, &query, &named.profile, &named.name).map_err(|e| e.within(asked)))
                .collect()
        };
        let evaluations: Vec<Vec<Evaluation>> = named.iter().map(evaluate).collect::<Result<_>>()?;
        let subjects: Vec<Subject> = named
            .iter()
            .zip(&evaluations)
            .map(|(named, evaluations)| Subject { name: &named.name, profile: &named.profile, evaluations })
            .collect();
        let chart = Chart::of(&subjects)?;
        let text = plot::svg(&Drawing::of(&chart), self.theme);
        evaluations.iter().flatten().for_each(say_notes);
        self.write(&text)
    }

    fn write(&self, text: &str) -> Result<()> {
        if self.output == "-" {
            return super::print(text);
        }
        let path = Path::new(&self.output);
        let there = std::fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
        if there && !file::read_text(path).is_ok_and(|text| plot::is_ours(&text)) {
            return Err(Error::misuse(format!(
                "-o {}: exists and is not a picture that roofprobe drew; remove it, or choose another name",
                path.display()
            )));
        }
        file::write_atomically(path, text, Durability::Synced)?;
        say(&format!("picture written to {}", path.display()));
        Ok(())
    }
}

/// What has to be said about a result; a picture has no room for it.
fn say_notes(evaluation: &Evaluation) {
    for note in &evaluation.notes {
        say(&format!("{} on {}: {note}", evaluation.model, evaluation.on.profile));
    }
}
