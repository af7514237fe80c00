//! A profile: what the device reaches and how far to trust that; where everything is asked for, all ceilings and the machine.

use super::ceilings::{Rank, Row, cause, columns, columns_for_people, ordered};
use super::cell::{digits, significant};
use super::machine;
use super::record::json;
use super::table::{Report, Shown, Table, grouped};
use crate::error::Result;
use crate::profile::{Ceiling, Curve, DeviceKind, Family, Flag, GpuClass, Profile, Status};

/// Ceilings that a summary has at least, where the profile has them.
const ENOUGH: usize = 6;

/// Names of doubtful ceilings of each cause, in the first minute and in a summary; --all has every one.
const NAMES: [usize; 2] = [2, 12];
/// More doubtful ceilings than one in so many, and a profile is not to be relied on.
const DOUBTFUL: usize = 4;

/// The profile: a summary, or all ceilings and the machine. CSV has all ceilings, and JSON everything.
///
/// # Errors
/// Failure when the profile cannot be written as JSON.
pub fn report(profile: &Profile, shown: Shown) -> Result<Report> {
    let json = json("the profile", profile)?;
    let tables = match shown {
        Shown::Main => {
            vec![summary(profile, Rank::Summary).with_notes(["--all: every ceiling, curve and circumstance."])]
        }
        Shown::All => vec![everything(profile), machine::table(profile)],
    };
    Ok(Report { tables, flat: Some(Table::flat(&columns(), &ordered(profile))), json })
}

/// What the device is and reaches, how far to trust it, and the ceilings up to that rank.
pub(super) fn summary(profile: &Profile, rank: Rank) -> Table {
    let brief = rank == Rank::First;
    let (mut rows, mut rank) = (ordered(profile), rank);
    let upto = |rank: Rank| profile.ceiling.iter().filter(|c| Rank::of(&c.id) <= rank).count();
    while rank < Rank::Rest && upto(rank) < ENOUGH.min(profile.ceiling.len()) {
        rank = if rank < Rank::Main { Rank::Main } else { Rank::Rest };
    }
    rows.retain(|row| Rank::of(&row.ceiling.id) <= rank && row.ceiling.status.has_value());
    let mut view = vec!["ceiling", "value", "unit"];
    view.extend(rows.iter().any(|row| row.ceiling.ci95.is_some()).then_some("interval"));
    view.extend(rows.iter().any(|row| row.ceiling.status != Status::Measured).then_some("doubt"));
    let mut table = Table::view(headline(profile), &columns_for_people(), &view, &rows);
    table.lead = trust(profile);
    table
        .with_notes(folded(profile, brief))
        .with_notes(ridges(profile).filter(|_| !brief))
        .with_notes(circumstances(profile))
}

/// The device and its most asked figures.
fn headline(profile: &Profile) -> String {
    let summary = &profile.summary;
    let figures = [
        (summary.dram_read_gb_per_s.or(summary.vram_read_gb_per_s), "reads", "GB/s"),
        (summary.f32_gflop_per_s, "f32", "GFLOP/s"),
        (summary.bf16_gflop_per_s, "bf16", "GFLOP/s"),
        (summary.f16_coopmat_gflop_per_s, "f16 matrices", "GFLOP/s"),
        (summary.i8_gflop_per_s, "i8", "GFLOP/s"),
    ];
    let words =
        figures.into_iter().filter_map(|(value, what, unit)| Some(format!("{what} {} {unit}", digits(value?, 3))));
    let words = words.collect::<Vec<_>>().join(", ");
    let software = profile.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software);
    let warning = if software { " (software adapter, no GPU)" } else { "" };
    format!("{}{warning}{}{words}", profile.device.name, if words.is_empty() { "" } else { ": " })
}

/// How far to trust the numbers, and where they are from.
pub(super) fn trust(profile: &Profile) -> Vec<String> {
    let provenance = &profile.provenance;
    let day = provenance.date.split('T').next().unwrap_or_default();
    if profile.is_quoted() {
        return vec![format!("Quoted from {} ({day}): nothing was measured.", provenance.tool)];
    }
    let grade = profile.environment.as_ref().and_then(|environment| {
        let reasons: Vec<&str> = environment.grade_reasons.iter().map(|reason| cause(reason)).collect();
        let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
        Some(format!("Grade {} of A to F{why}.", environment.grade?))
    });
    let grade = grade.unwrap_or_else(|| "No grade: the circumstances are not known.".to_owned());
    let effort = provenance.effort.map_or_else(String::new, |effort| format!(", {} effort", effort.name()));
    let doubt = || {
        format!(
            "{} of {} ceilings are suspect: do not rely on these numbers.",
            suspects(profile),
            profile.ceiling.len()
        )
    };
    let doubt = is_doubtful(profile).then(doubt);
    std::iter::once(format!("{grade} Measured {day}{}{effort}.", means(profile))).chain(doubt).collect()
}

fn suspects(profile: &Profile) -> usize {
    profile.ceiling.iter().filter(|c| c.status == Status::Suspect).count()
}

/// Whether so many ceilings are suspect that the others are not to be relied on either.
pub(super) fn is_doubtful(profile: &Profile) -> bool {
    suspects(profile) * DOUBTFUL > profile.ceiling.len()
}

/// What the numbers were measured with.
fn means(profile: &Profile) -> String {
    let threads = profile.environment.as_ref().filter(|_| profile.device.kind == DeviceKind::Cpu).map(|e| e.threads);
    let threads = threads.map(|n| format!(" with {n} thread{}", if n == 1 { "" } else { "s" }));
    let backend = profile.provenance.gpu.as_ref().map(|gpu| format!(" through {}", gpu.backend));
    [threads, backend].into_iter().flatten().collect()
}

/// What was not simply measured: one line for each cause, with the worst and some names. A brief one leaves out
/// what the device cannot do.
pub(super) fn folded(profile: &Profile, brief: bool) -> Vec<String> {
    let names = NAMES[usize::from(!brief)];
    let doubtful = profile.ceiling.iter().filter(|c| !matches!(c.status, Status::Measured | Status::Quoted));
    let groups =
        grouped(doubtful.filter(|c| !brief || c.status != Status::Unsupported).map(|c| ((c.status, why(c)), c)));
    let line = |((status, cause), ceilings): ((Status, &str), Vec<&Ceiling>)| {
        let mut ids: Vec<String> = ceilings.iter().take(names).map(|c| c.id.to_string()).collect();
        ids.extend((ceilings.len() > names).then(|| format!("{} more", ceilings.len() - names)));
        let ids = ids.join(", ");
        let spread = |c: &&Ceiling| c.value().zip(c.ci95).map(|((value, _), [low, high])| (high - low) / (2.0 * value));
        let worst = ceilings.iter().filter_map(|c| Some((spread(c)?, &c.id))).max_by(|a, b| a.0.total_cmp(&b.0));
        let worst = worst.filter(|_| ceilings.len() > 1 && status == Status::Suspect);
        let worst = worst.map_or_else(String::new, |(spread, id)| format!("; worst {id} ±{:.0} %", spread * 100.0));
        let colon = if status == Status::Unsupported { "" } else { ":" };
        format!("{} {status}{colon} {cause}{worst}: {ids}", ceilings.len())
    };
    groups.into_iter().map(line).collect()
}

/// The cause of a doubt. Each instruction set that is missing has a reason of its own; --all shows them.
fn why(ceiling: &Ceiling) -> &str {
    match ceiling.status {
        Status::Unsupported => "by this device",
        _ => cause(ceiling.reason.as_deref().unwrap_or_default()),
    }
}

/// From which intensity on arithmetic binds.
fn ridges(profile: &Profile) -> Option<String> {
    let summary = &profile.summary;
    let ridges = [
        ("f32", summary.ridge_f32_flop_per_byte),
        ("f16", summary.ridge_f16_flop_per_byte),
        ("bf16", summary.ridge_bf16_flop_per_byte),
        ("i8", summary.ridge_i8_flop_per_byte),
    ];
    let words: Vec<String> =
        ridges.into_iter().filter_map(|(dtype, ridge)| Some(format!("{dtype} {}", significant(ridge?)))).collect();
    let memory = if summary.dram_read_gb_per_s.is_some() { DeviceKind::Cpu } else { DeviceKind::Gpu };
    let memory = memory.main_memory().to_string().to_uppercase();
    let line =
        || format!("Ridge points, FLOP per byte of {memory} read: {}. Below them memory binds.", words.join(", "));
    (!words.is_empty()).then(line)
}

fn circumstances(profile: &Profile) -> Vec<String> {
    let incomplete = "this profile is incomplete; `roofprobe measure --resume -o FILE` completes it";
    let simulated = profile.provenance.simulated.as_ref();
    let simulated = simulated.map(|name| format!("nothing was measured: this is a simulation of {name}"));
    (!profile.provenance.complete).then(|| incomplete.to_owned()).into_iter().chain(simulated).collect()
}

/// Every ceiling with its variant.
fn everything(profile: &Profile) -> Table {
    let rows = ordered(profile);
    let mut view = vec!["ceiling", "value", "unit"];
    // Only where some ceiling carries two figures is there a column for the second.
    view.extend(rows.iter().any(|row| row.ceiling.second().is_some()).then_some("weights?"));
    view.extend(rows.iter().any(|row| row.ceiling.watts.is_some()).then_some("watts?"));
    view.extend(["interval", "variant", "status", "per_cycle?", "relative_error?", "samples?", "median?"]);
    let mut table = Table::view(headline(profile), &columns_for_people(), &view, &rows);
    table.lead = trust(profile);
    table
        .with_notes(reasons(&rows))
        .with_notes(rows.iter().filter_map(|row| modes(row.ceiling)))
        .with_notes(flags(&rows))
        .with_notes(profile.curve.iter().map(curve))
        .with_notes(ridges(profile))
        .with_notes(circumstances(profile))
}

/// Every ceiling for a page: what it reaches, how, and why it is not simply measured.
pub(super) fn page_table(profile: &Profile) -> Table {
    let rows = ordered(profile);
    let view = ["ceiling", "value", "unit", "interval", "status", "variant", "samples", "reason"];
    let table = Table::view("", &columns_for_people(), &view, &rows);
    table
        .with_notes(rows.iter().filter_map(|row| modes(row.ceiling)))
        .with_notes(flags(&rows))
        .with_notes(ridges(profile))
}

/// The machine and its circumstances.
pub(super) fn machine(profile: &Profile) -> Table {
    machine::table(profile)
}

/// Why some ceilings are not simply measured; those of one reason on one line.
fn reasons(rows: &[Row]) -> Vec<String> {
    let doubtful = rows.iter().map(|row| row.ceiling).filter(|c| c.status != Status::Measured);
    let reason = |c: &'_ Ceiling| c.reason.clone().or(c.source.clone()).unwrap_or_default();
    let groups = grouped(doubtful.map(|c| ((c.status, reason(c)), c.id.to_string())));
    groups.into_iter().map(|((status, reason), ids)| format!("{status}: {reason}: {}", ids.join(", "))).collect()
}

fn modes(ceiling: &Ceiling) -> Option<String> {
    let modes = ceiling.modes.iter().map(|m| format!("{} ({:.0} %)", significant(m.value), m.share * 100.0));
    let list = modes.collect::<Vec<_>>().join(", ");
    let line = || format!("{}: modes {list} of the samples; the value is of the fastest one", ceiling.id);
    (ceiling.modes.len() > 1).then(line)
}

/// Remarks of ceilings; those of one kind on one line. Modes have a line of their own.
fn flags(rows: &[Row]) -> Vec<String> {
    let all = rows.iter().map(|row| row.ceiling).flat_map(|c| c.flags.iter().map(move |flag| (flag, c.id.to_string())));
    let groups = grouped(all.filter(|(flag, _)| **flag != Flag::Modes));
    groups.into_iter().map(|(flag, ids)| format!("{flag}: {}", ids.join(", "))).collect()
}

/// A curve in one line: how many points, and what it comes to from where to where.
fn curve(curve: &Curve) -> String {
    let Some(((values, unit), (axis, places))) = curve.values().zip(curve.axis()) else {
        return format!("{}: {}: {}", curve.id, curve.status, curve.reason.as_deref().unwrap_or_default());
    };
    let name = axis.name();
    let place = |&x: &u64| if name.ends_with("_bytes") { binary(x) } else { x.to_string() };
    let flags: String = curve.flags.iter().map(|flag| format!("; {flag}")).collect();
    let units = if curve.id.family() == Family::Compute { shared_units(&curve.units()) } else { String::new() };
    format!(
        "{}: {} points, {} {} for {} {}{units}{flags}",
        curve.id,
        values.len(),
        ends(values, |&value| significant(value)),
        unit.symbol(),
        name.trim_end_matches("_bytes"),
        ends(places, place),
    )
}

/// Units that cores share, by the numbers of threads with which they came in.
fn shared_units(threads: &[u64]) -> String {
    let with = threads.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let units = if threads.len() == 1 { "unit" } else { "units" };
    format!("; {} {units}: the rate rises with {with} threads", threads.len())
}

/// The first and the last of a list.
fn ends<T>(all: &[T], shown: impl Fn(&T) -> String) -> String {
    [all.first(), all.last()].into_iter().flatten().map(shown).collect::<Vec<_>>().join(" … ")
}

/// Bytes in the largest binary unit that divides them.
fn binary(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    whole.map_or(format!("{bytes} B"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}
