//! roofprobe measures what a device can do, and predicts how fast a language model runs on it.
//!
//! Supply and demand meet in one record, the [`profile`]. **Supply** (`probe`, `device`, `sample`) divides known [`work`] by
//! measured time and writes ceilings into a profile. **Demand** ([`model`], [`roofline`], [`potential`]) divides a model's work
//! by those ceilings and gets a time. They never import each other.
//!
//! The feature `cli` has the program: command line, files, and measuring. Without it the rest builds for a web page.
#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod calibrate;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
#[cfg(feature = "cli")]
pub mod device;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod export;
#[cfg(feature = "cli")]
pub mod file;
#[cfg(feature = "cli")]
pub mod job;
pub mod json;
pub mod measured;
pub mod model;
pub mod plot;
pub mod potential;
#[cfg(feature = "cli")]
pub mod probe;
pub mod profile;
pub mod quoted;
#[cfg(feature = "cli")]
pub mod replay;
pub mod report;
pub mod roofline;
#[cfg(feature = "cli")]
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
