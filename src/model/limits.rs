//! The largest values that are taken for a model's or a workload's, and not for a slip or an attack.
//!
//! All are far above the largest models published (Llama 3.1 405B: hidden 16384, 126 layers, 128 heads), and small enough
//! for every count to be exact.

pub(super) const HIDDEN: u64 = 1 << 20;
pub(super) const LAYERS: u64 = 1 << 12;
pub(super) const HEADS: u64 = 1 << 16;
pub(super) const HEAD_DIM: u64 = 1 << 16;
pub(super) const WIDTH: u64 = 1 << 24;
/// Parallel residual streams.
pub(super) const STREAMS: u64 = 64;
pub(super) const EXPERTS: u64 = 1 << 16;
pub(super) const VOCABULARY: u64 = 1 << 28;
pub(super) const POSITIONS: u64 = 1 << 40;
/// Rows of a table of learned positions.
pub(super) const POSITION_ROWS: u64 = 1 << 28;
/// 16 Mi tokens: beyond any context window published (10 million tokens).
pub(super) const TOKENS: u64 = 1 << 24;
/// Sequences served at once: beyond any server.
pub const BATCH_MAX: u64 = 1 << 16;
