//! One report, written many ways: text for people, JSON and CSV for programs, Markdown for documents.
//!
//! A [`Report`] holds tables of [`Cell`]s and the JSON of the record behind them. Makers of reports name the columns of a
//! record once ([`table::Column`]) and the views that people see; `format/` has one file per format, which only writes.
//! Nothing here looks at a terminal: its width and whether it shows colours come in as a [`Style`].

mod advice;
pub mod calibrate;
mod ceilings;
mod cell;
pub mod check;
pub mod compare;
#[cfg(feature = "cli")]
pub mod doctor;
pub mod draft;
pub mod evaluation;
pub mod first_minute;
pub mod fleet;
#[cfg(feature = "cli")]
pub mod fleet_rows;
mod format;
mod grid;
pub mod html;
mod machine;
pub mod measured;
pub mod models;
mod operations;
pub mod others;
#[cfg(feature = "cli")]
pub mod parquet;
pub mod profile;
mod record;
#[cfg(feature = "cli")]
pub mod replay;
pub mod schemas;
pub mod split;
mod stored;
pub mod study;
pub mod sweep;
pub mod table;
mod writer;

pub use cell::{Cell, digits, mib, significant};
pub use format::Format;
pub use record::json;
pub use table::{Column, Report, Shown, Style, Table, column, grouped, unique};
pub use writer::Writer;
