//! Output that a document quotes, held against what is written.

/// Whether the quoted lines stand in `written` in their order, next to each other but for `…`; the last line stands last.
pub(crate) fn stands_in(quoted: &[&str], written: &str) -> Result<(), String> {
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
