//! roofprobe measures what a device can do, and predicts how fast a language model runs on it.
//!
//! Supply and demand meet in one record, the [`profile`]. **Supply** (`probe`, `device`, `sample`) divides known [`work`] by
//! measured time and writes ceilings into a profile. **Demand** ([`model`], [`roofline`], [`potential`]) divides a model's work
//! by those ceilings and gets a time. They never import each other.
//!
//! Tools read a profile, ask for ceilings, and evaluate models:
//!
//! ```
//! use roofprobe::{evaluate::{Query, evaluate}, model, profile};
//!
//! # fn main() -> Result<(), roofprobe::error::Error> {
//! let profile = profile::parse(include_str!("../profiles/amd-epyc-zen5-2c.toml"))?;
//! let read = profile.ceiling("memory.dram.read").and_then(|ceiling| ceiling.value());
//! let model = model::find("qwen2.5-0.5b")?;
//! let result = evaluate(&model, &Query::default(), &profile, "here")?;
//! println!("reads {read:?}, generates {:?} tokens/s", 1.0 / result.tpot_seconds);
//! # Ok(())
//! # }
//! ```
//!
//! That much is kept from version to version: [`profile`], [`model::find`], [`evaluate::evaluate`], [`compare`], [`check`], [`export`] and
//! the records that they return. Everything else is public for the program and its tests, and may change.
//!
//! The feature `cli` has the program: command line, files, and measuring. Without it the rest builds for a web page, and with `browser`
//! that page can measure its GPU.
#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

/// The commit that this was built from; `unknown` outside a checkout.
pub const COMMIT: &str = env!("ROOFPROBE_COMMIT");
/// The compiler that built it, and for what.
pub const COMPILER: &str = env!("ROOFPROBE_COMPILER");

pub mod calibrate;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
#[cfg(any(feature = "cli", feature = "browser"))]
pub mod device;
#[cfg(feature = "cli")]
pub mod doctor;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod export;
#[cfg(feature = "cli")]
pub mod file;
pub mod fleet;
#[cfg(any(feature = "cli", feature = "browser"))]
pub mod job;
pub mod json;
pub mod measured;
pub mod model;
pub mod plot;
pub mod potential;
#[cfg(any(feature = "cli", feature = "browser"))]
pub mod probe;
pub mod profile;
pub mod quoted;
#[cfg(feature = "cli")]
pub mod replay;
pub mod report;
pub mod roofline;
#[cfg(any(feature = "cli", feature = "browser"))]
pub mod sample;
#[cfg(feature = "cli")]
pub mod simulate;
pub mod stats;
#[cfg(feature = "cli")]
pub mod store;
pub mod study;
pub mod sweep;
pub mod units;
pub mod work;
