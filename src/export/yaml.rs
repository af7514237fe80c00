//! YAML of keys and values, as readers of YAML 1.1 and 1.2 alike take it: strings always in double quotes, escaped as JSON does; numbers without a bare exponent,
//! which PyYAML would take for a word.

use serde_json::Value;

/// The text of a document.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (place, (key, value)) in fields.iter().enumerate() {
                // The first key of a list's item stands behind its dash.
                if place > 0 || !out.ends_with("- ") {
                    out.push_str(&"  ".repeat(depth));
                }
                out.push_str(&self::key(key));
                out.push(':');
                below(value, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&"  ".repeat(depth));
                out.push_str("- ");
                if is_block(item) {
                    write(item, depth + 1, out);
                } else {
                    out.push_str(&scalar(item));
                    out.push('\n');
                }
            }
        }
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
}

fn below(value: &Value, depth: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        write(value, depth + 1, out);
    } else {
        out.push(' ');
        out.push_str(&scalar(value));
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        _ => false,
    }
}

/// A word of letters, digits and `_` is a key as it is, unless YAML 1.1 takes it for something else; `key` itself cannot.
fn key(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    const OTHERS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if plain && !OTHERS.contains(&key) { key.to_owned() } else { Value::from(key).to_string() }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => decimal(float),
            _ => number.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        // JSON escapes what YAML must not have as it is, but for the marks that turn the direction of text and a few that break lines.
        Value::String(text) => {
            let escaped = |c: char| match c {
                c if crate::error::obeyed(c) && !c.is_ascii() || ['\u{2028}', '\u{2029}', '\u{feff}'].contains(&c) => {
                    format!("\\u{:04x}", c as u32)
                }
                '\u{7f}' => "\\u007f".to_owned(),
                c => c.to_string(),
            };
            Value::from(text.as_str()).to_string().chars().map(escaped).collect()
        }
        other => other.to_string(),
    }
}

/// A number without an exponent, and with a point.
fn decimal(number: f64) -> String {
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}
