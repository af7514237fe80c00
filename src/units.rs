//! A physics of units on one page: newtypes with only the lawful operators.
//!
//! Rates are decimal (1 GB = 10⁹ bytes), capacities binary (1 MiB = 2²⁰ bytes). One multiply-accumulate is 2 FLOP.
//!
//! FLOPs do not add to bytes:
//!
//! ```compile_fail
//! use roofprobe::units::{Bytes, Flops};
//! let nonsense = Flops(1.0) + Bytes(1.0);
//! ```
//!
//! but FLOPs over a rate are a time:
//!
//! ```
//! use roofprobe::units::{Flops, FlopsPerSecond, Seconds};
//! assert_eq!(Flops(6.0) / FlopsPerSecond(2.0), Seconds(3.0));
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, Div, Mul};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, JsonSchema, Deserialize)]
        pub struct $name(pub f64);

        impl Add for $name {
            type Output = $name;
            fn add(self, other: $name) -> $name { $name(self.0 + other.0) }
        }
        impl Mul<f64> for $name {
            type Output = $name;
            fn mul(self, factor: f64) -> $name { $name(self.0 * factor) }
        }
        /// The ratio of two like quantities is a plain number.
        impl Div for $name {
            type Output = f64;
            fn div(self, other: $name) -> f64 { self.0 / other.0 }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = $name>>(items: I) -> $name { $name(items.map(|x| x.0).sum()) }
        }
    };
}

unit!(/// Floating point (or integer multiply-accumulate) operations.
    Flops);
unit!(/// Bytes moved.
    Bytes);
unit!(/// Seconds.
    Seconds);
unit!(/// A compute rate, FLOP/s.
    FlopsPerSecond);
unit!(/// A bandwidth, byte/s.
    BytesPerSecond);
unit!(/// Operational intensity, FLOP/byte.
    FlopsPerByte);

macro_rules! quotient {
    ($a:ident / $b:ident = $c:ident) => {
        impl Div<$b> for $a {
            type Output = $c;
            fn div(self, other: $b) -> $c {
                $c(self.0 / other.0)
            }
        }
    };
}

quotient!(Flops / Seconds = FlopsPerSecond);
quotient!(Bytes / Seconds = BytesPerSecond);
quotient!(Flops / Bytes = FlopsPerByte);
quotient!(Flops / FlopsPerSecond = Seconds);
quotient!(Bytes / BytesPerSecond = Seconds);
quotient!(FlopsPerSecond / BytesPerSecond = FlopsPerByte);

impl Mul<BytesPerSecond> for FlopsPerByte {
    type Output = FlopsPerSecond;
    fn mul(self, bandwidth: BytesPerSecond) -> FlopsPerSecond {
        FlopsPerSecond(self.0 * bandwidth.0)
    }
}

impl Flops {
    /// From an exact count.
    pub fn exactly(count: u128) -> Flops {
        Flops(float(count))
    }
}

impl Bytes {
    /// From an exact count.
    pub fn exactly(count: u128) -> Bytes {
        Bytes(float(count))
    }
}

/// The nearest f64. Almost every count has 64 bits, and of 128 it takes a call: kept apart, that it is not made for all.
#[inline(always)]
pub(crate) fn float(count: u128) -> f64 {
    #[cold]
    #[inline(never)]
    fn wide(count: u128) -> f64 {
        count as f64
    }
    match u64::try_from(count) {
        Ok(count) => count as f64,
        Err(_) => wide(count),
    }
}

impl FlopsPerSecond {
    /// From GFLOP/s (10⁹).
    pub fn from_giga(value: f64) -> Self {
        Self(value * 1e9)
    }
    /// In GFLOP/s (10⁹).
    pub fn giga(self) -> f64 {
        self.0 / 1e9
    }
}

impl BytesPerSecond {
    /// From GB/s (10⁹).
    pub fn from_giga(value: f64) -> Self {
        Self(value * 1e9)
    }
    /// In GB/s (10⁹).
    pub fn giga(self) -> f64 {
        self.0 / 1e9
    }
}

/// `value` with four significant decimal digits: the precision of every number in a profile.
pub fn four_digits(value: f64) -> f64 {
    if !value.is_finite() {
        return value;
    }
    // The decimal text is the definition of "four digits"; reading it back gives the nearest f64.
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// An integer with its thousands apart, for people.
pub fn thousands(value: u128) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_inverse() {
        let rate = Flops(12.0) / Seconds(3.0);
        assert_eq!(Flops(12.0) / rate, Seconds(3.0));
        assert_eq!((Flops(8.0) / Bytes(2.0)) * BytesPerSecond(5.0), FlopsPerSecond(20.0));
    }

    #[test]
    fn four_digits_is_idempotent_and_close() {
        for x in [1.0, 34.568, 201_646.38, 0.000123456, 99999.9, -2.345678] {
            let once = four_digits(x);
            assert_eq!(once, four_digits(once));
            assert!((once - x).abs() <= x.abs() * 5.1e-4);
        }
        assert_eq!(four_digits(34.5678), 34.57);
    }
}
