//! Single instructions by assembly.

/// One instruction that adds a product to its first operand. The last operand may be a lane of any register, or, if it is a half, of
/// the first sixteen.
///
/// A product with the first operand itself names it once: said twice, it would be copied first.
macro_rules! accumulate {
    ($instruction:literal, $sum:expr, $b:expr) => {{
        let mut sum = $sum;
        // SAFETY: the token of whoever calls this proves the instruction set.
        unsafe {
            std::arch::asm!($instruction, inout(vreg) sum, in(vreg) $b, options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }};
    ($instruction:literal, $sum:expr, $a:expr, $b:expr) => {
        accumulate!($instruction, $sum, $a, $b; in vreg;)
    };
    ($instruction:literal, $sum:expr, $a:expr, $b:expr; in $class:ident; $($lane:expr)?) => {{
        let mut sum = $sum;
        // SAFETY: the token of whoever calls this proves the instruction set.
        unsafe {
            std::arch::asm!($instruction, inout(vreg) sum, in(vreg) $a, in($class) $b, $(const $lane,)?
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }};
}
pub(super) use accumulate;

/// One instruction that makes a vector of two. Also where there is an intrinsic, if the compiler would make more instructions of it.
macro_rules! binary {
    ($instruction:literal, $result:ty, $a:expr, $b:expr) => {{
        let result: $result;
        std::arch::asm!($instruction, lateout(vreg) result, in(vreg) $a, in(vreg) $b,
            options(pure, nomem, nostack, preserves_flags));
        result
    }};
}
pub(super) use binary;
