//! Which file imports which: every path in the code is followed to the file that defines what it names.
//!
//! A file imports another one when its code names something that the other one defines, by `use` or by a path. A re-export
//! (`pub use`) is no import: whoever names what is re-exported imports the file that defines it. Nor is what a folder's head
//! (`mod.rs`) names of the files below it: a head puts its files together, and holds the words that they share.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// A module path from the crate's root: `["probe", "gates"]`.
type Path = Vec<String>;

/// The files of one crate by their module paths.
pub(crate) struct Crate {
    files: BTreeMap<Path, File>,
}

struct File {
    name: String,
    /// Paths named in the code, from the crate's root. The last word of each may be an item.
    names: BTreeSet<Path>,
    /// What `pub use` hands on: the name, and the path it stands for.
    reexports: Vec<(String, Path)>,
}

impl Crate {
    /// The crate of the sources below `folder`, such as `src/`.
    pub(crate) fn new(folder: &str, sources: &[Source]) -> Crate {
        let modules: BTreeSet<Path> = sources.iter().map(|source| module(folder, &source.name)).collect();
        let file = |source: &Source| {
            let here = module(folder, &source.name);
            let (names, reexports) = paths(&source.code().join("\n"), &here, &modules);
            (here, File { name: source.name.clone(), names, reexports })
        };
        Crate { files: sources.iter().map(file).collect() }
    }

    /// The file that defines what `path` names; none for what is no module of this crate.
    fn home(&self, path: &[String], depth: usize) -> Option<&Path> {
        let length = (0..=path.len()).rev().find(|&n| self.files.contains_key(&path[..n]))?;
        let (here, file) = self.files.get_key_value(&path[..length])?;
        let Some(item) = path.get(length) else { return Some(here) };
        let handed_on = file.reexports.iter().find(|(name, _)| name == item || name == "*");
        match handed_on {
            Some((name, target)) if depth < 8 => {
                let full = if name == "*" { [target.as_slice(), &path[length..]].concat() } else { target.clone() };
                self.home(&full, depth + 1).or(Some(here))
            }
            _ => Some(here),
        }
    }

    /// The names of the files that each file imports.
    pub(crate) fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let of = |(here, file): (&Path, &'_ File)| {
            let homes = file.names.iter().filter_map(|path| self.home(path, 0));
            // The head of a folder puts its files together: that is no import.
            let others = homes.filter(|home| !home.starts_with(here)).map(|home| self.files[home].name.as_str());
            others.collect::<BTreeSet<&str>>()
        };
        self.files.iter().map(|(here, file)| (file.name.as_str(), of((here, file)))).collect()
    }

    /// Files that import each other in a loop: each loop once, as the shortest one through its first file.
    pub(crate) fn circles(&self) -> Vec<Vec<&str>> {
        let imports = self.imports();
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for start in imports.keys() {
            if circles.iter().flatten().any(|known| known == start) {
                continue;
            }
            circles.extend(shortest_loop(start, &imports));
        }
        circles
    }
}

/// The shortest way from a file over its imports back to itself.
fn shortest_loop<'a>(start: &'a str, imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in imports.get(way.last()?)? {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back([way.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

/// `src/probe/gates.rs` → `["probe", "gates"]`; `mod.rs`, `lib.rs` and `main.rs` are their folder.
fn module(folder: &str, name: &str) -> Path {
    let inside = name.strip_prefix(folder).unwrap().trim_end_matches(".rs");
    let mut words: Path = inside.split('/').map(str::to_owned).collect();
    if words.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
        words.pop();
    }
    words
}

/// Every path that the code names, and what it re-exports. `modules` are those of the crate: a path may begin with a
/// child of the module it stands in.
fn paths(code: &str, here: &[String], modules: &BTreeSet<Path>) -> (BTreeSet<Path>, Vec<(String, Path)>) {
    let (mut names, mut reexports) = (BTreeSet::new(), Vec::new());
    let mut rest = String::new();
    let mut statements = code.split_inclusive(';');
    for statement in &mut statements {
        // A statement is what stands behind the last line that ends in a brace, an attribute or a semicolon.
        let start = statement.rfind("use ").filter(|&at| begins_a_use(&statement[..at]));
        let Some(start) = start else {
            rest.push_str(statement);
            continue;
        };
        rest.push_str(&statement[..start]);
        let public = statement[..start].lines().last().is_some_and(|line| line.trim_start().starts_with("pub"));
        for (path, name) in tree(statement[start + 4..].trim_end_matches(';')) {
            let Some(full) = from_root(&path, here, modules) else { continue };
            if public {
                reexports.push((name, full));
            } else {
                names.insert(full);
            }
        }
    }
    names.extend(words_with_colons(&rest).iter().filter_map(|path| from_root(path, here, modules)));
    (names, reexports)
}

/// Whether a `use` behind this text is a statement: nothing but `pub` or `pub(…)` stands before it on its line.
fn begins_a_use(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default().trim();
    line.is_empty() || line == "pub" || line.starts_with("pub(") && line.ends_with(')')
}

/// `a::{b, c::{self, d as e}}` as paths, each with the name that it gets.
fn tree(text: &str) -> Vec<(Path, String)> {
    let text = text.trim();
    if let Some(open) = text.find('{') {
        let prefix: Path = words(&text[..open]);
        let inner = &text[open + 1..text.rfind('}').unwrap_or(text.len())];
        let parts = split_outside_braces(inner);
        let below = parts.into_iter().flat_map(tree);
        return below.map(|(path, name)| ([prefix.clone(), path].concat(), name)).collect();
    }
    let (path, alias) = text.split_once(" as ").unwrap_or((text, ""));
    let mut path = words(path);
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = if alias.is_empty() { path.last().cloned().unwrap_or_default() } else { alias.trim().to_owned() };
    if name == "*" {
        path.pop();
    }
    if text.is_empty() { Vec::new() } else { vec![(path, name)] }
}

fn words(path: &str) -> Path {
    path.split("::").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

fn split_outside_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `crate::a::B`, `super::C::new` and the like, wherever they stand in code.
fn words_with_colons(code: &str) -> Vec<Path> {
    let part_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let candidates = code.split(|c: char| !part_of_path(c)).filter(|word| word.contains("::"));
    candidates.map(words).filter(|path| path.len() > 1).collect()
}

/// A path as it stands in the module `here`, from the crate's root; none where it begins with another crate or a type.
fn from_root(path: &[String], here: &[String], modules: &BTreeSet<Path>) -> Option<Path> {
    let first = path.first()?.as_str();
    match first {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([here, &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|word| *word == "super").count();
            Some([&here[..here.len().checked_sub(ups)?], &path[ups..]].concat())
        }
        _ => {
            let child = [here, &path[..1]].concat();
            modules.contains(&child).then(|| [here, path].concat())
        }
    }
}
