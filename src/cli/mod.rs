//! The command line: one verb, one file. Only this module prints, and only `main` exits.
//!
//! Results go to standard output, progress and warnings to standard error. Exit code 0: done; 1: could not be done, or a gate says
//! regressed; 2: the request or an input file is wrong; 3: a gate cannot tell.

mod calibrate;
mod check;
mod compare;
mod completions;
mod devices;
mod doctor;
mod draft;
mod evaluate;
mod export;
mod filter;
mod first_minute;
mod fleet;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "no_gpu.rs"]
mod gpu;
#[cfg(feature = "gpu")]
mod gpu_worker;
mod import;
mod isa_self_test;
mod measure;
mod models;
mod output;
mod plot;
mod profiles;
mod progress;
mod recorder;
mod replay;
mod report;
mod resume;
mod runs;
mod schema;
mod selection;
mod show;
mod study;
mod subject;
mod sweep;
mod target;
mod workload;

use crate::check::Answer;
use crate::error::{Error, Fault, Result};
use crate::report::{Format, Report, Style};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  roofprobe                                          measure quickly, evaluate a small model
  roofprobe measure --effort standard -o here.toml   a profile to rely on
  roofprobe show here.toml                           what it says, and how far to trust it
  roofprobe evaluate llama-3.2-1b -p here.toml --prompt 512 --generate 128 --weights q4_0
  roofprobe evaluate path/to/config.json --format json
  roofprobe sweep llama-3.2-1b -p here.toml --over context=128..32768*2 --over batch=1,4,16
  roofprobe compare there.toml here.toml --model llama-3.2-1b
  roofprobe check before.toml after.toml             a gate: is it slower than it was?
  roofprobe plot here.toml --model llama-3.2-1b -o roofline.svg
  roofprobe report here.toml -o report.html          all of it as one page, for people
  roofprobe replay llama-3.2-1b -p here.toml         the model's own operations, timed here
  roofprobe study sequence -p here.toml              the studies of the RooflineBench paper

Results go to standard output, progress to standard error.
Exit code 0: done; 1: could not be done, or `check` says regressed; 2: the request or an input file
is wrong; 3: `check` cannot tell.";

/// Measures what a CPU or GPU can do, and predicts how fast a language model runs on it.
///
/// Without a command, roofprobe measures this machine quickly, keeps the profile, and evaluates a small language model
/// on it.
#[derive(Debug, Parser)]
#[command(name = "roofprobe", version, term_width = 100, after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// How results are written.
    #[arg(long, value_parser = formats(), default_value = Format::default().name(), global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Measure(measure::Measure),
    Devices(devices::Devices),
    Doctor(doctor::Doctor),
    Show(show::Show),
    Evaluate(evaluate::Evaluate),
    Calibrate(calibrate::Calibrate),
    Sweep(sweep::Sweep),
    Compare(compare::Compare),
    Check(check::Check),
    Plot(plot::Plot),
    Report(report::Report),
    Study(study::Study),
    Replay(replay::Replay),
    Models(models::Models),
    Profiles(profiles::Profiles),
    Import(import::Import),
    Export(export::Export),
    Schema(schema::Schema),
    Completions(completions::Completions),
    #[command(hide = true)]
    IsaSelfTest(isa_self_test::IsaSelfTest),
    #[cfg(feature = "gpu")]
    #[command(hide = true, name = crate::device::gpu::VERB)]
    GpuWorker(gpu_worker::GpuWorker),
}

/// The formats by name, with what each is for.
fn formats() -> impl TypedValueParser<Value = Format> {
    choice(Format::of_sweeps().map(|format| (format.name(), format.about(), format)))
}

/// One of some words, each with its help and what it stands for.
fn choice<T: Copy + Send + Sync + 'static>(
    words: impl IntoIterator<Item = (&'static str, &'static str, T)>,
) -> impl TypedValueParser<Value = T> {
    let words: Vec<_> = words.into_iter().collect();
    let values = words.iter().map(|&(word, help, _)| PossibleValue::new(word).help((!help.is_empty()).then_some(help)));
    PossibleValuesParser::new(values).try_map(move |given| {
        let found = words.iter().find(|(word, ..)| *word == given);
        found.map(|(.., meant)| *meant).ok_or("is none of these words")
    })
}

/// Width and colours of standard output: what a terminal has, where it is one and nobody asks otherwise (`NO_COLOR`,
/// `CLICOLOR_FORCE`; `COLUMNS` is the width of any output).
fn style() -> Style {
    let out = std::io::stdout();
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || Some(usize::from(terminal_size::terminal_size_of(&out)?.0.0));
    let width = asked.or_else(terminal).map_or(Style::default().width, |width: usize| width.max(NARROWEST));
    Style { width, colour: anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never }
}

/// Narrower lines are not tried: hardly a word fits them.
const NARROWEST: usize = 40;

/// Runs the command line and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let format = arguments.format.styled(style());
    let is_text = !format.is_binary() || matches!(arguments.verb, Some(Verb::Sweep(_)));
    let done = match arguments.verb {
        _ if !is_text => Err(Error::misuse(format!(
            "--format {}: is for the rows of `roofprobe sweep` alone; choose another format",
            format.name()
        ))),
        None => first_minute::run(format),
        Some(Verb::Measure(verb)) => verb.run(format),
        Some(Verb::Devices(verb)) => verb.run(format),
        Some(Verb::Doctor(verb)) => verb.run(format),
        Some(Verb::Show(verb)) => verb.run(format),
        Some(Verb::Evaluate(verb)) => verb.run(format),
        Some(Verb::Calibrate(verb)) => verb.run(format),
        Some(Verb::Sweep(verb)) => verb.run(format),
        Some(Verb::Compare(verb)) => verb.run(format),
        Some(Verb::Check(verb)) => return ended(verb.run(format).map(code_of)),
        Some(Verb::Plot(verb)) => verb.run(format),
        Some(Verb::Report(verb)) => verb.run(format),
        Some(Verb::Study(verb)) => verb.run(format),
        Some(Verb::Replay(verb)) => verb.run(format),
        Some(Verb::Models(verb)) => verb.run(format),
        Some(Verb::Profiles(verb)) => verb.run(format),
        Some(Verb::Import(verb)) => verb.run(),
        Some(Verb::Export(verb)) => verb.run(format),
        Some(Verb::Schema(verb)) => verb.run(format),
        Some(Verb::Completions(verb)) => verb.run(),
        Some(Verb::IsaSelfTest(verb)) => verb.run(),
        #[cfg(feature = "gpu")]
        Some(Verb::GpuWorker(verb)) => verb.run(),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

/// What a gate says, as an exit code.
fn code_of(answer: Answer) -> ExitCode {
    match answer {
        Answer::Passed => ExitCode::SUCCESS,
        Answer::Regressed => ExitCode::from(1),
        Answer::CannotTell => ExitCode::from(3),
    }
}

/// The exit code; an error is said.
fn ended(done: Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            say(&format!("roofprobe: {error}"));
            match error.fault() {
                Fault::Misuse => ExitCode::from(2),
                Fault::Failure => ExitCode::from(1),
            }
        }
    }
}

/// Writes a report to standard output.
fn print_report(report: &Report, format: Format) -> Result<()> {
    print(&report.render(format)?)
}

/// Writes text to standard output.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    still_read(out.write_all(text.as_bytes()).and_then(|()| out.flush())).map(drop)
}

/// Whether anybody still reads standard output. A reader that has gone away has seen enough: that is no error.
fn still_read(written: std::io::Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::failure(format!("standard output cannot be written: {e}"))),
    }
}

/// Writes a line to standard error. Nobody can be told if that fails.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A path as a shell wants it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}
