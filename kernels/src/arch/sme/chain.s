// Chains of outer products. x0 = start values; x1 = operands; x2 = sums; x3 = rounds left; x6 = rows of a tile.
    .arch_extension sme
    .arch_extension sme-f64f64
    .macro roofprobe_product t, b
        .if {kind} == {f32}
            fmopa za\t\().s, p0/m, p0/m, z0.s, z\b\().s
        .endif
        .if {kind} == {f64}
            fmopa za\t\().d, p0/m, p0/m, z0.d, z\b\().d
        .endif
        .if {kind} == {bf16}
            bfmopa za\t\().s, p0/m, p0/m, z0.h, z\b\().h
        .endif
        .if {kind} == {u8i8}
            usmopa za\t\().s, p0/m, p0/m, z0.b, z\b\().b
        .endif
    .endm
    smstart
    ptrue p0.b
    ldr z0, [x1]
    ldr z1, [x1, #1, mul vl]
    ldr z2, [x1, #2, mul vl]
    cbz x3, 9f
2:
    mov x5, x0
    .irp t, 0, 1, 2, 3, 4, 5, 6, 7
        .if \t < {n}
            mov w12, #0
        4:
            .if {kind} == {f64}
                ld1d {{za\t\()h.d[w12, 0]}}, p0/z, [x5]
            .else
                ld1w {{za\t\()h.s[w12, 0]}}, p0/z, [x5]
            .endif
            addvl x5, x5, #1
            add w12, w12, #1
            cmp w12, w6
            b.lo 4b
        .endif
    .endr
    mov x4, {turns}
3:
    // The second operand alternates.
    .irp b, 1, 2, 1, 2
        .irp t, 0, 1, 2, 3, 4, 5, 6, 7
            .if \t < {n}
                roofprobe_product \t, \b
            .endif
        .endr
    .endr
    subs x4, x4, #1
    b.ne 3b
    mov x5, x2
    .irp t, 0, 1, 2, 3, 4, 5, 6, 7
        .if \t < {n}
            mov w12, #0
        5:
            ldr z4, [x5]
            .if {kind} == {f64}
                mov z3.d, p0/m, za\t\()h.d[w12, 0]
                add z3.d, z3.d, z4.d
            .else
                mov z3.s, p0/m, za\t\()h.s[w12, 0]
                add z3.s, z3.s, z4.s
            .endif
            str z3, [x5]
            addvl x5, x5, #1
            add w12, w12, #1
            cmp w12, w6
            b.lo 5b
        .endif
    .endr
    subs x3, x3, #1
    b.ne 2b
9:
    smstop
    .purgem roofprobe_product
