//! What the documents say holds: their commands write what is quoted, their links lead to files, and the guide has every
//! command with the program's own help.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod console;
mod quoted;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The README must be read in a few minutes.
const README_LINES_MAX: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and every page of docs, by path.
fn documents() -> Vec<(PathBuf, String)> {
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = pages.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    paths.push(root().join("README.md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// What the program writes in the project's folder, with no profiles but those that are shipped, and to no terminal. The
/// page about the paper needs all columns of its tables.
fn output(page: &Path, words: &[String]) -> String {
    let columns = page.ends_with("docs/paper.md").then_some(("COLUMNS", "400"));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documents");
    let output = Command::new(env!("CARGO_BIN_EXE_roofprobe"))
        .args(words)
        .current_dir(root())
        .env("ROOFPROBE_DIR", kept)
        .env_remove("COLUMNS")
        .env_remove("CLICOLOR_FORCE")
        .envs(columns)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_quoted_output_is_what_its_command_writes() {
    let mut wrong = String::new();
    for (path, text) in documents() {
        for (words, lines) in console::commands(&text) {
            let command = words.join(" ");
            let page = path.strip_prefix(root()).unwrap().display();
            assert!(lines.iter().any(|line| *line != "…"), "{page}: {command}: nothing is quoted");
            if let Err(why) = quoted::stands_in(&lines, &output(&path, &words)) {
                wrong += &format!("{page}: {command}: {why}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_pages_quote_their_commands() {
    for (page, least) in [("README.md", 5), ("docs/guide.md", 6), ("docs/paper.md", 16)] {
        let commands = console::commands(&read(page)).len();
        assert!(commands >= least, "{page}: {commands} commands are quoted");
    }
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines; docs/guide.md has room");
}

#[test]
fn the_guide_has_every_command() {
    let (guide, help) = (read("docs/guide.md"), output(Path::new("docs/guide.md"), &["--help".to_owned()]));
    // The program's own name has an ending on Windows.
    let help = help.replace("roofprobe.exe", "roofprobe");
    assert!(
        guide.contains(&format!("```text\n{}\n```", help.trim())),
        "docs/guide.md does not have the help text:\n{help}"
    );
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Further lines of a command's description are farther to the right.
    let verbs = listed.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    for verb in verbs.map(|line| line.split_whitespace().next().unwrap()).filter(|verb| *verb != "help") {
        assert!(guide.contains(&format!("\n## `{verb}`\n")), "docs/guide.md has no section for {verb}");
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: there is no {file}", path.display());
            if !section.is_empty() {
                let page = std::fs::read_to_string(&target).unwrap();
                assert!(sections(&page).any(|known| known == section), "{}: no section {link}", path.display());
            }
        }
    }
}

/// The names of a page's sections in links: lower case, spaces as hyphens, no punctuation.
fn sections(page: &str) -> impl Iterator<Item = String> {
    let heads = page.lines().filter(|line| line.starts_with('#'));
    heads.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
    })
}

#[test]
fn quotations_are_held_to_the_line() {
    let written = "a\nb\nc\nd\n";
    for quoted in [&["a", "b", "c", "d"][..], &["…", "b", "…"], &["a", "…", "d"], &["…", "d"]] {
        assert_eq!(quoted::stands_in(quoted, written), Ok(()), "{quoted:?}");
    }
    for quoted in [&["b", "…"][..], &["a", "c", "…"], &["…", "e", "…"], &["…", "c"], &["…", "c", "b", "…"]]
    {
        assert!(quoted::stands_in(quoted, written).is_err(), "{quoted:?}");
    }
}

#[test]
fn commands_are_read_from_their_blocks() {
    let page = "```console\n$ roofprobe show a \\\n  --only 'b.*'\none\ntwo\n$ ls\nc\n```\n\n```console\n$ roofprobe models\n…\nx\n```\n";
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let expected = [(words(&["show", "a", "--only", "b.*"]), vec!["one", "two"]), (words(&["models"]), vec!["…", "x"])];
    assert_eq!(console::commands(page), expected);
}
