//! docs/PAPER.md tells the truth: each of its console blocks is a command, and lines of what that command writes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../docs/PAPER.md");

/// The words behind `$ roofprobe`, and the lines quoted.
fn blocks() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let blocks = PAGE.split("```console\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    blocks
        .map(|block| {
            let (command, quoted) = block.split_once('\n').unwrap();
            let words = command.strip_prefix("$ roofprobe ").unwrap_or_else(|| panic!("{command}"));
            (words.split_whitespace().collect(), quoted.lines().collect())
        })
        .collect()
}

/// Whether the quoted lines stand in `written` in their order, next to each other but for `…`; the last line stands last.
fn is_quoted(quoted: &[&str], written: &str) -> Result<(), String> {
    let lines: Vec<&str> = written.lines().collect();
    let (mut at, mut gap) = (0, false);
    for line in quoted {
        if *line == "…" {
            gap = true;
            continue;
        }
        let skipped = lines[at..].iter().position(|written| written == line).ok_or(format!("is not there: {line}"))?;
        if skipped > 0 && !gap {
            return Err(format!("lines are missing before: {line}"));
        }
        (at, gap) = (at + skipped + 1, false);
    }
    if gap || at == lines.len() { Ok(()) } else { Err(format!("goes on: {}", lines[at])) }
}

#[test]
fn every_quoted_output_is_what_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let blocks = blocks();
    assert!(blocks.len() > 15, "{}", blocks.len());
    for (words, quoted) in blocks {
        let output = Command::new(env!("CARGO_BIN_EXE_roofprobe")).args(&words).current_dir(root).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let written = String::from_utf8(output.stdout).unwrap();
        assert!(quoted.iter().any(|line| *line != "…"), "{words:?}");
        if let Err(why) = is_quoted(&quoted, &written) {
            panic!("{}: {why}\n{written}", words.join(" "));
        }
    }
}

/// What the text says in its own words stands in a quoted block, too.
#[test]
fn numbers_in_the_text_are_quoted() {
    let quoted: String = blocks().into_iter().flat_map(|(_, lines)| lines).map(|line| format!("{line}\n")).collect();
    for (said, number) in [
        ("38.00, 37.05, 25.39, 20.48, 8.98", "8.982"),
        ("22.56 agrees", "22.56"),
        ("1.85, 30.6, 1.13 and 2.18", "30.60"),
        ("m₀ = 467 MB outside its layers and m = 93.6 MB in each", "654.0"),
        ("gains a factor of 1.80 in SISO and 1.60 in SILO", "90.00"),
        ("by up to 30 %", "29.58 %"),
    ] {
        assert!(PAGE.contains(said) && quoted.contains(number), "{said}");
    }
    // Two and three layers, 654.0 and 747.6 MB.
    let (of_two, each) = (654.0, 747.6 - 654.0);
    assert!(quoted.contains("747.6") && (of_two - 2.0 * each - 467.0_f64).abs() < 0.5);
}

#[test]
fn quotations_are_held_to_the_line() {
    let written = "a\nb\nc\nd\n";
    for quoted in [&["a", "b", "c", "d"][..], &["…", "b", "…"], &["a", "…", "d"], &["…", "d"]] {
        assert_eq!(is_quoted(quoted, written), Ok(()), "{quoted:?}");
    }
    for quoted in [&["b", "…"][..], &["a", "c", "…"], &["…", "e", "…"], &["…", "c"], &["…", "c", "b", "…"]]
    {
        assert!(is_quoted(quoted, written).is_err(), "{quoted:?}");
    }
}
