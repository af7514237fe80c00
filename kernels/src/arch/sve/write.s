// What writes. x20, x21, x22 = x, y and the output; x23 = elements of whole turns, x24 = of the arrays; x25 = walks left; x26 = the factor.
    .arch_extension sve
    ptrue p0.d
    mov z31.d, x26
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        mov z2\u\().d, x26
    .endr
    cbz x25, 9f
2:
    mov x0, x20
    mov x1, x21
    mov x2, x22
    mov x16, #0
    cbz x23, 4f
3:
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        .if (\u < {unroll}) && ({op} != {write})
            ld1d {{z2\u\().d}}, p0/z, [x0, #\u, mul vl]
        .endif
    .endr
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        .if (\u < {unroll}) && ({op} >= {add})
            ld1d {{z1\u\().d}}, p0/z, [x1, #\u, mul vl]
        .endif
    .endr
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        .if (\u < {unroll}) && ({op} == {scale})
            fmul z2\u\().d, z2\u\().d, z31.d
        .endif
        .if (\u < {unroll}) && ({op} == {add})
            fadd z2\u\().d, z2\u\().d, z1\u\().d
        .endif
        .if (\u < {unroll}) && ({op} == {triad})
            fmla z2\u\().d, p0/m, z1\u\().d, z31.d
        .endif
    .endr
    .irp u, 0, 1, 2, 3, 4, 5, 6, 7
        .if \u < {unroll}
            .if {nontemporal}
                stnt1d {{z2\u\().d}}, p0, [x2, #\u, mul vl]
            .else
                st1d {{z2\u\().d}}, p0, [x2, #\u, mul vl]
            .endif
        .endif
    .endr
    incb x0, all, mul #{unroll}
    .if {op} >= {add}
        incb x1, all, mul #{unroll}
    .endif
    incb x2, all, mul #{unroll}
    incd x16, all, mul #{unroll}
    cmp x16, x23
    b.lo 3b
4:
    // What is left over; x16 is where it begins.
    whilelo p1.d, x16, x24
    b.eq 6f
5:
    mov z20.d, x26
    .if {op} != {write}
        ld1d {{z20.d}}, p1/z, [x20, x16, lsl #3]
    .endif
    .if {op} >= {add}
        ld1d {{z10.d}}, p1/z, [x21, x16, lsl #3]
    .endif
    .if {op} == {scale}
        fmul z20.d, z20.d, z31.d
    .endif
    .if {op} == {add}
        fadd z20.d, z20.d, z10.d
    .endif
    .if {op} == {triad}
        fmla z20.d, p0/m, z10.d, z31.d
    .endif
    st1d {{z20.d}}, p1, [x22, x16, lsl #3]
    .if {op} == {write}
        mov z20.d, x26
    .endif
    incd x16
    whilelo p1.d, x16, x24
    b.mi 5b
6:
    subs x25, x25, #1
    b.ne 2b
9:
