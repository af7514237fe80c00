//! Numbers as people list them: `512,1024`, `2..64`, `128..32768*2`, `0..4096+512`.

use std::str::FromStr;

/// How lists of numbers are written.
const REMEDY: &str = "write a list such as 512,1024,2048, or a range such as 2..64, 128..32768*2 or 0..4096+512";

/// No axis takes more: a context has 2²⁴ tokens and the one to come. A range beyond would be rows of reasons without end.
const MOST: u64 = (1 << 24) + 1;

/// Whole numbers in an order; a range takes no more room than its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Each with the place of its first number in the whole list.
    ranges: Vec<(u64, NumberRange)>,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumberRange {
    first: u64,
    step: Step,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Plus(u64),
    Times(u64),
}

impl NumberRange {
    /// `FIRST`, `FIRST..LAST`, `FIRST..LAST+STEP` or `FIRST..LAST*FACTOR`.
    fn parse(text: &str) -> Result<NumberRange, String> {
        let Some((first, rest)) = text.split_once("..") else {
            return Ok(NumberRange { first: number(text)?, step: Step::Plus(1), count: 1 });
        };
        let (last, step) = match (rest.split_once('+'), rest.split_once('*')) {
            (Some((last, step)), _) => (last, Step::Plus(number(step)?)),
            (None, Some((last, factor))) => (last, Step::Times(number(factor)?)),
            (None, None) => (rest, Step::Plus(1)),
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(format!("{text:?} is empty: {last} comes before {first}"));
        }
        if last > MOST {
            return Err(format!("{text:?} ends beyond {MOST}, the most that any axis takes"));
        }
        let count = match step {
            Step::Plus(0) => return Err(format!("{text:?} goes nowhere; add 1 or more")),
            Step::Times(0 | 1) => return Err(format!("{text:?} goes nowhere; multiply by 2 or more")),
            Step::Times(_) if first == 0 => return Err(format!("{text:?} goes nowhere; begin above 0")),
            Step::Plus(step) => (last - first) / step + 1,
            Step::Times(factor) => {
                let next = |at: &u64| at.checked_mul(factor).filter(|&next| next <= last);
                std::iter::successors(Some(first), next).count() as u64
            }
        };
        Ok(NumberRange { first, step, count })
    }

    fn get(&self, place: u64) -> u64 {
        match self.step {
            Step::Plus(step) => self.first + step * place,
            // Fewer than 64 numbers, all within 64 bits.
            Step::Times(factor) => self.first * factor.pow(place as u32),
        }
    }
}

impl Numbers {
    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The one at `place`, which is less than [`Numbers::count`].
    pub fn get(&self, place: u64) -> u64 {
        let range = self.ranges.partition_point(|(start, _)| *start <= place) - 1;
        let (start, range) = &self.ranges[range];
        range.get(place - start)
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Numbers, String> {
        let (mut ranges, mut count) = (Vec::new(), 0_u64);
        for word in text.split(',') {
            let range = NumberRange::parse(word.trim()).map_err(|why| format!("{why}; {REMEDY}"))?;
            ranges.push((count, range));
            count += range.count;
        }
        Ok(Numbers { ranges, count })
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ if digits => Err(format!("{text} exceeds 64 bits")),
        _ => Err(format!("{text:?} is no whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<u64> {
        let numbers: Numbers = text.parse().unwrap();
        (0..numbers.count()).map(|place| numbers.get(place)).collect()
    }

    #[test]
    fn lists_and_ranges_say_what_they_say() {
        assert_eq!(all("7"), [7]);
        assert_eq!(all("512,1024,2048"), [512, 1024, 2048]);
        assert_eq!(all("2..6"), [2, 3, 4, 5, 6]);
        assert_eq!(all("5..5"), [5]);
        assert_eq!(all("128..1024*2"), [128, 256, 512, 1024]);
        assert_eq!(all("128..1000*2"), [128, 256, 512]);
        assert_eq!(all("1..100*10"), [1, 10, 100]);
        assert_eq!(all("0..1536+512"), [0, 512, 1024, 1536]);
        assert_eq!(all("0..1535+512"), [0, 512, 1024]);
        assert_eq!(all("1, 4..6,10..40*2, 3"), [1, 4, 5, 6, 10, 20, 40, 3]);
    }

    #[test]
    fn ranges_end_where_axes_do() {
        assert_eq!(all(&format!("{}", u64::MAX)), [u64::MAX]);
        assert_eq!(all(&format!("{}..{MOST}", MOST - 1)), [MOST - 1, MOST]);
        assert_eq!(all(&format!("1..{MOST}*{}", u64::MAX)), [1]);
        let wide: Numbers = format!("0..{MOST}").parse().unwrap();
        assert_eq!((wide.count(), wide.get(MOST)), (MOST + 1, MOST));
        for beyond in [format!("0..{}", MOST + 1), format!("1..{},1", u64::MAX)] {
            assert!(beyond.parse::<Numbers>().unwrap_err().contains("ends beyond"), "{beyond}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_reason() {
        let cases = [
            ("", "\"\" is no whole number"),
            ("1,,2", "\"\" is no whole number"),
            ("x", "\"x\" is no whole number"),
            ("-1", "\"-1\" is no whole number"),
            ("+1", "\"+1\" is no whole number"),
            ("1.5", "\"1.5\" is no whole number"),
            ("..4", "\"\" is no whole number"),
            ("1..", "\"\" is no whole number"),
            ("1..2..3", "\"2..3\" is no whole number"),
            ("1..9+2*2", "\"2*2\" is no whole number"),
            ("9..1", "\"9..1\" is empty"),
            ("1..9+0", "goes nowhere; add 1 or more"),
            ("1..9*1", "goes nowhere; multiply by 2 or more"),
            ("1..9*0", "goes nowhere"),
            ("0..9*2", "begin above 0"),
            ("99999999999999999999", "exceeds 64 bits"),
        ];
        for (text, why) in cases {
            let message = text.parse::<Numbers>().unwrap_err();
            assert!(
                message.contains(why) && message.contains("128..32768*2") && !message.contains('\n'),
                "{text}: {message}"
            );
        }
    }
}
