//! `roofprobe sweep`.

use super::progress::{bar, is_for_bars};
use super::workload::{QueryOptions, find_profiles};
use super::{choice, still_read};
use crate::error::{Error, Result};
use crate::evaluate::NamedProfile;
use crate::file::{Draft, Durability};
use crate::model::{Knob, Phase, Workload};
use crate::report::parquet::{Chunk, SweepFile};
use crate::report::sweep::Sheet;
use crate::report::{Format, unique};
use crate::sweep::{self, Axis, Case, Over};
use clap::Args;
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::io::{IsTerminal, Stdout, Write};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  roofprobe sweep qwen2.5-0.5b -p here.toml --over context=128..32768*2
  roofprobe sweep llama-3.2-1b -p a.toml -p b.toml --over weights=f16,q8_0,q4_k_m --over batch=1..64
  roofprobe sweep qwen3-0.6b --over depth=2..64 --phase decode --format csv > depth.csv
  roofprobe sweep qwen3-0.6b --over context=1..32768 --over batch=1..64 --format parquet -o rows.parquet
  roofprobe sweep config.json --over prompt=0..8192+512 --generate 128 --format json

VALUES: a list (512,1024,2048), ranges with both ends (2..64, 0..4096+512 in steps, 128..32768*2 by
factors), or lists of ranges; for weights and kv the words of those options. Axes: depth (layers),
weights, kv, prompt, generate, cached, context (keys that the decode step sees), batch, micro-batch.

Rows come in the order of models, profiles, axes (those that change the model before those that
change its use; the last one goes fastest) and phases, and are written as they are made. JSON is one
object per line. A point that cannot be is a row with its reason.";

/// Evaluate models along axes: context, depth, batch, weights and others, one row per point and phase.
///
/// Each row has the figures of `evaluate` for the same settings.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Sweep {
    /// Models: names that `roofprobe models` lists, or paths of Hugging Face config.json files (or of the folders
    /// that they are in) or of GGUF files (of the first part of several).
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,

    /// Hardware profiles: files, or names that `roofprobe profiles` lists. As a rule the best one of this machine: of the last
    /// 30 days the one with the best grade, of equals the newest.
    #[arg(short, long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,

    /// An axis and the values along it. May be repeated: several axes make a grid.
    #[arg(long, required = true, value_name = "AXIS=VALUES")]
    over: Vec<String>,

    /// Phases to show. May be repeated; as a rule prefill and decode, and generation where its length is given.
    #[arg(long = "phase", value_parser = choice(PHASES), value_name = "PHASE")]
    phases: Vec<Phase>,

    /// Only this part of all points, such as 3/16: for a sweep that several machines share. The parts, one after the other, are the
    /// whole.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Where to write the rows; as a rule standard output. The file appears when it is complete.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,

    #[command(flatten)]
    query: QueryOptions,
}

/// The words of `--phase`.
const PHASES: [(&str, &str, Phase); 3] = [
    ("prefill", "The whole prompt", Phase::Prefill),
    ("decode", "One more token", Phase::Decode),
    ("generation", "Prefill and all further tokens", Phase::Generation),
];

/// Settings that a thread works at before it looks for more: long enough to hide that, short enough for its rows to stay
/// in caches.
const BLOCK: u64 = 256;
/// Settings whose rows are held before they are written.
const BATCH: u64 = 64 * BLOCK;
/// Whoever waits longer wants to know how long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of a case that are worked at together.
type Share = (u64, Range<u64>);

impl Sweep {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        start_threads();
        let query = self.query.query()?;
        let axes = self.axes(&query.workload)?;
        let models = self.query.models(&self.models)?;
        let named = find_profiles(&self.profiles)?;
        let profiles: Vec<NamedProfile> = named.iter().map(|n| (n.name.as_str(), &n.profile)).collect();
        let phases = self.phases(&query.workload, &axes);
        let sweep = sweep::Sweep::new(&models, &profiles, query, axes, phases)?;
        possible(&sweep)?;
        let mut out = Out::new(&sweep, &self.output, format)?;
        if format.is_binary() {
            return columns(&sweep, self.points(&sweep), out);
        }
        let sheet = Sheet::new(&sweep, format.style);
        out.write(&format.head(&sheet)?)?;
        for batch in batches(sweep.settings(), self.points(&sweep)) {
            let settings = points(&batch);
            let of = |case: &Case, places: Range<u64>| format.rows(&sheet, case, places);
            let texts: Vec<Vec<Vec<u8>>> =
                batch.into_par_iter().map(|share| blocks(&sweep, share, of)).collect::<Result<_>>()?;
            for text in texts.iter().flatten() {
                out.write(text)?;
            }
            if out.closed {
                return Ok(());
            }
            out.advance(settings);
        }
        out.write(&format.foot(&sheet))?;
        out.end()
    }

    /// The points that are asked for: all, or those of one part.
    fn points(&self, sweep: &sweep::Sweep) -> Range<u64> {
        self.shard.unwrap_or(Shard::WHOLE).points(sweep.cases() * sweep.settings())
    }

    fn axes(&self, workload: &Workload) -> Result<Vec<Over>> {
        let parse = |text: &String| text.parse().map_err(|why| Error::misuse(format!("--over {why}")));
        let axes: Vec<Over> = self.over.iter().map(parse).collect::<Result<_>>()?;
        for over in &axes {
            if over.axis.is_set_in(workload) {
                let name = over.axis.name();
                return Err(Error::misuse(format!("--{name}: --over {name} gives its values; leave one of them out")));
            }
        }
        Ok(axes)
    }

    fn phases(&self, workload: &Workload, axes: &[Over]) -> Vec<Phase> {
        let mut phases = unique(self.phases.iter().copied());
        if phases.is_empty() {
            phases.extend([Phase::Prefill, Phase::Decode]);
            if workload.generate.is_some() || axes.iter().any(|over| over.axis == Axis::Knob(Knob::GENERATE)) {
                phases.push(Phase::Generation);
            }
        }
        phases
    }
}

/// That some row has an answer.
///
/// # Errors
/// Misuse, with the first row's reason, where none has.
fn possible(sweep: &sweep::Sweep) -> Result<()> {
    let mut first = None;
    for share in batches(sweep.settings(), 0..sweep.cases() * sweep.settings()).flatten() {
        let (case, places) = share;
        let found = sweep.with_case(case, |case| {
            places.into_iter().any(|place| {
                let mut found = false;
                case.each_row(place..place + 1, |row| {
                    found |= row.outcome.is_ok();
                    first.get_or_insert_with(|| {
                        format!("{}: {}", row.names.model, row.outcome.err().unwrap_or_default())
                    });
                });
                found
            })
        });
        if found {
            return Ok(());
        }
    }
    Err(Error::misuse(first.unwrap_or_default()))
}

/// Those points, case after case, so many at a time as are worked at before any is written.
fn batches(settings: u64, points: Range<u64>) -> impl Iterator<Item = Vec<Share>> {
    let mut next = points.start;
    std::iter::from_fn(move || {
        let (mut batch, mut room) = (Vec::new(), BATCH);
        while next < points.end && room > 0 {
            let (case, place) = (next / settings, next % settings);
            let count = (settings - place).min(room).min(points.end - next);
            batch.push((case, place..place + count));
            (room, next) = (room - count, next + count);
        }
        (!batch.is_empty()).then_some(batch)
    })
}

/// One of several parts of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Its points, of so many: parts differ by one point at most.
    fn points(self, all: u64) -> Range<u64> {
        let end = |number: u64| (u128::from(all) * u128::from(number) / u128::from(self.of)) as u64;
        end(self.number - 1)..end(self.number)
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Shard, &'static str> {
        let wrong = "must be a part and how many there are, such as 3/16";
        let (number, of) = text.split_once('/').ok_or(wrong)?;
        match (number.parse(), of.parse()) {
            (Ok(number), Ok(of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err(wrong),
        }
    }
}

/// The rows of a share, block by block, each made into what `of` makes of it.
fn blocks<Block: Send>(
    sweep: &sweep::Sweep,
    (case, places): Share,
    of: impl Fn(&Case, Range<u64>) -> Result<Block> + Sync,
) -> Result<Vec<Block>> {
    let blocks = (places.end - places.start).div_ceil(BLOCK);
    let block = |place: u64| {
        let start = places.start + place * BLOCK;
        start..places.end.min(start + BLOCK)
    };
    sweep.with_case(case, |case| (0..blocks).into_par_iter().map(|place| of(case, block(place))).collect())
}

/// Starts as many threads as there are CPUs; where the system gives none, this one does all of it.
fn start_threads() {
    // The global pool has one try only, and panics where it fails: another one is tried first.
    if rayon::ThreadPoolBuilder::new().build().is_err() {
        // An error says that there is a global pool already, which is as good.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    }
}

/// Writes all rows as columns of a Parquet file.
fn columns(sweep: &sweep::Sweep, places: Range<u64>, mut out: Out) -> Result<()> {
    let mut file = SweepFile::begin(out.take())?;
    for batch in batches(sweep.settings(), places) {
        let settings = points(&batch);
        let of = |case: &Case, places: Range<u64>| Ok(Chunk::of(case, places));
        let chunks: Vec<Vec<Chunk>> =
            batch.into_par_iter().map(|share| blocks(sweep, share, of)).collect::<Result<_>>()?;
        file.append(&chunks.into_iter().flatten().collect::<Vec<_>>())?;
        out.advance(settings);
    }
    out.to = file.end()?;
    out.end()
}

/// The settings of some shares.
fn points(batch: &[Share]) -> u64 {
    batch.iter().map(|(_, places)| places.end - places.start).sum()
}

/// Where rows go.
enum Place {
    StandardOutput(Stdout),
    File(Draft),
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Place::StandardOutput(out) => out.write(bytes),
            Place::File(draft) => draft.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Place::StandardOutput(out) => out.flush(),
            Place::File(draft) => draft.flush(),
        }
    }
}

/// The place of the rows, and how far they are.
struct Out {
    to: Place,
    /// Whether the reader has gone away: it has seen enough, which is no error.
    closed: bool,
    /// Progress goes to the terminal, unless the rows go there themselves.
    bar: Option<ProgressBar>,
    done: u64,
    began: Instant,
}

impl Out {
    fn new(sweep: &sweep::Sweep, output: &str, format: Format) -> Result<Out> {
        let shows_rows = output == "-" && std::io::stdout().is_terminal();
        if shows_rows && format.is_binary() {
            return Err(Error::misuse(format!(
                "--format {}: is not for a terminal; name a file with -o",
                format.name()
            )));
        }
        let to = match output {
            "-" => Place::StandardOutput(std::io::stdout()),
            file => Place::File(Draft::begin(Path::new(file))?),
        };
        let bar = (!shows_rows && is_for_bars()).then(|| bar(sweep.cases() * sweep.settings()));
        Ok(Out { to, closed: false, bar, done: 0, began: Instant::now() })
    }

    /// The place, for somebody else to write to meanwhile.
    fn take(&mut self) -> Place {
        std::mem::replace(&mut self.to, Place::StandardOutput(std::io::stdout()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.closed |= !self.still_wanted(|to| to.write_all(bytes))?;
        Ok(())
    }

    /// So many points more.
    fn advance(&mut self, points: u64) {
        self.done += points;
        if let Some(bar) = self.bar.as_ref().filter(|_| self.began.elapsed() > PATIENCE) {
            bar.set_message("points");
            bar.set_position(self.done);
        }
    }

    fn end(mut self) -> Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.still_wanted(Write::flush)?;
        match self.to {
            Place::StandardOutput(_) => Ok(()),
            Place::File(draft) => draft.keep(Durability::Synced),
        }
    }

    fn still_wanted(&mut self, write: impl FnOnce(&mut Place) -> std::io::Result<()>) -> Result<bool> {
        let written = write(&mut self.to);
        match &self.to {
            Place::StandardOutput(_) => still_read(written),
            Place::File(_) => written.map(|()| true).map_err(|e| Error::failure(format!("-o: cannot be written: {e}"))),
        }
    }
}
