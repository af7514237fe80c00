//! Waiting for what a driver answers later: a process blocks its thread, a page is suspended.

#[cfg(target_arch = "wasm32")]
pub(super) use super::browser::block_on;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use pollster::block_on;
