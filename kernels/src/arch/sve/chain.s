// Chains. x0 = start values; x1 = operands; x2 = sums; x3 = rounds left. Accumulators are in z0 to z23.
    .arch_extension sve
    .arch_extension bf16
    .arch_extension i8mm
    .macro roofprobe_step n, b
        .if {step} == {f64}
            fmad z\n\().d, p0/m, z\n\().d, z29.d
        .endif
        .if {step} == {f32}
            fmad z\n\().s, p0/m, z\n\().s, z29.s
        .endif
        .if {step} == {f16}
            fmad z\n\().h, p0/m, z\n\().h, z29.h
        .endif
        .if {step} == {bf16}
            bfdot z\n\().s, z29.h, z\b\().h
        .endif
        .if {step} == {u8i8}
            usdot z\n\().s, z\n\().b, z29.b
        .endif
    .endm
    ptrue p0.b
    ldr z29, [x1]
    ldr z30, [x1, #1, mul vl]
    ldr z31, [x1, #2, mul vl]
    cbz x3, 9f
2:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
        .if \n < {n}
            ldr z\n, [x0, #\n, mul vl]
        .endif
    .endr
    mov x4, {pairs}
3:
    // The second operand of dot products alternates.
    .irp b, 30, 31
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
            .if \n < {n}
                roofprobe_step \n, \b
            .endif
        .endr
    .endr
    subs x4, x4, #1
    b.ne 3b
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
        .if \n < {n}
            ldr z28, [x2, #\n, mul vl]
            .if {step} == {f64}
                add z28.d, z28.d, z\n\().d
            .endif
            .if {step} == {f16}
                add z28.h, z28.h, z\n\().h
            .endif
            .if ({step} != {f64}) && ({step} != {f16})
                add z28.s, z28.s, z\n\().s
            .endif
            str z28, [x2, #\n, mul vl]
        .endif
    .endr
    subs x3, x3, #1
    b.ne 2b
9:
    .purgem roofprobe_step
