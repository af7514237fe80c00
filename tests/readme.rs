//! README.md shows what its commands write, where they need nothing but what is shipped.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod quoted;

use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../README.md");

/// Each command that is followed by its output: the words behind `roofprobe`, and the lines.
fn shown() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let mut blocks = README.split("```");
    let mut shown = Vec::new();
    let mut before = "";
    // Every second part is the inside of a fence.
    while let (Some(_), Some(inside)) = (blocks.next(), blocks.next()) {
        if let (Some(command), Some(text)) = (before.strip_prefix("\nroofprobe "), inside.strip_prefix("text\n")) {
            let words = command.split_whitespace().filter(|word| *word != "\\").map(|word| word.trim_matches('\''));
            shown.push((words.collect(), text.trim_end().lines().collect()));
        }
        before = inside;
    }
    shown
}

#[test]
fn outputs_are_what_their_commands_write() {
    let shown = shown();
    let verbs: Vec<&str> = shown.iter().map(|(words, _)| words[0]).collect();
    assert_eq!(verbs, ["measure", "evaluate", "sweep", "compare"]);
    // The first is a list of verbs with their help below.
    for (words, lines) in shown.into_iter().skip(1) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(env!("CARGO_BIN_EXE_roofprobe")).args(&words).current_dir(root).output().unwrap();
        let written = String::from_utf8(output.stdout).unwrap();
        if let Err(why) = quoted::stands_in(&lines, &written) {
            panic!("{}: {why}\n{written}", words.join(" "));
        }
    }
}

#[test]
fn formulas_are_those_of_the_command_above_them() {
    let lines: Vec<&str> =
        README.split("```text\n").find(|text| text.starts_with("ffn_gate")).unwrap().lines().collect();
    let end = lines.iter().position(|line| *line == "```").unwrap();
    let arguments = ["evaluate", "llama-3.2-1b", "-p", "amd-epyc-zen4-2c", "--weights", "q4_k_m", "--explain"];
    let output = Command::new(env!("CARGO_BIN_EXE_roofprobe")).args(arguments).output().unwrap();
    let somewhere = [&["…"], &lines[..end], &["…"]].concat();
    quoted::stands_in(&somewhere, &String::from_utf8(output.stdout).unwrap()).unwrap();
}
