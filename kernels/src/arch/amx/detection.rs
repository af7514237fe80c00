//! Whether this CPU and its operating system have AMX, and let this process use it.

use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

/// Bits of CPUID leaf 7 in EDX.
const CPUID_BF16: u32 = 1 << 22;
const CPUID_TILE: u32 = 1 << 24;
const CPUID_INT8: u32 = 1 << 25;

/// Whether this CPU multiplies tiles (of bytes or of bfloat16), and the system lets this process.
pub(super) fn available(bytes: bool) -> bool {
    let product = if bytes { CPUID_INT8 } else { CPUID_BF16 };
    let features = if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 };
    features & CPUID_TILE != 0 && features & product != 0 && tiles_are_kept() && permitted()
}

/// Whether the operating system keeps the tiles' state when it switches threads.
fn tiles_are_kept() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    /// Components 17 and 18: the tiles' configuration and their data.
    const TILES: u64 = 3 << 17;
    #[target_feature(enable = "xsave")]
    fn enabled_components() -> u64 {
        // SAFETY: XCR0 always exists where XGETBV does.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: OSXSAVE says that the CPU has XGETBV and the system has enabled it.
    __cpuid(1).ecx & OSXSAVE != 0 && unsafe { enabled_components() } & TILES == TILES
}

/// Asks Linux for the tiles' data, once for all threads of the process. Without it the first tile instruction kills.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    use std::sync::OnceLock;
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILE_DATA: libc::c_ulong = 18;
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        // SAFETY: a request that takes two integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) == 0 }
    })
}

/// No other system that roofprobe knows lets a process ask.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
