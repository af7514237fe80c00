//! Measured rates along one quantity, and what lies between them.

use super::extents::Extents;
use super::roofs::{doubts, interval, without_value};
use super::{Note, NoteKind};
use crate::model::TensorType;
use crate::profile::{Ceiling, CeilingId, Curve, Family, Profile, Unit};
use roofprobe_kernels::Dtype;
use std::cmp::Ordering;

/// A quantity with its 95 % interval: the lower end, itself, the upper end.
pub(super) type Interval = [f64; 3];

/// One measured rate.
#[derive(Clone, Debug)]
pub(super) struct Rung<'a> {
    pub(super) id: &'a str,
    pub(super) at: f64,
    pub(super) rate: Interval,
    /// Of `at` together, in units of one: `at / rate`.
    time: Interval,
    /// Doubts about it.
    pub(super) notes: Vec<Note>,
}

impl<'a> Rung<'a> {
    pub(super) fn new(id: &'a str, at: f64, rate: Interval, notes: Vec<Note>) -> Rung<'a> {
        Rung { id, at, rate, time: rate.map(|rate| at / rate), notes }
    }
}

/// Rates along one quantity, its smallest first; never empty.
#[derive(Clone, Debug)]
pub(super) struct Ladder<'a> {
    /// Where the rungs are, side by side to be searched.
    places: Vec<f64>,
    pub(super) rungs: Vec<Rung<'a>>,
    /// What was left out.
    pub(super) notes: Vec<Note>,
}

/// A rate read off a ladder, and the rungs it lies between; the same one twice where it is a rung's own.
pub(super) struct Reading<'l, 'a> {
    pub(super) rate: Interval,
    pub(super) from: &'l Rung<'a>,
    pub(super) to: &'l Rung<'a>,
}

/// Holds that fewer tokens take no longer than more: the pass that takes in more does for fewer, too. Where a rung was slower beyond
/// both intervals, its ways lost, or something came between, and it takes the time of the next one.
fn monotone(rungs: &mut [Rung]) {
    rungs.sort_by(|a, b| a.at.total_cmp(&b.at));
    for place in (1..rungs.len()).rev() {
        let (fewer, more) = rungs.split_at_mut(place);
        let (own, next) = (&mut fewer[place - 1], &more[0]);
        // The shortest time of its interval against the longest of the next one's.
        if own.time[2] > next.time[0] {
            let text = format!("{} took longer than {} with more tokens, which stands in for it", own.id, next.id);
            own.notes.push(Note::new(NoteKind::StandIn, text));
            own.notes.extend(next.notes.iter().cloned());
            own.time = next.time;
            own.rate = own.time.map(|time| own.at / time);
        }
    }
}

impl<'a> Ladder<'a> {
    /// Those of the rungs; none without any.
    pub(super) fn new(mut rungs: Vec<Rung<'a>>, notes: Vec<Note>) -> Option<Ladder<'a>> {
        rungs.sort_by(|a, b| a.at.total_cmp(&b.at));
        let places = rungs.iter().map(|rung| rung.at).collect();
        (!rungs.is_empty()).then_some(Ladder { places, rungs, notes })
    }

    /// A curve with values, along its own axis.
    pub(super) fn along(curve: &'a Curve) -> Option<Ladder<'a>> {
        let ((_, places), (values, _)) = (curve.axis()?, curve.values()?);
        let rung = |(place, (&at, &value)): (usize, (&u64, &f64))| {
            let end = |ends: &[f64]| ends.get(place).copied().unwrap_or(value);
            let rate = [end(&curve.low).min(value), value, end(&curve.high).max(value)];
            Rung::new(curve.id.as_str(), at as f64, rate, Vec::new())
        };
        Ladder::new(places.iter().zip(values).enumerate().map(rung).collect(), Vec::new())
    }

    pub(super) fn first(&self) -> &Rung<'a> {
        &self.rungs[0]
    }

    /// The rate at `x`: between measured rungs that of a time which is straight in `x`, beyond the ends the end's.
    ///
    /// The time of a pass is about the longer of reading, which is the same for any number of tokens, and of arithmetic, which
    /// grows with it: a curve that bends upwards, so that a straight line lies at it or above.
    pub(super) fn at(&self, x: f64) -> Reading<'_, 'a> {
        let last = self.rungs.len() - 1;
        let above = self.places.iter().position(|&place| place >= x).unwrap_or(last);
        let to = &self.rungs[above];
        if above == 0 || to.at <= x {
            return Reading { rate: to.rate, from: to, to };
        }
        let from = &self.rungs[above - 1];
        let part = (x - from.at) / (to.at - from.at);
        let between = |i: usize| x / (from.time[i] + part * (to.time[i] - from.time[i]));
        Reading { rate: [between(0), between(1), between(2)], from, to }
    }
}

/// The rate of a ceiling in 1 per second (of `unit`'s 10⁹) with its interval, and its doubts; or why there is none.
pub(super) fn measured(ceiling: &Ceiling, unit: Unit) -> Result<(Interval, Vec<Note>), String> {
    let value = ceiling.figure(unit).filter(|_| ceiling.status.has_value());
    value.map(|value| (interval(ceiling, value), doubts(ceiling))).ok_or_else(|| without_value(ceiling))
}

/// The matmul ladders of a profile.
#[derive(Clone, Debug)]
pub(super) struct Ladders<'a> {
    /// By `Dtype as usize`.
    own: [Option<Matmul<'a>>; Dtype::ALL.len()],
}

/// The ladder of one type.
#[derive(Clone, Debug)]
pub(super) struct Matmul<'a> {
    pub(super) dtype: Dtype,
    /// How its weights are stored.
    pub(super) stored: TensorType,
    /// FLOP/s over tokens.
    pub(super) ladder: Ladder<'a>,
    /// The fastest that weights were read on any rung, byte/s; `at` is its tokens.
    pub(super) reading: Rung<'a>,
    /// The rung with the most FLOP/s.
    pub(super) computing: Rung<'a>,
    /// What smaller matrices lose.
    pub(super) extents: Extents,
}

impl<'a> Ladders<'a> {
    /// Those of `profile` with a value.
    ///
    /// # Errors
    /// The reason why there are none.
    pub(super) fn of(profile: &'a Profile) -> Result<Ladders<'a>, String> {
        let own = Dtype::ALL.map(|dtype| matmul(profile, dtype));
        if own.iter().all(Option::is_none) {
            let without = profile.ceiling.iter().find(|ceiling| ceiling.id.family() == Family::Matmul);
            return Err(without.map_or_else(
                || "no matmul ceiling is in the profile".to_owned(),
                |ceiling| format!("no matmul ceiling has a value: {}", without_value(ceiling)),
            ));
        }
        // Decode steps are products with one token: without any, most of what is asked would be guessed.
        if own.iter().flatten().all(|matmul| matmul.ladder.first().at > 1.0) {
            return Err("no matmul of one token has a value".to_owned());
        }
        Ok(Ladders { own })
    }

    /// The ladder for weights of `stored`: that of its nearest type, or of the one that stands in for it; where there is neither, the
    /// one with the closest bits not fewer than its own, else the closest below.
    pub(super) fn of_type(&self, stored: TensorType) -> Option<&Matmul<'a>> {
        let nearest = stored.nearest();
        if let Some(own) = [nearest, stored.stand_in()].into_iter().find_map(|dtype| self.own[dtype as usize].as_ref())
        {
            return Some(own);
        }
        let bits = stored.block().map_or(nearest.bits_per_element(), |b| 8.0 * b.bytes as f64 / b.elements as f64);
        let distance = |matmul: &&Matmul| {
            let more = matmul.dtype.bits_per_element() - bits;
            (more < 0.0, more.abs())
        };
        let closer = |a: &&Matmul, b: &&Matmul| distance(a).partial_cmp(&distance(b)).unwrap_or(Ordering::Equal);
        self.own.iter().flatten().min_by(closer)
    }
}

fn matmul<'a>(profile: &'a Profile, dtype: Dtype) -> Option<Matmul<'a>> {
    let (mut rungs, mut left_out) = (Vec::new(), Vec::new());
    for ceiling in &profile.ceiling {
        let Some(tokens) = ceiling.id.tokens().filter(|_| ceiling.id.dtype() == Some(dtype)) else { continue };
        match measured(ceiling, Unit::GflopPerS) {
            Ok((rate, notes)) => {
                rungs.push(Rung::new(ceiling.id.as_str(), tokens as f64, rate.map(|giga| giga * 1e9), notes));
            }
            Err(why) => left_out.push(Note::new(NoteKind::LeftOut, format!("{why}, and left out"))),
        }
    }
    monotone(&mut rungs);
    let ladder = Ladder::new(rungs, left_out)?;
    // Bytes of one element over its FLOPs: the same passes counted in bytes of weights.
    let bytes = |rung: &Rung| rung.rate.map(|rate| rate * dtype.bits_per_element() / 8.0 / (2.0 * rung.at));
    let fastest = ladder.rungs.iter().max_by(|a, b| bytes(a)[1].total_cmp(&bytes(b)[1]))?;
    let reading = Rung::new(fastest.id, fastest.at, bytes(fastest), fastest.notes.clone());
    let computing = ladder.rungs.iter().max_by(|a, b| a.rate[1].total_cmp(&b.rate[1]))?.clone();
    let extents = |of: Dtype| {
        let variant =
            |tokens| profile.ceiling(&CeilingId::matmul(of, tokens)).and_then(|ceiling| ceiling.variant.as_ref());
        Extents::of(profile, of, variant(1), variant(512))
    };
    let stored = TensorType::from(dtype);
    let extents = extents(dtype).or(|| extents(stored.stand_in()));
    Some(Matmul { dtype, stored, ladder, reading, computing, extents })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn fewer_tokens_take_no_longer_than_more() {
        let rung = |id, at: f64, rate: f64| Rung::new(id, at, [0.95 * rate, rate, 1.05 * rate], Vec::new());
        // 1 s, 2 s, 1.5 s, 4 s.
        let mut rungs =
            vec![rung("m8", 8.0, 4.0), rung("m1", 1.0, 1.0), rung("m16", 16.0, 16.0 / 1.5), rung("m64", 64.0, 16.0)];
        monotone(&mut rungs);
        let times: Vec<f64> = rungs.iter().map(|rung| rung.at / rung.rate[1]).collect();
        assert!(times.is_sorted() && times == [1.0, 1.5, 1.5, 4.0], "{times:?}");
        assert!(rungs[1].notes[0].text.contains("m8 took longer than m16") && rungs[0].notes.is_empty());
        assert!(rungs.iter().all(|rung| rung.rate.is_sorted()));
        let ladder = Ladder::new(rungs, Vec::new()).unwrap();
        assert_eq!(ladder.at(8.0).rate[1], 8.0 / 1.5);
    }
}
