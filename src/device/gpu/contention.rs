//! Whether other processes use the processor while it plays the GPU.

#[cfg(not(target_arch = "wasm32"))]
use crate::device::cpu::{Taken, all_waited_s};

/// If all threads together wait for their cores longer than this share of a pass, other processes use the cores too. The share
/// covers the waking of threads that slept before.
#[cfg(not(target_arch = "wasm32"))]
const WAITED_SHARE_MAX: f64 = 0.05;

/// Watches whether other processes use the processor while it runs the shaders.
#[cfg(not(target_arch = "wasm32"))]
pub(super) struct ContentionWatch(Option<(Taken, f64)>);

#[cfg(not(target_arch = "wasm32"))]
impl ContentionWatch {
    pub(super) fn begin(software: bool) -> ContentionWatch {
        ContentionWatch(software.then(|| (Taken::now(), all_waited_s())))
    }

    /// Whether they did, during a pass of so many seconds.
    pub(super) fn disturbed(self, seconds: f64) -> bool {
        let waited = |before: f64| all_waited_s() - before > WAITED_SHARE_MAX * seconds;
        self.0.is_some_and(|(taken, waited_s)| waited(waited_s) || Taken::now().more_than(taken))
    }
}

/// A page sees no other process.
#[cfg(target_arch = "wasm32")]
pub(super) struct ContentionWatch;

#[cfg(target_arch = "wasm32")]
impl ContentionWatch {
    pub(super) fn begin(_: bool) -> ContentionWatch {
        ContentionWatch
    }

    /// Nothing that a page could see.
    pub(super) fn disturbed(self, _: f64) -> bool {
        false
    }
}
