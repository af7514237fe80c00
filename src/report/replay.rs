//! A replay: what it came to, where its time went, and how far that was predicted.

use super::cell::{Cell, digits, mib, significant};
use super::record::json;
use super::table::{Column, Report, Shown, Table, column};
use crate::error::Result;
use crate::replay::{GroupTime, Replayed, ReplayedPhase, StepTime, Time};

/// How to read the tables.
const NOTES: [&str; 2] = [
    "ratio: measured over predicted speed, below 1 where it was slower than the achieved roof says.",
    "GB/s are of weights, cache and state; activations are not counted.",
];

/// The answer, then for each phase where its time went: by class and, where all is shown, step by step.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(replayed: &Replayed, shown: Shown) -> Result<Report> {
    let mut tables = vec![answer(replayed)];
    for phase in &replayed.phases {
        tables.push(groups(phase));
        if shown == Shown::All {
            tables.push(steps(phase));
        }
    }
    let of_phase = |phase: &ReplayedPhase| -> Vec<Owned> {
        phase.steps.iter().map(|step| Owned::of(replayed, phase, step)).collect()
    };
    let rows: Vec<Owned> = replayed.phases.iter().flat_map(of_phase).collect();
    let flat = Some(Table::flat(&flat_columns(), &rows));
    Ok(Report { tables, flat, json: json("the replay", replayed)? })
}

fn answer(replayed: &Replayed) -> Table {
    let asked = &replayed.asked;
    let threads = match asked.threads {
        None => String::new(),
        Some(1) => ", 1 thread".to_owned(),
        Some(threads) => format!(", {threads} threads"),
    };
    let title = format!("{} {} on {}{threads}, replayed", asked.model, asked.weights, asked.device);
    let mut lead: Vec<String> = replayed.phases.iter().rev().map(|phase| line(replayed, phase)).collect();
    lead.push(format!(
        "Memory: {} of {} available; weights {}.",
        mib(asked.memory_needed_bytes),
        mib(asked.memory_available_bytes),
        mib(asked.weight_bytes_total)
    ));
    if let Some(profile) = &asked.profile {
        lead.push(format!("Ways and predictions are those of {profile}."));
    }
    let mut notes: Vec<String> = replayed.notes.iter().map(|note| format!("Note: {note}.")).collect();
    if replayed.phases.iter().any(|phase| phase.disturbed_passes > 0) {
        notes.push("Note: something else ran during some passes; leave the machine alone meanwhile.".to_owned());
    }
    notes.extend(replayed.phases.iter().rev().find_map(other_memory));
    Table { title, lead, notes, ..Table::default() }
}

/// That main memory was another one than the profile's, where it was.
fn other_memory(phase: &ReplayedPhase) -> Option<String> {
    let read = phase.memory_read.as_ref().filter(|read| !read.is_same())?;
    Some(format!(
        "Note: main memory read {} GB/s between the passes of the {}, and {} when the profile was measured: what memory binds was \
         predicted for that; measure again for a prediction of now.",
        digits(read.gb_per_s, 3),
        phase.phase.name(),
        digits(read.gb_per_s_of_profile, 3)
    ))
}

/// `decode at context 513: 61.2 tokens/s (60.1 to 62.0), predicted 63.0: 0.97`.
fn line(replayed: &Replayed, phase: &ReplayedPhase) -> String {
    let batch = replayed.asked.workload.batch;
    let of = match phase.tokens {
        1 => format!("at context {}", phase.context),
        tokens => format!("of {tokens} tokens"),
    };
    let sequences = if batch > 1 { format!(", {batch} sequences") } else { String::new() };
    let [low, high] = phase.tokens_per_s_interval.map(|rate| digits(rate, 3));
    let predicted = match (phase.tokens_per_s_predicted, phase.ratio) {
        (Some(predicted), Some(ratio)) => format!(", predicted {}: {ratio:.2}", digits(predicted, 3)),
        _ => String::new(),
    };
    let timers = phase.seconds_with_timers.map_or_else(String::new, |with| {
        format!(
            " With a timer at each operation it takes {} % longer.",
            significant((with / phase.seconds - 1.0) * 100.0)
        )
    });
    format!(
        "{} {of}{sequences}: {} tokens/s ({low} to {high}){predicted}; {} passes.{timers}",
        phase.phase.name(),
        digits(phase.tokens_per_s, 3),
        phase.passes
    )
}

fn groups(phase: &ReplayedPhase) -> Table {
    let mut columns: Vec<Column<GroupTime>> = vec![
        column("class", "class", |group: &GroupTime| Cell::text(group.class)),
        column("routine", "routine", |group: &GroupTime| Cell::text(group.routine)),
        column("stored_as", "stored", |group: &GroupTime| Cell::text(&group.stored_as)),
    ];
    columns.extend(times(|group: &GroupTime| &group.time));
    let view = [
        "class",
        "routine",
        "stored_as?",
        "launches?",
        "seconds",
        "share",
        "seconds_predicted",
        "ratio",
        "bytes?",
        "gb_per_s",
        "gflop_per_s",
    ];
    let title = format!("Where the time of the {} goes", phase.phase.name());
    Table::view(title, &columns, &view, &phase.groups).with_notes(NOTES)
}

fn steps(phase: &ReplayedPhase) -> Table {
    let mut columns: Vec<Column<StepTime>> = vec![
        column("op", "operation", |step: &StepTime| Cell::text(step.planned.op)),
        column("extents", "m×n×k", |step: &StepTime| {
            Cell::text(format!("{}×{}×{}", step.planned.m, step.planned.n, step.planned.k))
        }),
        column("stored_as", "stored", |step: &StepTime| Cell::text(&step.planned.stored_as)),
    ];
    columns.extend(times(|step: &StepTime| &step.time));
    let view = [
        "op",
        "extents",
        "stored_as?",
        "launches?",
        "seconds",
        "share",
        "seconds_predicted",
        "ratio",
        "gb_per_s",
        "gflop_per_s",
    ];
    Table::view(format!("The {}, operation by operation", phase.phase.name()), &columns, &view, &phase.steps)
}

/// The columns of times.
fn times<R: 'static>(time: fn(&R) -> &Time) -> [Column<R>; 8] {
    [
        column("launches", "launches", move |row: &R| Cell::plain(time(row).launches)),
        column("seconds", "ms", move |row: &R| Cell::scaled(time(row).seconds, 1e3)),
        column("share", "%", move |row: &R| Cell::scaled(time(row).share, 100.0)),
        column("seconds_predicted", "predicted ms", move |row: &R| {
            time(row).seconds_predicted.map_or(Cell::Empty, |seconds| Cell::scaled(seconds, 1e3))
        }),
        column("ratio", "ratio", move |row: &R| Cell::maybe(time(row).ratio)),
        column("bytes", "MB", move |row: &R| Cell::amount(time(row).bytes, 1e6)),
        column("gb_per_s", "GB/s", move |row: &R| Cell::maybe(time(row).gb_per_s)),
        column("gflop_per_s", "GFLOP/s", move |row: &R| Cell::maybe(time(row).gflop_per_s)),
    ]
}

/// One step with what it belongs to, on its own, so that columns need not know for how long a record lives.
struct Owned {
    model: String,
    weights: String,
    device: String,
    profile: Option<String>,
    phase: ReplayedPhase,
    step: StepTime,
}

impl Owned {
    fn of(replayed: &Replayed, phase: &ReplayedPhase, step: &StepTime) -> Owned {
        let asked = &replayed.asked;
        Owned {
            model: asked.model.clone(),
            weights: asked.weights.clone(),
            device: asked.device.clone(),
            profile: asked.profile.clone(),
            phase: ReplayedPhase { groups: Vec::new(), steps: Vec::new(), ..phase.clone() },
            step: step.clone(),
        }
    }
}

/// Every column of CSV: a step in a row.
fn flat_columns() -> Vec<Column<Owned>> {
    let mut columns: Vec<Column<Owned>> = vec![
        column("model", "", |row: &Owned| Cell::text(&row.model)),
        column("weights", "", |row: &Owned| Cell::text(&row.weights)),
        column("device", "", |row: &Owned| Cell::text(&row.device)),
        column("profile", "", |row: &Owned| Cell::words(row.profile.as_ref())),
        column("phase", "", |row: &Owned| Cell::text(row.phase.phase.name())),
        column("tokens", "", |row: &Owned| Cell::plain(row.phase.tokens)),
        column("context", "", |row: &Owned| Cell::plain(row.phase.context)),
        column("phase_seconds", "", |row: &Owned| Cell::number(row.phase.seconds)),
        column("phase_tokens_per_s", "", |row: &Owned| Cell::number(row.phase.tokens_per_s)),
        column("phase_ratio", "", |row: &Owned| Cell::maybe(row.phase.ratio)),
        column("phase_memory_read_gb_per_s", "", |row: &Owned| {
            Cell::maybe(row.phase.memory_read.as_ref().map(|read| read.gb_per_s))
        }),
        column("op", "", |row: &Owned| Cell::text(row.step.planned.op)),
        column("class", "", |row: &Owned| Cell::text(row.step.planned.class)),
        column("routine", "", |row: &Owned| Cell::text(row.step.planned.routine)),
        column("stored_as", "", |row: &Owned| Cell::text(&row.step.planned.stored_as)),
        column("m", "", |row: &Owned| Cell::plain(row.step.planned.m)),
        column("n", "", |row: &Owned| Cell::plain(row.step.planned.n)),
        column("k", "", |row: &Owned| Cell::plain(row.step.planned.k)),
        column("counted_bytes", "", |row: &Owned| Cell::plain(row.step.planned.bytes)),
        column("flops", "", |row: &Owned| Cell::number(row.step.planned.flops)),
    ];
    columns.extend(times(|row: &Owned| &row.step.time));
    columns
}
