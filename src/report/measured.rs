//! Measured runs under the roofs: what they come to, what they break, how far they are.

use super::cell::{Cell, digits};
use super::evaluation::POTENTIAL_NOTES;
use super::record::{Record, columns, json, merged};
use super::table::{Column, Report, Shown, Table, column, unique};
use crate::error::Result;
use crate::measured::{Broken, Joined, MeasuredPoint, broken};
use crate::roofline::Resource;
use serde_json::Value;

/// How to read the shares.
const SHARE_NOTE: &str =
    "Read % β (of bandwidth) where memory binds, and % π (of arithmetic) where compute binds; 100 is the roof.";
const RATE_NOTES: [&str; 2] = [
    "FLOP and bytes are counted exactly for the passes that were timed; their rates are those over the measured time.",
    "prompt, decode: tokens taken in, and passes of one token each, behind the tokens in the cache.",
];

const VERDICT_NOTE: &str =
    "% of kernels: of what this device's kernels reach for the same passes. Lost: by a fit to these runs.";

/// So many points are told one by one.
const FEW: usize = 4;

/// Every column of CSV, named as in the record.
const COLUMNS: &str = "record label model measured_model profile device engine weights kv phase prompt decode_passes cached \
     forward_passes tokens_per_s tokens_per_s_low tokens_per_s_high seconds flops weight_bytes kv_bytes state_bytes bytes oi \
     gflop_per_s gb_per_s ridge_flop_per_byte memory_ceiling memory_share memory_broken compute_ceiling compute_share \
     compute_broken exceeds regime above_roof headroom_log2 reach_log2 region_area phi phi_log2 phi_paper \
     tokens_per_s_achieved achieved_share standing";

/// The tables of measured points, all but the first only where all is shown; their record is `{"measured": [...], …}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(joined: &Joined, shown: Shown) -> Result<Report> {
    let (measured, broken) = (json("the measured points", &joined.points)?, broken(&joined.points));
    let points: Vec<Record> = measured.as_array().into_iter().flatten().map(point_record).collect();
    let flat = columns(COLUMNS, own());
    let of_points = joined.points.iter().flat_map(|point| &point.notes).map(|note| format!("Note: {note}."));
    let mut notes: Vec<String> = unique(broken.iter().map(above).chain(of_points));
    if joined.left_out > 0 {
        notes.push(format!("Note: {} more measurements are of other models or devices.", joined.left_out));
    }
    let mut table = answer(&points).with_notes([SHARE_NOTE]);
    if joined.points.iter().any(|point| point.verdict.is_some()) {
        table = table.with_notes([VERDICT_NOTE]);
    }
    if joined.points.len() <= FEW {
        table.lead = joined.points.iter().filter_map(sentence).collect();
    }
    let mut tables = vec![table.with_notes(notes)];
    if shown == Shown::All {
        let cases = ["model", "weights", "label", "phase", "profile"];
        let table = |title: &str, view: &[&'static str]| {
            Table::view(title, &flat, &[&cases, view].concat(), &points).with_keys(cases.len())
        };
        let rates = ["cached?", "prompt", "decode_passes", "tokens_per_s", "oi?", "gflop_per_s?", "compute_share"];
        let standing =
            ["regime", "above_roof", "headroom_log2", "reach_log2?", "region_area?", "phi", "phi_log2?", "phi_paper?"];
        tables.push(
            table("What was timed", &[&rates[..], &["gb_per_s?", "memory_share"]].concat()).with_notes(RATE_NOTES),
        );
        tables.push(table("Potential, measured", &standing).with_notes(POTENTIAL_NOTES));
    }
    let flat = Some(Table::flat(&flat, &points));
    let json = serde_json::json!({
        "measured": measured,
        "measured_left_out": joined.left_out,
        "roofs_broken": broken,
    });
    Ok(Report { tables, flat, json })
}

/// A verdict in words: `decode 64: 35.8 tokens/s, 93 % of what this device's kernels reach here (38.5), 59 % of its bandwidth:
/// good.`
fn sentence(point: &MeasuredPoint) -> Option<String> {
    let verdict = point.verdict.as_ref()?;
    let percent = |share: f64| format!("{} %", digits(share * 100.0, 2));
    let (share, of) = match point.potential.regime {
        Resource::Memory => (point.memory.share, "bandwidth"),
        Resource::Compute => (point.compute.share, "arithmetic"),
    };
    let lost: Vec<String> =
        verdict.lost.iter().take(3).map(|loss| format!("{} {}", loss.part, percent(loss.share))).collect();
    let lost = if lost.is_empty() { String::new() } else { format!(" Time lost: {}.", lost.join("; ")) };
    let causes = match &verdict.find_out {
        Some(command) => format!(" Likely causes, in order: {}. `{command}` finds out.", verdict.causes.join("; ")),
        None => String::new(),
    };
    let [rate, reached] = [point.tokens_per_s, verdict.tokens_per_s_achieved].map(|rate| digits(rate, 3));
    let depth = if point.cached > 0 { format!(" at {}", point.cached) } else { String::new() };
    let tokens = if point.prompt > 0 { point.prompt } else { point.decode_passes };
    Some(format!(
        "{} {tokens}{depth}: {rate} tokens/s, {} of what this device's kernels reach here ({reached}), {} of its {of}: {}.\
         {lost}{causes}",
        point.phase,
        percent(verdict.share),
        percent(share),
        verdict.standing
    ))
}

/// A point's record, the names of the ceilings that it exceeds in one value.
fn point_record(point: &Value) -> Record {
    let mut record = merged([point]);
    let exceeded = point["exceeds"].as_array().into_iter().flatten().filter_map(|other| other["ceiling"].as_str());
    record.insert("exceeds".to_owned(), exceeded.collect::<Vec<_>>().join(" ").into());
    let verdict = &point["verdict"];
    for (key, own) in
        [("tokens_per_s_achieved", "tokens_per_s_achieved"), ("achieved_share", "share"), ("standing", "standing")]
    {
        record.insert(key.to_owned(), verdict[own].clone());
    }
    let most = verdict["lost"][0].as_object().and_then(|lost| {
        // The phase stands beside it already.
        let part = lost["part"].as_str()?.split(',').next()?;
        Some(format!("{part} {} %", digits(lost["share"].as_f64()? * 100.0, 2)))
    });
    record.insert("lost".to_owned(), most.into());
    record
}

/// How good each measured rate is: what it comes to, and its share of the roof that binds.
fn answer(points: &[Record]) -> Table {
    let people = [
        column("phase", "phase", |p: &Record| Cell::text(timed(p))),
        column("binds", "binds", |p: &Record| {
            Cell::words(p["regime"].as_str().map(|regime| regime.trim_end_matches("-bound")))
        }),
    ];
    let names = "model profile weights label phase cached tokens_per_s achieved_share standing lost gflop_per_s \
                 compute_share gb_per_s memory_share binds";
    // What all have in common is no answer.
    let varies = |key: &str| points.iter().any(|point| point.get(key) != points[0].get(key));
    let shown = |name: &&str| !["profile", "label", "cached"].contains(name) || varies(name);
    let view = ["model", "profile", "weights", "label", "phase", "cached", "tokens_per_s"];
    let more =
        ["achieved_share", "standing", "lost?", "gflop_per_s?", "compute_share", "gb_per_s?", "memory_share", "binds?"];
    let view = view.into_iter().chain(more);
    let (columns, view) = (columns(names, people), view.filter(shown).collect::<Vec<_>>());
    Table::view("Measured, and what the roofs allow", &columns, &view, points)
}

/// What was timed: `prefill 512`, `decode 128`, `prefill 8 + decode 4`.
fn timed(point: &Record) -> String {
    let parts = [("prefill", "prompt"), ("decode", "decode_passes")].map(|(phase, key)| (phase, point[key].as_u64()));
    let words = parts.into_iter().filter_map(|(phase, count)| Some(format!("{phase} {}", count.filter(|n| *n > 0)?)));
    words.collect::<Vec<_>>().join(" + ")
}

/// A roof that is broken, in words.
fn above(broken: &Broken) -> String {
    let (value, unit, verb) = match broken.gflop_per_s {
        Some(value) => (value, "GFLOP/s", "computes"),
        None => (broken.gb_per_s.unwrap_or_default(), "GB/s", "streams"),
    };
    let [least, most] = broken.shares;
    let range = |[low, high]: [String; 2]| if low == high { low } else { format!("{low} … {high}") };
    let reached = range([least, most].map(|share| format!("{:.1}", share * value)));
    let times = range([least, most].map(|share| format!("{share:.2}")));
    let Broken { profile, ceiling, status, phase, points, of, .. } = broken;
    let role = if broken.is_their_roof { "" } else { ", which is not the arithmetic of these weights" };
    format!(
        "above the roof: {phase} {verb} {reached} {unit} under {ceiling} {value} ({status}) of {profile}: {times} times, \
         {points} of {of} points{role}."
    )
}

/// Columns whose cells people read otherwise than programs.
fn own() -> [Column<Record>; 1] {
    [column("above_roof", "roof", |p: &Record| match p["above_roof"] == true {
        true => Cell::phrase("true", "above"),
        false => Cell::phrase("false", "under"),
    })]
}
