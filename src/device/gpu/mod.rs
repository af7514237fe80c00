//! GPUs through wgpu: WGSL compute shaders, timed by timestamps that are held against the wall clock.
//!
//! A driver's fault kills its process without a word, so all that touches one lives in a process of its own, the worker; here
//! is who asks it, line by line, notices when it dies or hangs, and starts another one.

mod adapter;
mod context;
mod hooks;
mod matmul;
mod params;
mod raw;
mod routine;
mod shader;
mod stream;
#[cfg(test)]
mod tests;
mod worker;

pub use adapter::Adapter;
