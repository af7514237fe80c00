//! What an engine reaches of a device's kernels: the efficiency of each kind of operation, and what starting one costs.
//!
//! An [`EngineTable`] belongs to one engine. It is fitted from runs ([`calibrate`](crate::calibrate)) or shipped, and is kept as a
//! small TOML file. Under it, the time of a pass is
//!
//! ```text
//! Σ over operations (time on the measured kernel / efficiency of its part + op_us) + pass_us
//! ```
//!
//! Pure: text in, a table out.

mod bound;
mod part;
mod table;

pub use part::{Part, PartKind, Tokens};
pub use table::{
    AttentionCost, Basis, ENGINE_SCHEMA, Efficiency, EngineTable, Fixed, SHIPPED_ENGINES, parse, shipped, to_toml,
};
