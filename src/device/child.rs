//! Processes that may die of what they try: how each one ended, in words.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(2);

/// Waits until `child` ends, or at most for `time_max`.
///
/// # Errors
/// When it cannot be watched.
pub(super) fn wait(child: &mut Child, time_max: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        match child.try_wait()? {
            None if begun.elapsed() < time_max => std::thread::sleep(POLL),
            end => return Ok(end),
        }
    }
}

/// `died with signal 11`, or `failed (exit status: 3)`.
pub(super) fn described(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("died with signal {signal}");
    }
    format!("failed ({status})")
}
