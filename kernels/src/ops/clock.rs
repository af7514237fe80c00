//! The clock's yardstick: a chain of dependent register additions, one per cycle on every core in sight.
//!
//! Timed by the caller, it gives the frequency at which the thread really runs, which no file in `/proc` tells.

/// Additions per loop turn; the loop's own two instructions run beside them.
const UNROLL: u64 = 32;

/// Runs at least `count` dependent additions and returns how many; `None` on an architecture for which there is no
/// such chain yet.
///
/// The second operand is a register: some cores add small constants at rename, in no time.
#[inline(never)]
pub fn dependent_adds(count: u64) -> Option<u64> {
    let turns = count.div_ceil(UNROLL).max(1);
    run(turns).then_some(turns * UNROLL)
}

#[cfg(target_arch = "x86_64")]
fn run(turns: u64) -> bool {
    // SAFETY: register arithmetic only; the counter and the sum are declared as overwritten.
    unsafe {
        std::arch::asm!(
            "2:\n.rept 32\nadd {sum}, {one}\n.endr\nsub {turns}, 1\njnz 2b",
            sum = inout(reg) 0_u64 => _,
            one = in(reg) std::hint::black_box(1_u64),
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
    true
}

#[cfg(target_arch = "aarch64")]
fn run(turns: u64) -> bool {
    // SAFETY: register arithmetic only; the counter and the sum are declared as overwritten.
    unsafe {
        std::arch::asm!(
            "2:\n.rept 32\nadd {sum}, {sum}, {one}\n.endr\nsubs {turns}, {turns}, #1\nb.ne 2b",
            sum = inout(reg) 0_u64 => _,
            one = in(reg) std::hint::black_box(1_u64),
            turns = inout(reg) turns => _,
            options(nomem, nostack),
        );
    }
    true
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn run(_turns: u64) -> bool {
    false
}
