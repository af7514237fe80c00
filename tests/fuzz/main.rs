//! Damaged files of all six kinds that are read: read or refused, never a panic, a hang, or memory far beyond the
//! file's own size; and what was read is then asked for everything that can be computed from it.
//!
//! `cargo test` damages a few thousand files, the same ones every time. By hand, for ten minutes each (or
//! `FUZZ_SECONDS`), with another seed in `FUZZ_SEED` and more files to begin with from the folder `FUZZ_SEEDS`:
//! `cargo test --release --test fuzz -- --ignored --nocapture config`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod config;
mod gguf;
#[path = "../gguf_files/mod.rs"]
mod gguf_files;
mod harness;
#[path = "../header_files/mod.rs"]
mod header_files;
mod profile;
mod runs;
mod safetensors;
mod text;
mod tree;
mod zoo;

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
