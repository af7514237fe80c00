//! Loops of a shader written out before a driver sees it, so that what they hold are variables with names and not arrays: an array that a
//! loop indexes may leave the registers, and no compiler of shaders promises to unroll.
//!
//! A file says in a comment which letters stand for loops, and which constants say how often they run:
//!
//! ```text
//! // Unrolled: g < HEADS, u < TOKENS
//! ```
//!
//! A line that has a name ending in `_g0` is written once for each g, with `_g1`, `_g2`, … in its place, and `1u`, `2u`, … in that of
//! `0u/*g*/`. Lines between `// each g` and `// end g` are written together. As it stands the text is the loop's first round.

const RULE: &str = "// Unrolled: ";
const EACH: &str = "// each ";

/// A loop: its letter, and how often it runs.
type Axis = (char, u32);

/// `text` with its loops written out.
pub(super) fn unrolled(text: &str) -> String {
    let Some(rule) = text.lines().find_map(|line| line.strip_prefix(RULE)) else { return text.to_owned() };
    let axis = |part: &str| {
        let (letter, name) = part.split_once(" < ")?;
        Some((letter.chars().next()?, constant(text, name)?))
    };
    let axes: Vec<Axis> = rule.split(", ").filter_map(axis).collect();
    debug_assert_eq!(axes.len(), rule.split(", ").count(), "a loop without its constant: {rule}");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut out = String::with_capacity(2 * text.len());
    write_all(&lines, &axes, &mut out);
    out
}

/// The value of `const <name>: u32 = <value>u;`.
fn constant(text: &str, name: &str) -> Option<u32> {
    let begin = format!("const {name}: u32 = ");
    text.lines().find_map(|line| line.strip_prefix(&begin)?.strip_suffix("u;")?.parse().ok())
}

fn write_all(lines: &[String], axes: &[Axis], out: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let letter = lines[at].trim_start().strip_prefix(EACH).and_then(|rest| rest.chars().next());
        let axis = letter.and_then(|letter| axes.iter().position(|axis| axis.0 == letter));
        let Some(axis) = axis else {
            write_line(&lines[at], axes, out);
            at += 1;
            continue;
        };
        let (letter, count) = axes[axis];
        let end = format!("// end {letter}");
        let length = lines[at..].iter().position(|line| line.trim_start() == end);
        debug_assert!(length.is_some(), "{} does not end", lines[at]);
        let behind = at + length.unwrap_or(lines.len() - at - 1);
        let others: Vec<Axis> = axes.iter().copied().filter(|other| other.0 != letter).collect();
        for round in 0..count {
            let body: Vec<String> = lines[at + 1..behind].iter().map(|line| numbered(line, letter, round)).collect();
            write_all(&body, &others, out);
        }
        at = behind + 1;
    }
}

fn write_line(line: &str, axes: &[Axis], out: &mut String) {
    let Some(at) = axes.iter().position(|axis| mentions(line, axis.0)) else {
        out.push_str(line);
        out.push('\n');
        return;
    };
    let (letter, count) = axes[at];
    for round in 0..count {
        write_line(&numbered(line, letter, round), &axes[at + 1..], out);
    }
}

/// How a letter's first round shows: at the end of a name, and as a number.
fn marks(letter: char) -> [String; 2] {
    [format!("_{letter}0"), format!("0u/*{letter}*/")]
}

fn mentions(line: &str, letter: char) -> bool {
    marks(letter).iter().any(|mark| line.contains(mark))
}

fn numbered(line: &str, letter: char, round: u32) -> String {
    let [name, number] = marks(letter);
    line.replace(&name, &format!("_{letter}{round}")).replace(&number, &format!("{round}u"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_blocks_are_written_out() {
        let text = "// Unrolled: g < HEADS, u < TOKENS\nconst HEADS: u32 = 2u;\nconst TOKENS: u32 = 3u;\nlet x_g0 = 0u/*g*/;\n\
                    // each u\nlet y_u0 = f(0u/*u*/);\nz_g0 += y_u0;\n// end u\nplain;\n";
        let lines = unrolled(text);
        let body: Vec<&str> = lines.lines().skip(3).collect();
        let want = "let x_g0 = 0u;|let x_g1 = 1u;|let y_u0 = f(0u);|z_g0 += y_u0;|z_g1 += y_u0;|let y_u1 = f(1u);|z_g0 += y_u1;|z_g1 += y_u1;|\
                    let y_u2 = f(2u);|z_g0 += y_u2;|z_g1 += y_u2;|plain;";
        assert_eq!(body.join("|"), want);
        assert_eq!(unrolled("let x_g0 = 1;\n"), "let x_g0 = 1;\n", "no rule, nothing to write out");
    }

    #[test]
    fn a_loop_that_does_not_run_leaves_nothing() {
        assert_eq!(constant("const N: u32 = 12u;", "N"), Some(12));
        let text = "// Unrolled: k < STEPS\nconst STEPS: u32 = 0u;\nsum += g(0u/*k*/);\nend;\n";
        assert!(unrolled(text).ends_with("= 0u;\nend;\n"));
    }
}
