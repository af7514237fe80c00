//! Suggestions for a name that stands for nothing.

/// At most so many are named.
const MOST: usize = 5;
/// Names less alike than this are not meant. 1 is the same.
const ALIKE: f64 = 0.75;

/// Where families are shown.
pub(super) const FAMILIES: &str = "`roofprobe models` shows the families that are";

/// The question whether one of the nearest of `names` was meant; without any, the `other` remedy.
pub(super) fn remedy<'a>(asked: &str, names: impl Iterator<Item = &'a str>, other: &str) -> String {
    match nearest(asked, names).as_slice() {
        [] => other.to_owned(),
        nearest => format!("did you mean: {}?", nearest.join(", ")),
    }
}

/// The `names` nearest to `asked`, the nearest first, at most five: those that begin with it, then those that are
/// spelled alike.
fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let asked = plain(asked);
    let score = |name: &&str| {
        let name = plain(name);
        let begins = !asked.is_empty() && name.starts_with(&asked);
        if begins { 2.0 - name.len() as f64 / 1e3 } else { strsim::jaro_winkler(&asked, &name) }
    };
    let mut scored: Vec<(f64, &str)> =
        names.map(|name| (score(&name), name)).filter(|(score, _)| *score >= ALIKE).collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    // Families of GGUF files share names.
    scored.dedup();
    scored.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// A name in lower case, with one sign for all that stands between words.
pub(super) fn plain(name: &str) -> String {
    name.trim().chars().map(|c| if matches!(c, '_' | '.' | ' ') { '-' } else { c.to_ascii_lowercase() }).collect()
}
