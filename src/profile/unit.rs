//! Units of ceilings and curves.

/// The unit of a ceiling's value; [`CeilingId::unit`](super::CeilingId::unit) decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 10⁹ bytes per second.
    GbPerS,
    /// 10⁹ operations per second.
    GflopPerS,
    /// Nanoseconds; smaller is better.
    Ns,
    /// Microseconds; smaller is better.
    Us,
}

impl Unit {
    /// The key of a value in this unit.
    pub const fn key(self) -> &'static str {
        match self {
            Unit::GbPerS => "gb_per_s",
            Unit::GflopPerS => "gflop_per_s",
            Unit::Ns => "ns",
            Unit::Us => "us",
        }
    }

    /// As written for people.
    pub const fn symbol(self) -> &'static str {
        match self {
            Unit::GbPerS => "GB/s",
            Unit::GflopPerS => "GFLOP/s",
            Unit::Ns => "ns",
            Unit::Us => "µs",
        }
    }

    /// Whether more is better.
    pub const fn is_rate(self) -> bool {
        matches!(self, Unit::GbPerS | Unit::GflopPerS)
    }
}
