//! Answers come first and fit a terminal: what is printed without further options is short, narrow, and says how far to trust
//! it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::evaluate::{Evaluation, Query, evaluate};
use roofprobe::model::{Workload, find};
use roofprobe::profile::{Grade, Profile, Status, parse};
use roofprobe::report::{Format, Report, Shown, Style, evaluation, first_minute, profile};
use roofprobe::store::SHIPPED;

/// Every shipped profile and every one of the tests, by name.
fn profiles() -> Vec<(String, Profile)> {
    let shipped = SHIPPED.iter().map(|one| (one.name.to_owned(), one.profile().unwrap()));
    let data = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).unwrap();
    let paths = data.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let tests = paths.map(|path| {
        let profile = parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), profile)
    });
    shipped.chain(tests).collect()
}

fn answered(model: &str, profile: &Profile, name: &str) -> Option<Evaluation> {
    let workload = Workload { weights: Some("q8_0".parse().unwrap()), generate: Some(128), ..Workload::default() };
    let query = Query { advise: true, ..workload.into() };
    evaluate(&find(model).unwrap(), &query, profile, name).ok()
}

/// Text of at most so many lines, none beyond the width.
fn within(report: &Report, lines: usize, width: usize) -> String {
    let style = Style { width, colour: false };
    let text = report.render(Format::default().styled(style)).unwrap();
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(widest <= width, "{widest} columns:\n{text}");
    let count = text.lines().count();
    assert!(count <= lines, "{count} lines:\n{text}");
    text
}

#[test]
fn the_first_minute_fits_a_screen() {
    for (name, profile) in profiles() {
        let evaluation = answered("qwen2.5-0.5b", &profile, "this machine");
        let evaluated = evaluation.is_some();
        let report = first_minute::report(&profile, evaluation, "kept.toml").unwrap();
        let text = within(&report, 40, 110);
        assert!(text.contains("Grade") || text.contains("No grade") || text.contains("Quoted"), "{name}:\n{text}");
        assert!(text.contains("Next") && (!evaluated || text.contains("decode")), "{name}:\n{text}");
    }
}

/// A profile measured beside busy neighbours: nearly all is suspect, each ceiling with numbers of its own.
fn doubtful() -> Profile {
    let mut profile = SHIPPED.iter().find(|one| one.name == "amd-epyc-zen4-2c").unwrap().profile().unwrap();
    for (at, ceiling) in profile.ceiling.iter_mut().filter(|ceiling| ceiling.status == Status::Measured).enumerate() {
        ceiling.status = Status::Suspect;
        ceiling.reason = Some(format!("not settled: the interval is {at} % of the value, and 10 % is the limit"));
    }
    let environment = profile.environment.as_mut().unwrap();
    environment.grade = Some(Grade::F);
    environment.grade_reasons.push("−2: the reference chain's rate drifted by 36 %; 1 % is the limit".to_owned());
    environment.grade_reasons.push("−1: two threads together reached 0.3 × one alone, of two cores".to_owned());
    profile
}

#[test]
fn doubts_of_one_cause_are_one_line() {
    let profile = doubtful();
    let answer = answered("qwen2.5-0.5b", &profile, "doubtful");
    let first = within(&first_minute::report(&profile, answer.clone(), "kept.toml").unwrap(), 40, 110);
    let summary = within(&profile::report(&profile, Shown::Main).unwrap(), 40, 110);
    let one = within(&evaluation::report(&[answer.unwrap()], Shown::Main).unwrap(), 25, 110);
    assert!(first.contains("do not rely on these numbers") && summary.contains("; worst "), "{first}\n{summary}");
    for text in [first, summary, one] {
        assert_eq!(text.matches("not settled").count(), if text.contains("Next") { 2 } else { 1 }, "{text}");
    }
}

#[test]
fn a_summary_of_a_profile_fits_a_screen() {
    for (_, profile) in profiles() {
        within(&profile::report(&profile, Shown::Main).unwrap(), 40, 110);
        within(&profile::report(&profile, Shown::Main).unwrap(), 60, 80);
    }
}

#[test]
fn an_answer_is_short() {
    for (name, profile) in profiles() {
        let Some(answer) = answered("llama-3.2-1b", &profile, &name) else { continue };
        let text = within(&evaluation::report(std::slice::from_ref(&answer), Shown::Main).unwrap(), 25, 110);
        assert_eq!(answer.quoted, text.contains('≤') && text.contains("quoted"), "{text}");
        assert!(!answer.quoted || !text.contains(" low "), "{text}");
        let more = within(&evaluation::report(&[answer], Shown::All).unwrap(), 200, 110);
        let words = more.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in ["Φ", "headroom", "reach", "area"] {
            assert!(!text.contains(&format!("{word}: ")) && words.contains(&format!("{word}: ")), "{word}:\n{more}");
        }
    }
}

/// Each profile has its name in the tables, and its notes beside it.
#[test]
fn several_answers_are_one_table() {
    let profiles = profiles();
    let answers: Vec<Evaluation> = ["qwen2.5-0.5b", "llama-3.2-1b"]
        .iter()
        .flat_map(|model| profiles.iter().filter_map(move |(name, profile)| answered(model, profile, name)))
        .collect();
    let report = evaluation::report(&answers, Shown::Main).unwrap();
    assert_eq!(report.tables.len(), 1);
    let text = within(&report, 200, 110);
    for answer in &answers {
        let line = |line: &&str| line.contains(&answer.model) && line.contains(&format!(" {} ", answer.on.profile));
        let row = text.lines().find(line).unwrap_or_else(|| panic!("{}: {text}", answer.on.profile));
        assert_eq!(row.contains('≤'), answer.quoted, "{row}");
    }
}
