//! `roofprobe plot`.

use super::output::refuse_other;
use super::workload::QueryOptions;
use super::{choice, runs, say};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, NamedProfile, common_roof, evaluate};
use crate::file::{self, Durability};
use crate::measured::MeasuredPoint;
use crate::plot::{self, Chart, CurveChart, Drawing, Page, Subject, Theme};
use crate::report::Format;
use crate::store::{self, Named};
use clap::Args;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  roofprobe plot here.toml -o roofline.svg                     the ceilings alone
  roofprobe plot here.toml -m qwen2.5-0.5b -m llama-3.2-1b --weights q8_0 -o models.svg
  roofprobe plot cpu.toml gpu.toml -m llama-3.2-1b --prompt 2048 --generate 256 -o two.svg
  roofprobe plot here.toml -m m.gguf --measured llama-bench.json     with what an engine reached
  roofprobe plot here.toml --curves -o curves.svg              over working sets, threads, tokens …
  roofprobe plot here.toml --theme dark -o - > dark.svg

How to read it: both axes are logarithmic. Slopes are the bandwidths of memory, horizontals the peaks
of arithmetic; nothing can lie above the lowest that holds for it. A model's point left of the ridge is
bound by memory, right of it by compute; shaded is what there is left to gain. A cross is a measured
run, with a bar from its slowest repetition to its fastest. Pointing at a line or a point shows its
numbers.";

/// Draw the roofline of devices, and where models stand under it, or their curves, as SVG or PNG.
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

    /// Show the measured runs of this file, too: what `evaluate --measured` reads.
    #[arg(long, value_name = "FILE", requires = "models")]
    measured: Option<PathBuf>,

    /// Draw how rates and latencies change instead: over the working set, tokens, threads, and whatever else was measured.
    #[arg(long, conflicts_with = "models")]
    curves: bool,

    /// Where to write the picture; '-' is standard output. A picture that roofprobe drew is written over, nothing else. A name that
    /// ends in .png gets PNG, twice as large, for what shows no SVG.
    #[arg(short, long, value_name = "FILE", default_value = "roofline.svg")]
    output: String,

    /// The background that it is for.
    #[arg(long, value_parser = choice(THEMES), default_value = THEMES[0].0)]
    theme: Theme,
}

/// What is written over.
const DRAWN: &str = "a picture that roofprobe drew";

/// The words of `--theme`.
const THEMES: [(&str, &str, Theme); 3] = [
    ("auto", "As the reader prefers, where the program that shows it knows that; else light", Theme::Auto),
    ("light", "Dark on white", Theme::Light),
    ("dark", "Light on black", Theme::Dark),
];

impl Plot {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        if format != Format::default() {
            return Err(Error::misuse("--format: a picture is SVG or PNG, by its name; leave the option out"));
        }
        let named: Vec<Named> = self.profiles.iter().map(|name| store::find(name)).collect::<Result<_>>()?;
        let drawing = if self.curves {
            let profiles: Vec<NamedProfile> = named.iter().map(|n| (n.name.as_str(), &n.profile)).collect();
            Drawing::of_curves(&CurveChart::of(&profiles)?, Page::Wide)
        } else {
            self.roofline(&named)?
        };
        self.write(&drawing)
    }

    fn roofline(&self, named: &[Named]) -> Result<Drawing> {
        let query = self.query.query()?;
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
        let asked: Vec<_> = self.models.iter().map(String::as_str).zip(&models).collect();
        let joined = self.measured.as_ref().map(|path| runs::join(path, self.query.given(), &asked, named, None));
        let points = joined.transpose()?.map_or_else(Vec::new, |joined| joined.points);
        let of = |named: &Named| points.iter().filter(|point| point.profile == named.name).cloned().collect();
        let runs: Vec<Vec<MeasuredPoint>> = named.iter().map(of).collect();
        let subjects: Vec<Subject> = named
            .iter()
            .zip(evaluations.iter().zip(&runs))
            .map(|(named, (evaluations, runs))| Subject {
                name: &named.name,
                profile: &named.profile,
                evaluations,
                runs,
            })
            .collect();
        let drawing = Drawing::of(&Chart::of(&subjects)?, Page::Wide);
        evaluations.iter().flatten().for_each(say_notes);
        Ok(drawing)
    }

    fn write(&self, drawing: &Drawing) -> Result<()> {
        let path = Path::new(&self.output);
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("png") => return self.write_png(path, drawing),
            Some("svg") | None => {}
            Some(_) => {
                return Err(Error::misuse(format!(
                    "-o {}: a picture is SVG or PNG; choose a name that ends in .svg or .png",
                    path.display()
                )));
            }
        }
        let text = plot::svg(drawing, self.theme);
        if self.output == "-" {
            return super::print(&text);
        }
        refuse_other(path, DRAWN, |bytes| std::str::from_utf8(bytes).is_ok_and(plot::is_ours))?;
        file::write_atomically(path, &text, Durability::Synced)?;
        say(&format!("picture written to {}", path.display()));
        Ok(())
    }

    #[cfg(feature = "png")]
    fn write_png(&self, path: &Path, drawing: &Drawing) -> Result<()> {
        let bytes = plot::png(drawing, self.theme)?;
        refuse_other(path, DRAWN, plot::is_our_png)?;
        let mut draft = file::Draft::begin(path)?;
        std::io::Write::write_all(&mut draft, &bytes)
            .map_err(|e| Error::failure(format!("{}: cannot be written: {e}", path.display())))?;
        draft.keep(Durability::Synced)?;
        say(&format!("picture written to {}", path.display()));
        Ok(())
    }

    #[cfg(not(feature = "png"))]
    fn write_png(&self, path: &Path, _: &Drawing) -> Result<()> {
        let place = path.display();
        Err(Error::misuse(format!("-o {place}: this program was built without the feature png; write an .svg")))
    }
}

/// What has to be said about a result; a picture has no room for it.
fn say_notes(evaluation: &Evaluation) {
    for note in &evaluation.notes {
        say(&format!("{} on {}: {note}", evaluation.model, evaluation.on.profile));
    }
}
