//! `roofprobe compare --fleet`: the profiles of thousands of machines at once.

use super::say;
use crate::error::{Error, Result};
use crate::file::{self, Draft, Durability};
use crate::fleet::{Node, fleet};
use crate::report::{self, Format, Shown, fleet_rows};
use globset::Glob;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Compares the machines whose profiles `places` name: folders, which mean every `.toml` below them, or globs.
pub(super) fn run(places: &[String], rows: Option<&str>, shown: Shown, format: Format) -> Result<()> {
    let mut paths = Vec::new();
    for place in places {
        paths.extend(files(place)?);
    }
    paths.sort();
    paths.dedup();
    let read = |buffer: &mut Vec<u8>, path: &PathBuf| -> Result<Node> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Node::read(&name, file::read_text_into(path, buffer)?).map_err(|e| e.within(path.display()))
    };
    let read: Vec<Result<Node>> = paths.par_iter().map_init(Vec::new, read).collect();
    let (nodes, failed): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
    if let Some(Err(first)) = failed.first() {
        let others = failed.len() - 1;
        say(&format!(
            "left out: {first}{}",
            if others > 0 { format!(", and {others} more files") } else { String::new() }
        ));
    }
    let nodes: Vec<Node> = nodes.into_iter().filter_map(Result::ok).collect();
    if nodes.is_empty() {
        return Err(Error::misuse(format!("--fleet {}: no profile is there", places.join(" "))));
    }
    if let Some(rows) = rows {
        write_rows(&nodes, rows)?;
    }
    super::print_report(&report::fleet::report(&fleet(&nodes), shown)?, format)
}

fn write_rows(nodes: &[Node], to: &str) -> Result<()> {
    let path = Path::new(to);
    let mut draft = Draft::begin(path)?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => draft = fleet_rows::parquet(nodes, draft)?,
        Some("csv") => fleet_rows::csv(nodes, &mut draft)?,
        _ => return Err(Error::misuse(format!("--rows {to}: must end in .parquet or .csv"))),
    }
    draft.keep(Durability::Synced)
}

/// The files that a place means.
fn files(place: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(place);
    let mut found = Vec::new();
    if path.is_dir() {
        walk(path, &mut found);
        found.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        return Ok(found);
    }
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let glob = Glob::new(place).map_err(|e| Error::misuse(format!("--fleet {place}: not a glob: {}", e.kind())))?;
    let is_plain = |part: &Path| !part.to_string_lossy().contains(['*', '?', '[', '{']);
    let begin = path.ancestors().skip(1).find(|part| is_plain(part)).unwrap_or(Path::new(""));
    walk(if begin.as_os_str().is_empty() { Path::new(".") } else { begin }, &mut found);
    let matcher = glob.compile_matcher();
    found.retain(|file| matcher.is_match(file.strip_prefix("./").unwrap_or(file)));
    Ok(found)
}

/// Every file below a folder; links to folders are not followed.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), found),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
}
