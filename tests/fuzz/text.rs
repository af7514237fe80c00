//! Damage to text as bytes, and text that is all depth or length.

use crate::harness::Dice;

/// One to three wounds.
pub(crate) fn damage(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=dice.roll(3) {
        if bytes.is_empty() {
            bytes.push(b' ');
        }
        let at = dice.roll(bytes.len());
        let end = (at + dice.roll(60)).min(bytes.len());
        match dice.roll(9) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = *dice.one(b"{}[]\"=,:.0-9\n#\\ \0\xff"),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len());
                bytes.splice(to..to, again);
            }
            4 => {
                let number = dice.number(text.len()).to_string();
                number_at(&mut bytes, at, &number);
            }
            5 => {
                let word =
                    *dice.one(&["-1", "1e308", "nan", "1e400", "0", "9223372036854775808", "0x7f", "true", "\"\""]);
                number_at(&mut bytes, at, word);
            }
            6 => {
                // Whole lines, once more or not at all.
                let line = |from: usize| bytes[from..].iter().position(|byte| *byte == b'\n').map(|far| from + far + 1);
                if let Some((from, to)) = line(at).and_then(|from| Some((from, line(from)?))) {
                    let copy = bytes[from..to].to_vec();
                    if dice.roll(2) == 0 {
                        bytes.splice(from..from, copy);
                    } else {
                        bytes.drain(from..to);
                    }
                }
            }
            7 => {
                let many = dice
                    .one(&[&b"["[..], b"{\"a\":", b"[[", b"a.", b"{a=", b"\"", b"\\u0000", b"(", b"9"])
                    .repeat(1 << dice.roll(16));
                bytes.splice(at..at, many);
            }
            _ => bytes.truncate(at),
        }
        bytes.truncate((1 << 20) - 1);
    }
    bytes
}

/// Puts another number where one begins at or after `at`.
fn number_at(bytes: &mut Vec<u8>, at: usize, number: &str) {
    let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit).map(|far| at + far) else { return };
    let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    bytes.splice(from..from + digits, number.bytes());
}
