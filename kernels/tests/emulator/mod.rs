//! Instructions that an emulator at hand gets wrong, tried one by one: no kernel made of them can be right there.

use roofprobe_kernels::{Dtype, Isa};

/// Whether this machine, or what emulates it, computes the outer products of such a kernel. QEMU before 8.1 (7.2.22 tried, 10.0.2 is
/// right) takes 64 bits for 32 in those of bytes.
pub(crate) fn computes(isa: Isa, dtype: Dtype) -> bool {
    isa != Isa::Sme || dtype != Dtype::I8 || !isa.available() || outer_product_of_bytes()
}

#[cfg(not(target_arch = "aarch64"))]
fn outer_product_of_bytes() -> bool {
    true
}

/// The first row of one product.
#[cfg(target_arch = "aarch64")]
fn outer_product_of_bytes() -> bool {
    /// Of the longest vector.
    const BYTES: usize = 256;
    let a: [u8; BYTES] = std::array::from_fn(|i| 255 - i as u8);
    let b: [i8; BYTES] = std::array::from_fn(|i| i.wrapping_mul(37) as i8);
    let (mut row, mut words) = ([0_i32; BYTES / 4], 0);
    // SAFETY: called where there is SME. The arrays have room for the longest vectors; streaming mode is entered and left in here, and
    // the registers that this clears are declared as overwritten.
    unsafe {
        std::arch::asm!(
            ".arch_extension sme",
            "smstart",
            "ptrue p0.b",
            "zero {{za}}",
            "ldr z0, [{a}]",
            "ldr z1, [{b}]",
            "usmopa za0.s, p0/m, p0/m, z0.b, z1.b",
            "mov w12, #0",
            "st1w {{za0h.s[w12, 0]}}, p0, [{row}]",
            "cntw {words}",
            "smstop",
            a = in(reg) a.as_ptr(), b = in(reg) b.as_ptr(), row = in(reg) row.as_mut_ptr(), words = inout(reg) words,
            out("x12") _, out("p0") _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        );
    }
    let product = |b: &[i8; 4]| -> i32 { a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum() };
    let expected: Vec<i32> = b.as_chunks::<4>().0.iter().map(product).collect();
    words >= 4 && row[..words] == expected[..words]
}
