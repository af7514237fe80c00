//! The class of service of a thread, where an operating system chooses cores by that: a call that has no safe form.

/// Asks for the fast cores for the calling thread: on macOS the class of what a user waits for, which its scheduler keeps off the
/// efficiency cores as long as there is room (Apple, "Energy Efficiency Guide for Mac Apps", quality of service). Whether it was
/// granted; elsewhere there is no such class.
pub fn prefer_fast_cores() -> bool {
    #[cfg(target_os = "macos")]
    // SAFETY: it changes the calling thread alone, and the class is one of the system's own.
    let granted = unsafe { libc::pthread_set_qos_class_self_np(libc::qos_class_t::QOS_CLASS_USER_INTERACTIVE, 0) } == 0;
    #[cfg(not(target_os = "macos"))]
    let granted = false;
    granted
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_macos_has_classes() {
        assert_eq!(super::prefer_fast_cores(), cfg!(target_os = "macos"));
    }
}
