//! The source as the rules see it: files, lines without comments and tests, functions with their lengths.

use std::path::{Path, PathBuf};

/// One file of the source.
pub(crate) struct Source {
    /// From the project's root, with forward slashes: `src/probe/gates.rs`.
    pub(crate) name: String,
    /// Every line.
    pub(crate) text: String,
}

impl Source {
    /// The lines that are code: comments are empty lines, and the file's own tests, which stand last, are left out.
    pub(crate) fn code(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let module = |line: &&str| line.trim_start().starts_with("mod ") || line.contains(" mod ");
        let tests = |at: usize| {
            let marked = lines[at].starts_with("#[cfg(test)]") || lines[at].starts_with("#[cfg(all(test");
            marked && lines[at + 1..].iter().find(|line| !line.starts_with("#[")).is_some_and(module)
        };
        let end = (0..lines.len()).find(|&at| tests(at)).unwrap_or(lines.len());
        let comment = |line: &str| line.trim_start().starts_with("//");
        lines[..end].iter().map(|line| if comment(line) { "" } else { *line }).collect()
    }

    /// Functions outside the file's own tests: name, first line, number of lines. The formatter guarantees that a function
    /// ends with a brace at the indentation of its first line.
    pub(crate) fn functions(&self) -> Vec<(String, usize, usize)> {
        let lines = self.code();
        let mut functions = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            let closes = |l: &&&str| l.trim_end() == format!("{}}}", " ".repeat(indent));
            let body = lines[at..].iter().position(|l| l.trim_end().ends_with(['{', ';', '}']));
            let opens = body.is_some_and(|body| lines[at + body].trim_end().ends_with('{'));
            if let Some(length) = lines[at..].iter().position(|l| closes(&l)).filter(|_| opens) {
                functions.push((name.to_owned(), at + 1, length + 1));
            }
        }
        functions
    }
}

/// The name of the function that begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    loop {
        if let Some(name) = rest.strip_prefix("fn ") {
            return Some(&name[..name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len())]);
        }
        let (word, behind) = rest.split_once(' ')?;
        let modifier = ["const", "unsafe", "async", "extern", "\"C\""].contains(&word) || word.starts_with("pub");
        if !modifier {
            return None;
        }
        rest = behind;
    }
}

/// The root of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, in the order of the names. Folders and files called `tests` are left out.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let paths = files(&root().join(folder));
    let name = |path: &Path| {
        let inside = path.strip_prefix(root()).unwrap();
        inside.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("/")
    };
    let read = |path: PathBuf| Source { name: name(&path), text: std::fs::read_to_string(&path).unwrap() };
    let all = paths.into_iter().map(read);
    all.filter(|s| folder == "tests" || !s.name.contains("/tests/") && !s.name.ends_with("/tests.rs")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files_found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files_found.push(path);
        }
    }
    files_found.sort();
    files_found
}
