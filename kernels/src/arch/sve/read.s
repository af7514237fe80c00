// Reads. x20 = the array; x21 = bytes of a part, x22 = its elements; x24 = elements behind the parts; x25 = walks left.
// x0 to x15 = where each part is read; x16 = elements read of each. Sums are in z0 to z7. The checksum ends in x16.
    .arch_extension sve
    ptrue p0.d
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        mov z\u\().d, #0
    .endr
    cbz x25, 9f
2:
    mov x17, x20
    .irp s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .if \s < {streams}
            mov x\s, x17
            add x17, x17, x21
        .endif
    .endr
    mov x16, #0
    cbz x22, 4f
3:
    // A vector of each part, at its beginning and the common index.
    .if {vectors} == 1
        .irp u, 0, 1, 2, 3, 4, 5, 6, 7
            ld1d {{z2\u\().d}}, p0/z, [x\u, x16, lsl #3]
        .endr
        .if {unroll} == 16
            ld1d {{z10.d}}, p0/z, [x8, x16, lsl #3]
            ld1d {{z11.d}}, p0/z, [x9, x16, lsl #3]
            ld1d {{z12.d}}, p0/z, [x10, x16, lsl #3]
            ld1d {{z13.d}}, p0/z, [x11, x16, lsl #3]
            ld1d {{z14.d}}, p0/z, [x12, x16, lsl #3]
            ld1d {{z15.d}}, p0/z, [x13, x16, lsl #3]
            ld1d {{z16.d}}, p0/z, [x14, x16, lsl #3]
            ld1d {{z17.d}}, p0/z, [x15, x16, lsl #3]
        .endif
    .else
        // Vector u is of part u / vectors, at the part's pointer.
        .irp u, 0, 1, 2, 3, 4, 5, 6, 7
            .irp s, 0, 1, 2, 3, 4, 5, 6, 7
                .if (\u / {vectors}) == \s
                    ldr z2\u, [x\s, #(\u % {vectors}), mul vl]
                .endif
                .if ({unroll} == 16) && (((\u + 8) / {vectors}) == \s)
                    ldr z1\u, [x\s, #((\u + 8) % {vectors}), mul vl]
                .endif
            .endr
        .endr
    .endif
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        add z\u\().d, z\u\().d, z2\u\().d
    .endr
    .if {unroll} == 16
        .irp u, 0, 1, 2, 3, 4, 5, 6, 7
            add z\u\().d, z\u\().d, z1\u\().d
        .endr
    .endif
    .if {vectors} > 1
        .irp s, 0, 1, 2, 3, 4, 5, 6, 7
            .if \s < {streams}
                incb x\s, all, mul #{vectors}
            .endif
        .endr
    .endif
    incd x16, all, mul #{vectors}
    cmp x16, x22
    b.lo 3b
4:
    // What is behind the parts.
    mov x16, #0
    whilelo p1.d, x16, x24
    b.eq 6f
5:
    ld1d {{z20.d}}, p1/z, [x17, x16, lsl #3]
    add z0.d, z0.d, z20.d
    incd x16
    whilelo p1.d, x16, x24
    b.mi 5b
6:
    subs x25, x25, #1
    b.ne 2b
9:
    .irp u, 1, 2, 3, 4, 5, 6, 7
        add z0.d, z0.d, z\u\().d
    .endr
    uaddv d0, p0, z0.d
    fmov x16, d0
