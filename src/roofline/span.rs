//! The time of operations one after another.

use super::bound::later;
use super::{Bound, Resource};
use crate::units::Seconds;

/// Ceilings that are charged without allocating: reading, writing, and those of the usual arithmetics.
const FEW: usize = 6;

/// How long one ceiling binds.
type Charge<'r> = (&'r str, Resource, Seconds);

/// The time of a list of operations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span<'r> {
    /// One after another: the sum of their bounds.
    pub seconds: Seconds,
    /// All overlapping: the larger of all arithmetic and all traffic.
    pub optimistic: Seconds,
    /// As `seconds`, were every ceiling at the upper end of its interval.
    pub fastest: Seconds,
    /// As `seconds`, were every ceiling at the lower end.
    pub slowest: Seconds,
    /// The part of `seconds` in operations that memory binds.
    pub memory_bound: Seconds,
    /// The part of `seconds` in operations of which the intervals leave open what binds them.
    pub undecided: Seconds,
    compute: Seconds,
    memory: Seconds,
    few: [Option<Charge<'r>>; FEW],
    more: Vec<Charge<'r>>,
}

impl<'r> Span<'r> {
    /// Adds up.
    pub fn of<'b>(bounds: impl IntoIterator<Item = &'b Bound<'r>>) -> Span<'r>
    where
        'r: 'b,
    {
        let mut span = Span::default();
        bounds.into_iter().for_each(|bound| span.add(bound));
        span
    }

    /// One more operation, behind the others.
    #[inline]
    pub fn add(&mut self, bound: &Bound<'r>) {
        let seconds = bound.seconds();
        self.seconds = self.seconds + seconds;
        self.fastest = self.fastest + bound.fastest;
        self.slowest = self.slowest + bound.slowest;
        self.compute = self.compute + bound.compute;
        self.memory = self.memory + bound.memory;
        self.optimistic = later(self.compute, self.memory);
        if bound.resource == Resource::Memory {
            self.memory_bound = self.memory_bound + seconds;
        }
        if bound.undecided() {
            self.undecided = self.undecided + seconds;
        }
        if let Some(ceiling) = bound.ceiling {
            self.charge(ceiling, bound.resource, seconds);
        }
    }

    fn charge(&mut self, ceiling: &'r str, resource: Resource, seconds: Seconds) {
        // Bounds of the same roofs name the same text: most of the time its address is enough.
        let same = |other: &str| std::ptr::eq(other, ceiling) || other == ceiling;
        for slot in &mut self.few {
            match slot {
                Some((other, _, sum)) if same(other) => return *sum = *sum + seconds,
                Some(_) => {}
                None => return *slot = Some((ceiling, resource, seconds)),
            }
        }
        match self.more.iter_mut().find(|(other, ..)| same(other)) {
            Some((_, _, sum)) => *sum = *sum + seconds,
            None => self.more.push((ceiling, resource, seconds)),
        }
    }

    /// How long each ceiling binds, in order of first appearance.
    pub fn by_ceiling(&self) -> impl Iterator<Item = (&'r str, Resource, Seconds)> {
        self.few.iter().flatten().chain(&self.more).copied()
    }

    /// The share of the time in operations that memory binds, 0 to 1.
    pub fn memory_bound_share(&self) -> f64 {
        self.share(self.memory_bound)
    }

    /// The share of the time in operations of which the intervals leave open what binds them, 0 to 1.
    pub fn undecided_share(&self) -> f64 {
        self.share(self.undecided)
    }

    fn share(&self, part: Seconds) -> f64 {
        if self.seconds.0 > 0.0 { part / self.seconds } else { 0.0 }
    }

    /// The resource that binds for the larger share of the time.
    pub fn resource(&self) -> Resource {
        if self.memory_bound_share() > 0.5 { Resource::Memory } else { Resource::Compute }
    }

    /// The ceiling that binds longest among those of [`Span::resource`].
    pub fn ceiling(&self) -> Option<&'r str> {
        let resource = self.resource();
        let charged = self.by_ceiling().filter(|(_, kind, _)| *kind == resource);
        charged.max_by(|a, b| a.2.0.total_cmp(&b.2.0)).map(|(id, ..)| id)
    }
}
