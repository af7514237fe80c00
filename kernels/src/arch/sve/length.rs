//! How long this CPU's vectors are.

use std::arch::asm;

/// Bytes of a vector in the shortest form.
const GRANULE_BYTES: usize = 16;

/// Times 128 bits of a vector of this thread. Only where the CPU has SVE.
pub(super) fn granules() -> usize {
    lengthen();
    let bytes: usize;
    // SAFETY: reads the length into a register.
    unsafe {
        asm!(".arch_extension sve", "rdvl {}, #1", out(reg) bytes, options(nomem, nostack, preserves_flags));
    }
    bytes / GRANULE_BYTES
}

/// Asks Linux for the longest vectors, once for each thread: as a rule a thread begins with at most 512 bits, whatever the CPU has.
/// Where it is refused, vectors stay as they are.
#[cfg(any(target_os = "linux", target_os = "android"))]
// On Android, where threads keep values by keys, the lint does not see that this one is constant.
#[allow(clippy::missing_const_for_thread_local)]
fn lengthen() {
    use std::cell::Cell;
    const PR_SVE_SET_VL: libc::c_int = 50;
    /// More than the architecture has: Linux takes the longest there is.
    const BYTES_MAX: libc::c_ulong = 8192;
    thread_local! { static ASKED: Cell<bool> = const { Cell::new(false) } }
    if !ASKED.replace(true) {
        // SAFETY: takes two integers. Nobody keeps anything in a vector's upper part from one function to the next.
        unsafe { libc::prctl(PR_SVE_SET_VL, BYTES_MAX) };
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn lengthen() {}
