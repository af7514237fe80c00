//! Recorded trees of `/sys/devices`, for tests.

use super::ranges;
use super::sysfs::Sysfs;
use std::path::PathBuf;

/// A recorded tree, laid out in a folder that ends with this.
pub(super) struct Recorded {
    pub(super) sysfs: Sysfs,
    _folder: tempfile::TempDir,
}

/// Lines of a path and its text. `cpu[a-b]` stands for every CPU between, and `{…}` in the text for what is made of its number, from
/// left to right: `{n}`, `{n+16}`, `{n/2*2+1}`. `node…` lies with the nodes, `cpu_…` beside `system`.
pub(super) fn recorded(text: &str) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let system = folder.path().join("system");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (path, text) = line.split_once(' ').unwrap();
        let Some((before, rest)) = path.split_once('[') else {
            let place = if path.starts_with("cpu_") { folder.path().to_owned() } else { system.join("node") };
            write(place.join(path), text);
            continue;
        };
        let (range, after) = rest.split_once(']').unwrap();
        for n in ranges(range).flatten() {
            write(system.join("cpu").join(format!("{before}{n}{after}")), &made_of(text, n));
        }
    }
    Recorded { sysfs: Sysfs { root: system }, _folder: folder }
}

/// `text` with its braces filled in.
fn made_of(text: &str, n: u32) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let (sum, after) = rest.split_once('}').unwrap();
    let mut terms = sum.strip_prefix('n').unwrap();
    let mut value = n;
    while let Some(operator) = terms.chars().next() {
        let digits = &terms[1..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let term: u32 = digits[..end].parse().unwrap();
        value = match operator {
            '+' => value + term,
            '-' => value - term,
            '*' => value * term,
            '/' => value / term,
            _ => unreachable!("{sum}"),
        };
        terms = &digits[end..];
    }
    format!("{before}{value}{}", made_of(after, n))
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{text}\n")).unwrap();
}
