//! How a thread is put on its core: the one place where operating systems differ in that.
//!
//! Linux, Android and Windows pin. macOS has no pinning: there a class of service keeps a thread on the fast cores, and the scheduler
//! chooses which of them.

use core_affinity::CoreId;

/// Puts the calling thread on `core`, or among the fast cores where a single one cannot be named. Whether that was granted.
pub(super) fn pin(core: CoreId) -> bool {
    if cfg!(target_os = "macos") {
        roofprobe_kernels::service::prefer_fast_cores()
    } else {
        core_affinity::set_for_current(core)
    }
}

/// Whether a refusal means that something forbids it: where pinning is the system's usual way, a thread on another core than it
/// was given would measure that one.
pub(super) const fn is_binding() -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_put_on_its_core() {
        let core = core_affinity::get_core_ids().unwrap()[0];
        let granted = std::thread::spawn(move || pin(core)).join().unwrap();
        assert!(granted || !is_binding());
    }
}
