//! A logarithmic scale: where a value goes, and where its ticks are.

use super::text::power_of_ten;

/// A logarithmic scale from `low` to `high`, both positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The value at its beginning.
    pub low: f64,
    /// The value at its end.
    pub high: f64,
}

/// A mark on an scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The value that it marks.
    pub value: f64,
    /// What is written there; minor ticks have no label.
    pub label: Option<String>,
}

impl Scale {
    /// The scale that shows `values`, with margins of those factors below and above, from one round number to another.
    pub fn around(values: impl IntoIterator<Item = f64>, [below, above]: [f64; 2]) -> Scale {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Scale { low: 0.1, high: 10.0 };
        }
        // What a record can hold is far from the ends of f64; margins must not reach them either.
        let [low, high] = [low / below, high * above].map(|value| value.clamp(1e-290, 1e290));
        Scale { low: round_down(low), high: round_up(high) }
    }

    /// Decades from end to end.
    pub fn decades(&self) -> f64 {
        self.high.log10() - self.low.log10()
    }

    /// The place of `value`: 0 at `low`, 1 at `high`, beyond them for values outside.
    pub fn share(&self, value: f64) -> f64 {
        (value.log10() - self.low.log10()) / self.decades()
    }

    /// Powers of ten, as many as `length` pixels hold; between them, where there is room, their multiples.
    pub fn ticks(&self, length: f64) -> Vec<Tick> {
        const LABEL_ROOM: f64 = 38.0;
        const MINOR_ROOM: f64 = 55.0;
        let decade = length / self.decades();
        let every = (LABEL_ROOM / decade).ceil().max(1.0) as i32;
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let mut ticks = Vec::new();
        for exponent in first..=last {
            let power = 10_f64.powi(exponent);
            let label = (exponent.rem_euclid(every) == 0).then(|| power_of_ten(exponent));
            ticks.push(Tick { value: power, label });
            if decade >= MINOR_ROOM {
                ticks.extend((2..=9).map(|times| Tick { value: power * f64::from(times), label: None }));
            }
        }
        // The ends are round, but powers are computed: a tick on an end counts as inside.
        ticks.retain(|tick| (-1e-9..=1.0 + 1e-9).contains(&self.share(tick.value)));
        ticks
    }

    /// Round numbers with labels, as many as `length` pixels hold without crowding.
    pub(super) fn round_ticks(&self, length: f64) -> Vec<Tick> {
        const ROOM: f64 = 20.0;
        let decade = length / self.decades();
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        // The first of these that has room: the least step between its numbers, in decades, and the numbers.
        let choices: [(f64, &[f64]); 4] = [
            (0.079, &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]),
            (0.125, &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]),
            (0.301, &[1.0, 2.0, 5.0]),
            (0.477, &[1.0, 3.0]),
        ];
        let numbers = choices.into_iter().find(|(step, _)| step * decade >= ROOM).map(|(_, numbers)| numbers);
        let every = (ROOM / decade).ceil().max(1.0) as i32;
        let powers = (first..=last).filter(|exponent| numbers.is_some() || exponent.rem_euclid(every) == 0);
        let ticks = powers.flat_map(|exponent| {
            let power = 10_f64.powi(exponent);
            numbers.unwrap_or(&[1.0]).iter().map(move |times| times * power)
        });
        let inside = ticks.filter(|value| (-1e-9..=1.0 + 1e-9).contains(&self.share(*value)));
        inside.map(|value| Tick { value, label: Some(plain(value)) }).collect()
    }
}

/// A round number as people write it.
pub(super) fn plain(value: f64) -> String {
    if !(1e-3..1e6).contains(&value) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The largest round number that is not above `value`.
fn round_down(value: f64) -> f64 {
    steps(value).into_iter().rev().find(|step| *step <= value * (1.0 + 1e-12)).unwrap_or(value)
}

/// The smallest round number that is not below `value`.
fn round_up(value: f64) -> f64 {
    steps(value).into_iter().find(|step| *step >= value * (1.0 - 1e-12)).unwrap_or(value)
}

/// Round numbers around `value`, ascending.
fn steps(value: f64) -> [f64; 10] {
    let power = 10_f64.powf(value.log10().floor());
    [0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0].map(|times| times * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_round_and_outside() {
        let scale = Scale::around([3.0, 700.0], [1.5, 2.0]);
        assert_eq!((scale.low, scale.high), (2.0, 1500.0));
        let scale = Scale::around([f64::NAN, 0.0], [2.0; 2]);
        assert!(scale.low < scale.high);
        let one = Scale::around([1e-300, 1e300], [2.0; 2]);
        assert!(one.low > 0.0 && one.high.is_finite() && one.decades() > 500.0);
    }

    #[test]
    fn the_mapping_is_monotone_and_equal_ratios_are_equal_lengths() {
        let scale = Scale { low: 0.02, high: 5e4 };
        let places: Vec<f64> = (0..400).map(|i| scale.share(0.001 * 1.06_f64.powi(i))).collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((scale.share(0.02), scale.share(5e4)), (0.0, 1.0));
        let octave = |from: f64| scale.share(2.0 * from) - scale.share(from);
        assert!((octave(0.1) - octave(3000.0)).abs() < 1e-12);
    }

    #[test]
    fn round_ticks_are_round_and_have_room() {
        for (low, high, length) in [(40.0, 90.0, 210.0), (0.9, 150.0, 210.0), (1.0, 1e9, 210.0), (2.0, 3.0, 380.0)] {
            let scale = Scale { low, high };
            let ticks = scale.round_ticks(length);
            let places: Vec<f64> = ticks.iter().map(|tick| scale.share(tick.value) * length).collect();
            assert!(ticks.len() >= 2 && places.windows(2).all(|pair| pair[1] - pair[0] >= 19.9), "{low}: {ticks:?}");
        }
        let labels: Vec<String> =
            Scale { low: 40.0, high: 90.0 }.round_ticks(210.0).into_iter().filter_map(|tick| tick.label).collect();
        assert!(labels.contains(&"50".to_owned()), "{labels:?}");
    }

    #[test]
    fn ticks_are_inside_and_labels_have_room() {
        for (low, high, length) in [(0.1, 2000.0, 760.0), (1e-9, 1e12, 300.0), (2.0, 5.0, 400.0), (1.0, 10.0, 100.0)] {
            let scale = Scale { low, high };
            let ticks = scale.ticks(length);
            let labelled: Vec<f64> =
                ticks.iter().filter(|tick| tick.label.is_some()).map(|tick| scale.share(tick.value) * length).collect();
            assert!(labelled.windows(2).all(|pair| pair[1] - pair[0] >= 37.9), "{low} {high}: {labelled:?}");
            assert!(!ticks.is_empty());
            assert!(ticks.iter().all(|tick| tick.value >= low * 0.999 && tick.value <= high * 1.001));
        }
    }
}
