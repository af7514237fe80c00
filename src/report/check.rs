//! What the gate says: for people and programs, as JUnit XML for the build servers that read it, and as annotations of GitHub.

use super::cell::{Cell, significant};
use super::evaluation::{day, standing};
use super::record;
use super::table::{Report, Shown, Table, grouped};
use crate::check::{Answer, Checked, CheckedQuantity};
use crate::error::{Result, obeyed};
use crate::evaluate::ProfileFacts;

/// The report of what the gate says; its record is that.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(checked: &Checked, shown: Shown) -> Result<Report> {
    let json = record::json("the answer of the gate", checked)?;
    let worth = |one: &&CheckedQuantity| shown == Shown::All || one.answer == Answer::Regressed;
    let rows: Vec<Vec<Cell>> = checked.quantities.iter().filter(worth).map(row).collect();
    let title = verdict(checked);
    let mut table = if rows.is_empty() {
        Table { title, ..Table::default() }
    } else {
        let columns = ["quantity", "unit", "answer", "baseline", "new", "new/baseline", "low", "high"];
        Table::of(title, columns, rows).with_keys(1)
    };
    table.lead = vec![format!("new: {}", named(&checked.new)), format!("baseline: {}", named(&checked.baseline))];
    let mut notes = doubts(checked, |_| true);
    let by_family: Vec<&str> =
        checked.quantities.iter().filter(|one| one.by_family).map(|one| one.quantity.as_str()).collect();
    if !by_family.is_empty() {
        notes.insert(0, format!("only together with nearly all of their family: {}", by_family.join(", ")));
    }
    if shown == Shown::Main && checked.passed > 0 {
        notes.push(format!("{} passed; --all shows them", checked.passed));
    }
    Ok(Report { tables: vec![table.with_notes(notes)], flat: Some(flat(checked)), json })
}

/// The answer in one sentence.
pub fn verdict(checked: &Checked) -> String {
    let (percent, all) = (percent(checked.tolerance), checked.quantities.len());
    match checked.answer {
        Answer::Passed => format!("Passed: none of {all} quantities is slower by more than {percent} %."),
        Answer::Regressed => format!(
            "Regressed: {} of {all} quantities are slower by more than {percent} %, and beyond both intervals.",
            checked.regressed
        ),
        Answer::CannotTell => format!(
            "Cannot tell: of {} of {all} quantities it is not known whether they are slower by more than {percent} %.",
            checked.cannot_tell
        ),
    }
}

/// A share in percent, without digits that nobody gave.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn named(facts: &ProfileFacts) -> String {
    format!("{} ({}, grade {}, {})", facts.profile, facts.device, standing(facts), day(facts))
}

fn row(one: &CheckedQuantity) -> Vec<Cell> {
    let ratio = |value: Option<f64>| {
        value.map_or(Cell::Empty, |value| Cell::Number { exact: value.to_string(), shown: format!("{value:.3}") })
    };
    vec![
        Cell::text(&one.quantity),
        Cell::words(one.unit),
        Cell::text(one.answer.name()),
        Cell::number(one.baseline),
        Cell::maybe(one.new),
        ratio(one.ratio),
        ratio(one.ratio_interval.map(|[low, _]| low)),
        ratio(one.ratio_interval.map(|[_, high]| high)),
    ]
}

/// Why the gate cannot tell, alike reasons on one line.
fn doubts(checked: &Checked, of: impl Fn(&CheckedQuantity) -> bool) -> Vec<String> {
    let unsure = checked.quantities.iter().filter(|one| one.answer == Answer::CannotTell && of(one));
    let groups = grouped(unsure.filter_map(|one| Some((one.doubt?, one.quantity.as_str()))));
    groups.iter().map(|(doubt, names)| format!("cannot tell: {}: {}", doubt.words(), names.join(", "))).collect()
}

fn flat(checked: &Checked) -> Table {
    let columns = [
        "quantity",
        "unit",
        "answer",
        "doubt",
        "by_family",
        "baseline",
        "baseline_low",
        "baseline_high",
        "new",
        "new_low",
        "new_high",
        "ratio",
        "ratio_low",
        "ratio_high",
        "tolerance_needed",
    ];
    let ends = |interval: Option<[f64; 2]>| [0, 1].map(|end| Cell::maybe(interval.map(|ends| ends[end])));
    let row = |one: &CheckedQuantity| {
        let mut row = vec![
            Cell::text(&one.quantity),
            Cell::words(one.unit),
            Cell::text(one.answer.name()),
            Cell::words(one.doubt.map(crate::check::Doubt::words)),
            Cell::yes_no(Some(one.by_family)),
            Cell::number(one.baseline),
        ];
        row.extend(ends(one.baseline_interval));
        row.push(Cell::maybe(one.new));
        row.extend(ends(one.new_interval));
        row.push(Cell::maybe(one.ratio));
        row.extend(ends(one.ratio_interval));
        row.push(Cell::maybe(one.tolerance_needed));
        row
    };
    Table::of("", columns, checked.quantities.iter().map(row))
}

/// A quantity in one sentence.
fn sentence(one: &CheckedQuantity) -> String {
    let unit = one.unit.map_or_else(String::new, |unit| format!(" {unit}"));
    let value = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| significant(value) + &unit);
    let speed = one.ratio.map_or_else(String::new, |ratio| format!(", {ratio:.3} times as fast"));
    let doubt = one.doubt.map_or_else(String::new, |doubt| format!("; {}", doubt.words()));
    format!("{}: {} against {}{speed}{doubt}", one.quantity, value(one.new), value(Some(one.baseline)))
}

/// The answer as JUnit XML: a test case for each quantity. A regression is a failure; what the gate cannot tell is an error, so that no
/// build server takes it for a success.
pub fn junit(checked: &Checked) -> String {
    let case = |one: &CheckedQuantity| {
        let name = xml(&one.quantity);
        let element = match one.answer {
            Answer::Passed => return format!("    <testcase classname=\"roofprobe.check\" name=\"{name}\"/>\n"),
            Answer::Regressed => "failure",
            Answer::CannotTell => "error",
        };
        let message = xml(&sentence(one));
        format!(
            "    <testcase classname=\"roofprobe.check\" name=\"{name}\">\n      <{element} message=\"{message}\"/>\n    \
             </testcase>\n"
        )
    };
    let cases: String = checked.quantities.iter().map(case).collect();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        checked.quantities.len(),
        checked.regressed,
        checked.cannot_tell
    );
    let name = xml(&format!("{} against {}", checked.new.profile, checked.baseline.profile));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"{name}\" {counts}>\n\
         {cases}  </testsuite>\n</testsuites>\n"
    )
}

/// Text as XML carries it: what it cannot carry, and what turns the direction of text, is written as an escape.
fn xml(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        '\u{fffe}' | '\u{ffff}' => c.escape_unicode().to_string(),
        c if obeyed(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// The answer as commands that GitHub's runner turns into annotations: the verdict, and an error or a warning for each quantity that
/// has not passed.
pub fn annotations(checked: &Checked) -> Vec<String> {
    let level = |answer| match answer {
        Answer::Passed => "notice",
        Answer::Regressed => "error",
        Answer::CannotTell => "warning",
    };
    let line = |answer, title: &str, message: &str| {
        format!("::{} title={}::{}", level(answer), property(title), data(message))
    };
    let of_all = line(checked.answer, "roofprobe check", &verdict(checked));
    let worth = checked.quantities.iter().filter(|one| one.answer != Answer::Passed);
    let each = worth.map(|one| line(one.answer, one.answer.name(), &sentence(one)));
    std::iter::once(of_all).chain(each).collect()
}

/// Text of a command of GitHub's runner (github.com/actions/toolkit, packages/core/src/command.ts: `escapeData`).
fn data(text: &str) -> String {
    let plain: String = text.chars().map(|c| if obeyed(c) && !"\r\n".contains(c) { '\u{fffd}' } else { c }).collect();
    plain.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same of a property (`escapeProperty` there).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What tolerance a machine supports, from two measurements of it: the report of [`report()`] with that sentence first. `reasons` are
/// those of the two grades.
///
/// # Errors
/// As [`report()`].
pub fn self_report(checked: &Checked, reasons: [&[String]; 2], shown: Shown) -> Result<Report> {
    let mut needed: Vec<(f64, &str)> =
        checked.quantities.iter().filter_map(|one| Some((one.tolerance_needed?, one.quantity.as_str()))).collect();
    needed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let unsupported = checked.quantities.len() - needed.len();
    let of =
        |share: f64| needed.get(((needed.len() as f64 * share).ceil() as usize).max(1) - 1).map(|(needed, _)| *needed);
    let mut report = report(checked, shown)?;
    if let Some(table) = report.tables.first_mut() {
        table.title = supported(of(0.9).zip(of(1.0)), needed.len(), checked.quantities.len());
        let run = |(of, reasons): (&ProfileFacts, &[String])| {
            let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            format!("{} measurement: grade {}{why}", of.profile, standing(of))
        };
        table.lead = [&checked.baseline, &checked.new].into_iter().zip(reasons).map(run).collect();
        let worst: Vec<String> =
            needed.iter().rev().take(5).map(|(need, name)| format!("{name} {} %", up(*need))).collect();
        let noisiest = format!("the tolerance that the noisiest need: {}", worst.join(", "));
        table.notes = worst.first().map(|_| noisiest).into_iter().collect();
        // What both have within intervals needs a tolerance, and no doubt beside it.
        table.notes.extend(doubts(checked, |one| one.tolerance_needed.is_none()));
        if unsupported > 0 {
            let more = "a gate cannot tell of what was measured with doubt: `roofprobe doctor` says what stands in the way here, \
                        and --effort standard takes more samples";
            table.notes.push(more.to_owned());
        }
    }
    if let Some(object) = report.json.as_object_mut() {
        let supported = serde_json::json!({ "nine_of_ten": of(0.9), "all": of(1.0), "unsupported": unsupported });
        object.insert("tolerance_supported".to_owned(), supported);
    }
    Ok(report)
}

/// What is supported, in one sentence: by nine of ten quantities of those that support any, and by all of those.
fn supported(tolerances: Option<(f64, f64)>, any: usize, all: usize) -> String {
    let Some((most, every)) = tolerances else {
        return format!(
            "This machine supports no tolerance as it is now: of {all} quantities none was measured twice without a doubt."
        );
    };
    let of = match all {
        1 => "its only quantity".to_owned(),
        _ if any == all => format!("all {all} quantities"),
        _ => format!("{any} of {all} quantities"),
    };
    let nine = if up(most) < up(every) {
        format!(", and one of {} % for nine of ten of those", up(most))
    } else {
        String::new()
    };
    let rest = match all - any {
        0 => String::new(),
        1 => "; the other one supports none".to_owned(),
        others => format!("; the other {others} support none"),
    };
    format!("This machine supports a tolerance of {} % for {of}{nine}{rest}.", up(every))
}

/// In percent, rounded up: what is promised must hold.
fn up(tolerance: f64) -> f64 {
    (tolerance * 100.0).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_supported_is_one_sentence() {
        assert_eq!(
            supported(Some((0.031, 0.031)), 44, 44),
            "This machine supports a tolerance of 4 % for all 44 quantities."
        );
        assert_eq!(
            supported(Some((0.031, 0.42)), 40, 44),
            "This machine supports a tolerance of 42 % for 40 of 44 quantities, and one of 4 % for nine of ten of those; \
             the other 4 support none."
        );
        assert!(supported(None, 0, 44).starts_with("This machine supports no tolerance as it is now: of 44 "));
    }
}
