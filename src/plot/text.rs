//! Text before it is drawn: how wide it will be, what is cut off, what no file may carry, numbers for people.

/// The width of `text` in pixels at that font size: an upper estimate over the usual sans-serif fonts, whose digits and
/// letters differ by a tenth. Labels that keep apart by it keep apart on the screen.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// The advance of one character, in ems.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '·' => 0.34,
        'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | '/' | '-' | '"' => 0.42,
        'm' | 'M' | 'W' | '%' | '@' | '…' => 0.98,
        'w' => 0.82,
        'A'..='Z' | '_' | '<' | '>' | '=' | '+' | '&' | '~' => 0.76,
        c if c.is_ascii() => 0.64,
        '\u{a0}'..='\u{24f}' => 0.78,
        _ => 1.05,
    }
}

/// `text` cut to `room` pixels; an ellipsis says so.
pub(super) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = width("…", size);
    for c in text.chars() {
        used += advance(c) * size;
        if used > room {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

/// `text` without what XML cannot carry, and without marks that would turn the text around it: each becomes `�`; all
/// white space becomes one blank.
pub fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        c if c.is_whitespace() => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let harmless: String = text.chars().map(harmless).collect();
    harmless.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters of a name that is not ours, at most.
const NAME_MAX: usize = 160;

/// [`clean`], and cut where it is longer than any name has to be.
pub fn short(text: &str) -> String {
    let clean = clean(text);
    match clean.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", clean[..end].trim_end()),
        None => clean,
    }
}

/// `text` in lines of at most `room` pixels; a word that is longer is cut.
pub(super) fn wrapped(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= room => *line = format!("{line} {word}"),
            _ => lines.push(fit(word, size, room)),
        }
    }
    lines
}

/// Bytes in the largest binary unit that they reach.
pub(super) fn bytes(bytes: u64) -> String {
    let unit = [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter().find(|(shift, _)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(shift, unit)| {
            let value = format!("{:.1}", bytes as f64 / f64::from(1_u32 << shift));
            format!("{} {unit}", value.trim_end_matches(".0"))
        },
    )
}

/// A positive number in three significant digits; whole numbers keep all of theirs.
pub(super) fn digits(value: f64) -> String {
    if !(1e-3..1e7).contains(&value) {
        return format!("{value:.2e}");
    }
    // Of the rounded value, so that 9.996 is 10.0 and not 10.00.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let decimals = (2.0 - rounded.log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{value:.decimals$}")
}

/// A rate given in units of 10⁹, with the prefix that leaves few digits.
pub(super) fn rate(giga: f64, unit: &str) -> String {
    let (value, prefix) = match giga {
        giga if giga >= 1e7 => (giga / 1e6, "P"),
        giga if giga >= 1e4 => (giga / 1e3, "T"),
        giga if giga >= 0.1 => (giga, "G"),
        giga if giga >= 1e-4 => (giga * 1e3, "M"),
        giga => (giga * 1e6, "k"),
    };
    format!("{} {prefix}{unit}", digits(value))
}

/// A power of ten as people write it.
pub(super) fn power_of_ten(exponent: i32) -> String {
    match exponent {
        0..=3 => format!("{}", 10_u32.pow(exponent.unsigned_abs())),
        -3..=-1 => format!("{:.*}", exponent.unsigned_abs() as usize, 10_f64.powi(exponent)),
        _ => {
            let raised = |c: char| match c {
                '-' => '⁻',
                '1' => '¹',
                '2' => '²',
                '3' => '³',
                digit => char::from_u32(0x2070 + digit as u32 - '0' as u32).unwrap_or(digit),
            };
            format!("10{}", exponent.to_string().chars().map(raised).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        for (value, text) in [
            (63.03, "63.0"),
            (935.8, "936"),
            (1149.2, "1149"),
            (9.996, "10.0"),
            (0.01234, "0.0123"),
            (1e-5, "1.00e-5"),
            (2e9, "2.00e9"),
        ] {
            assert_eq!(digits(value), text);
        }
        assert_eq!(rate(80_000.0, "FLOP/s"), "80.0 TFLOP/s");
        assert_eq!(rate(449.9, "B/s"), "450 GB/s");
        assert_eq!(rate(0.0123, "B/s"), "12.3 MB/s");
    }

    #[test]
    fn powers_of_ten_are_written_out_while_they_are_short() {
        let written: Vec<String> = [-4, -3, -1, 0, 3, 4, 12].into_iter().map(power_of_ten).collect();
        assert_eq!(written, ["10⁻⁴", "0.001", "0.1", "1", "1000", "10⁴", "10¹²"]);
    }

    #[test]
    fn bytes_have_binary_units() {
        let written = [512, 8192, 1536, 142_606_336, 1 << 30].map(bytes);
        assert_eq!(written, ["512 B", "8 KiB", "1.5 KiB", "136 MiB", "1 GiB"]);
    }

    #[test]
    fn long_lines_are_wrapped() {
        let lines = wrapped("one two three", 12.0, width("one two", 12.0) + 1.0);
        assert_eq!(lines, ["one two", "three"]);
        assert_eq!(short(&"x".repeat(500)).chars().count(), NAME_MAX + 1);
    }

    #[test]
    fn hostile_text_is_tamed() {
        assert_eq!(clean("a\u{0}b\u{202e}c\n\t d\u{ffff}"), "a�b�c d�");
        let cut = fit(&"W".repeat(1000), 12.0, 100.0);
        assert!(width(&cut, 12.0) <= 100.0 && cut.ends_with('…') && cut.len() > 5, "{cut}");
        assert_eq!(fit("short", 12.0, 100.0), "short");
    }
}
