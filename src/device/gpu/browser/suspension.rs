//! How a page waits: a browser's thread must not block, because no promise would ever resolve. WebAssembly is suspended instead, by
//! functions of the page (JavaScript Promise Integration), so that the code around a wait is the same as in a process.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use web_time::Instant;

/// What is waited for is looked at again after this time, whoever forgot to say that it is there.
const AGAIN: Duration = Duration::from_secs(1);

/// How the page suspends WebAssembly.
#[derive(Clone, Copy, Debug)]
pub struct Suspension {
    /// Suspends it until `resume` is called, or for so many milliseconds. Returns at once where `resume` was called since it last returned.
    pub suspend: fn(f64),
    /// Lets it go on.
    pub resume: fn(),
}

static SUSPENSION: OnceLock<Suspension> = OnceLock::new();

/// Waits that way from now on.
pub(super) fn suspend_by(suspension: Suspension) {
    // A second page of the same program suspends as the first one does.
    let _ = SUSPENSION.set(suspension);
}

fn suspend(most: Duration) {
    if let Some(suspension) = SUSPENSION.get() {
        (suspension.suspend)(most.as_secs_f64() * 1e3);
    }
}

fn resume() {
    if let Some(suspension) = SUSPENSION.get() {
        (suspension.resume)();
    }
}

struct Resume;

impl Wake for Resume {
    fn wake(self: Arc<Self>) {
        resume();
    }
}

/// The result of `future`; suspended until it is there.
pub(in crate::device::gpu) fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let waker = Waker::from(Arc::new(Resume));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        suspend(AGAIN);
    }
}

/// What a callback says.
#[derive(Clone, Debug, Default)]
pub(super) struct Signal(Arc<AtomicBool>);

impl Signal {
    /// Says it.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
        resume();
    }

    /// Waits for it; false where it was not said within `most`.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let begun = Instant::now();
        while !self.0.load(Ordering::Relaxed) {
            let Some(left) = most.checked_sub(begun.elapsed()) else { return false };
            suspend(left.min(AGAIN));
        }
        true
    }
}
