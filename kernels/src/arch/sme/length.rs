//! How long this CPU's vectors are in streaming mode, and whether it has one.

use std::arch::asm;

/// Bytes of a vector in the shortest form.
const GRANULE_BYTES: usize = 16;

/// Times 128 bits of a vector of this thread in streaming mode. Only where the CPU has SME.
pub(super) fn granules() -> usize {
    lengthen();
    let bytes: usize;
    // SAFETY: reads the length into a register, in any mode.
    unsafe {
        asm!(".arch_extension sme", "rdsvl {}, #1", out(reg) bytes, options(nomem, nostack, preserves_flags));
    }
    bytes / GRANULE_BYTES
}

/// Times the smallest tile's elements of a tile.
pub(super) fn granules_squared() -> usize {
    granules() * granules()
}

/// Asks Linux for the longest vectors, once for each thread: as a rule a thread begins with at most 256 bits, whatever the CPU has.
/// Where it is refused, vectors stay as they are.
#[cfg(any(target_os = "linux", target_os = "android"))]
// It is const already; the lint does not see it where the system has no thread locals of its own.
#[allow(clippy::missing_const_for_thread_local)]
fn lengthen() {
    use std::cell::Cell;
    const PR_SME_SET_VL: libc::c_int = 63;
    /// More than the architecture has: Linux takes the longest there is.
    const BYTES_MAX: libc::c_ulong = 8192;
    thread_local! { static ASKED: Cell<bool> = const { Cell::new(false) } }
    if !ASKED.replace(true) {
        // SAFETY: takes two integers. Nobody is in streaming mode, or keeps anything in ZA, from one function to the next.
        unsafe { libc::prctl(PR_SME_SET_VL, BYTES_MAX) };
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn lengthen() {}

/// Whether the system says that this CPU has SME; with outer products of f64 too, if they are asked for.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn available(doubles: bool) -> bool {
    const SME: libc::c_ulong = 1 << 23;
    const SME_F64F64: libc::c_ulong = 1 << 25;
    // SAFETY: reads a table that the system gave the process.
    let features = unsafe { libc::getauxval(libc::AT_HWCAP2) };
    features & SME != 0 && (!doubles || features & SME_F64F64 != 0)
}

/// The same of macOS.
#[cfg(target_vendor = "apple")]
pub(super) fn available(doubles: bool) -> bool {
    let has = |name: &std::ffi::CStr| {
        let (mut value, mut bytes) = (0_i32, size_of::<i32>());
        // SAFETY: the name ends in zero, and there is room for the value.
        let failed = unsafe {
            libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut bytes, std::ptr::null_mut(), 0)
        };
        failed == 0 && value == 1
    };
    has(c"hw.optional.arm.FEAT_SME") && (!doubles || has(c"hw.optional.arm.FEAT_SME_F64F64"))
}

/// No other system that roofprobe knows says so.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn available(_doubles: bool) -> bool {
    false
}
