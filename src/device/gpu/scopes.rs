//! Error scopes: an error of the driver or of wgpu reaches the call that caused it.

use super::waiting::block_on;
use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};

/// Runs `call`. Returns what it gave, and the first error that it caused.
pub(super) fn scoped<T>(device: &wgpu::Device, call: impl FnOnce() -> T) -> (T, Option<wgpu::Error>) {
    let [memory, internal, validation] =
        [OutOfMemory, Internal, Validation].map(|filter| device.push_error_scope(filter));
    let value = call();
    // All of them are left, whichever of them caught something.
    let errors = [validation.pop(), internal.pop(), memory.pop()].map(block_on);
    (value, errors.into_iter().flatten().next())
}
