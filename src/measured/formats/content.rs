//! What a file holds, looked at in every way that engines write.

use super::record::{Record, of_csv, of_json, of_json_lines};
use crate::error::{Error, Result, shown};
use crate::json;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Objects that begin among other lines and do not end: then it is no JSON that stands there.
const BROKEN_MAX: usize = 16;

/// A file, read in every way that it can be.
pub(super) struct Content<'t> {
    /// Its lines, without colours.
    pub(super) lines: Vec<Cow<'t, str>>,
    /// JSON objects: all that there is, or those that stand among other lines.
    pub(super) objects: Vec<Record>,
    /// Rows of tables whose cells stand between bars.
    pub(super) rows: Vec<Record>,
    /// Rows of values between commas, or why it has none.
    pub(super) csv: Result<Vec<Record>>,
}

impl<'t> Content<'t> {
    /// Looks at `text`.
    ///
    /// # Errors
    /// Misuse for a file that begins as JSON and is none.
    pub(super) fn of(text: &'t str) -> Result<Content<'t>> {
        let empty = Content { lines: Vec::new(), objects: Vec::new(), rows: Vec::new(), csv: Ok(Vec::new()) };
        match text.trim_start().chars().next() {
            Some('[') => Ok(Content { objects: of_json(text)?, ..empty }),
            Some('{') => Ok(Content { objects: of_json_lines(text).or_else(|e| among_lines(text, e))?, ..empty }),
            _ => {
                let lines: Vec<Cow<'t, str>> = text.lines().map(without_colours).collect();
                // A log is no table: its first line would be the header.
                let first = lines.iter().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
                let csv = if first.is_some_and(|line| line.contains(',')) { of_csv(text) } else { Ok(Vec::new()) };
                Ok(Content { objects: embedded(text)?, rows: rows(&lines), csv, lines })
            }
        }
    }

    /// Whether a JSON object has all these keys.
    pub(super) fn has_object(&self, keys: &[&str]) -> bool {
        self.objects.iter().any(|object| keys.iter().all(|key| object.has(key)))
    }

    /// Whether a row between bars has all these columns.
    pub(super) fn has_row(&self, keys: &[&str]) -> bool {
        self.rows.iter().any(|row| keys.iter().all(|key| row.has(key)))
    }

    /// Whether the values between commas have all these columns.
    pub(super) fn has_columns(&self, keys: &[&str]) -> bool {
        self.csv.as_ref().is_ok_and(|rows| {
            // A cell may be empty; a column of none is still there where another row has it.
            keys.iter().all(|key| rows.iter().any(|row| row.has(key)))
        })
    }

    /// Whether a line has this in it.
    pub(super) fn has_line(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }

    /// The lines, each with its place.
    pub(super) fn places(&self) -> impl Iterator<Item = (String, &str)> {
        self.lines.iter().enumerate().map(|(at, line)| (format!("line {}", at + 1), &**line))
    }
}

/// What could be read of lines of JSON with other lines among them; with none, the error stands.
fn among_lines(text: &str, error: Error) -> Result<Vec<Record>> {
    // A file of JSON alone that breaks off is not taken for what is left of it: other lines are words.
    let word = |line: &str| {
        line.starts_with(char::is_alphabetic) && !["true", "false", "null"].iter().any(|json| line.starts_with(json))
    };
    let others = text.lines().any(|line| word(line.trim_start()));
    let objects = if others { embedded(text)? } else { Vec::new() };
    if objects.is_empty() { Err(error) } else { Ok(objects) }
}

/// The objects that begin a line, among lines of another kind.
///
/// # Errors
/// Misuse for a line that is an object from end to end, but for something in it that cannot be.
fn embedded(text: &str) -> Result<Vec<Record>> {
    let (mut objects, mut broken, mut from, mut number) = (Vec::new(), 0, 0, 0);
    while from < text.len() && broken < BROKEN_MAX {
        number += 1;
        let end = text[from..].find('\n').map_or(text.len(), |far| from + far + 1);
        if text[from..].starts_with('{') {
            match json::first(&text[from..]) {
                Ok((Value::Object(values), length)) => {
                    objects.push(Record { place: format!("line {number}"), values });
                    let read = from + length;
                    let next = text[read..].find('\n').map_or(text.len(), |far| read + far + 1);
                    number += text[from..next].matches('\n').count().saturating_sub(1);
                    from = next;
                    continue;
                }
                Err(e) if text[from..end].starts_with("{\"") && text[from..end].trim_end().ends_with('}') => {
                    return Err(Error::misuse(format!("line {number}: no record: {e}")));
                }
                _ => broken += 1,
            }
        }
        from = end;
    }
    Ok(objects)
}

/// A line without the sequences that colour it.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        // The parameters end with a letter.
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).map_or(sequence.len(), |at| at + 1);
        rest = &sequence[end..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The bars of tables: `|`, and those that draw boxes.
const BARS: [char; 4] = ['|', '│', '┆', '║'];

/// Rows of tables between bars, each under its header: the row above a ruler, or the first row of a box.
fn rows(lines: &[Cow<'_, str>]) -> Vec<Record> {
    let (mut rows, mut header): (Vec<Record>, Vec<String>) = (Vec::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let Some(cells) = cells(line) else {
            // A box has rulers of its own between its rows; anything else ends a table.
            if !line.trim_start().starts_with(['+', '├', '╞', '┌', '└']) {
                header.clear();
            }
            continue;
        };
        if is_ruler(&cells) {
            continue;
        }
        let next = lines.get(at + 1).map(|line| line.trim()).unwrap_or_default();
        let heads = self::cells(next).is_some_and(|cells| is_ruler(&cells)) || next.starts_with('╞');
        if header.is_empty() || heads {
            header = cells.iter().map(|cell| shown(cell)).collect();
            continue;
        }
        let named = header.iter().zip(&cells).filter(|(_, cell)| !cell.is_empty());
        let values: Map<String, Value> =
            named.map(|(key, cell)| (key.clone(), Value::String((*cell).to_owned()))).collect();
        rows.push(Record { place: format!("line {}", at + 1), values });
    }
    rows
}

/// The cells of a row that begins and ends with a bar.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix(BARS)?.strip_suffix(BARS)?;
    Some(inner.split(BARS).map(str::trim).collect())
}

fn is_ruler(cells: &[&str]) -> bool {
    cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':')))
}
