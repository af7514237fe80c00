// Register tiles of plain weights. x0 to x6 = tokens; x10 = the strip; x11 = fours of groups, x12 = groups left over; x13 = the output,
// x14 = from one row of it to the next; x15 = whether to add. z8 to z28 = sums, three of each token; z0 to z6 = tokens; z29 to z31 = weights.
    .arch_extension sve
    .arch_extension bf16
    .arch_extension i8mm
    // A vector of weights (w) times group k of a token (t).
    .macro roofprobe_mac sum, w, t, k
        .if {kind} <= {f16}
            fmla z\sum\().s, z\w\().s, z\t\().s[\k]
        .endif
        .if {kind} == {bf16}
            bfdot z\sum\().s, z\w\().h, z\t\().h[\k]
        .endif
        .if {kind} == {u8i8}
            sudot z\sum\().s, z\w\().b, z\t\().b[\k]
        .endif
        .if {kind} == {i8}
            sdot z\sum\().s, z\w\().b, z\t\().b[\k]
        .endif
    .endm
    .macro roofprobe_row t, a, b, c, k
        .if {rows} > \t
            roofprobe_mac \a, 29, \t, \k
            roofprobe_mac \b, 30, \t, \k
            roofprobe_mac \c, 31, \t, \k
        .endif
    .endm
    // Group k of the strip times that of each token.
    .macro roofprobe_group k
        .if {kind} == {f16}
            ld1h {{z29.s}}, p0/z, [x16, #(3 * \k - 8), mul vl]
            ld1h {{z30.s}}, p0/z, [x16, #(3 * \k - 7), mul vl]
            ld1h {{z31.s}}, p0/z, [x16, #(3 * \k - 6), mul vl]
            fcvt z29.s, p0/m, z29.h
            fcvt z30.s, p0/m, z30.h
            fcvt z31.s, p0/m, z31.h
        .else
            ldr z29, [x10, #(3 * \k), mul vl]
            ldr z30, [x10, #(3 * \k + 1), mul vl]
            ldr z31, [x10, #(3 * \k + 2), mul vl]
        .endif
        .if {kind} == {i8}
            sdot z26.s, z29.b, z7.b
            sdot z27.s, z30.b, z7.b
            sdot z28.s, z31.b, z7.b
        .endif
        roofprobe_row 0, 8, 9, 10, \k
        roofprobe_row 1, 11, 12, 13, \k
        roofprobe_row 2, 14, 15, 16, \k
        roofprobe_row 3, 17, 18, 19, \k
        roofprobe_row 4, 20, 21, 22, \k
        roofprobe_row 5, 23, 24, 25, \k
        roofprobe_row 6, 26, 27, 28, \k
    .endm
    .macro roofprobe_out t, a, b, c
        .if {rows} > \t
            .if {kind} == {i8}
                sub z\a\().s, z\a\().s, z26.s
                sub z\b\().s, z\b\().s, z27.s
                sub z\c\().s, z\c\().s, z28.s
            .endif
            cbz x15, 2f
            ldr z29, [x13]
            ldr z30, [x13, #1, mul vl]
            ldr z31, [x13, #2, mul vl]
            .if {kind} >= {u8i8}
                add z\a\().s, z\a\().s, z29.s
                add z\b\().s, z\b\().s, z30.s
                add z\c\().s, z\c\().s, z31.s
            .else
                fadd z\a\().s, z\a\().s, z29.s
                fadd z\b\().s, z\b\().s, z30.s
                fadd z\c\().s, z\c\().s, z31.s
            .endif
        2:
            str z\a, [x13]
            str z\b, [x13, #1, mul vl]
            str z\c, [x13, #2, mul vl]
            add x13, x13, x14
        .endif
    .endm
    ptrue p0.s
    .irp z, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        mov z\z\().d, #0
    .endr
    mov z7.b, #-128
    mov x9, #0
    cbz x11, 4f
3:
    .irp t, 0, 1, 2, 3, 4, 5, 6
        .if {rows} > \t
            ld1rqw {{z\t\().s}}, p0/z, [x\t, x9, lsl #2]
            .if {kind} == {i8}
                eor z\t\().b, z\t\().b, #0x80
            .endif
        .endif
    .endr
    .if {kind} == {f16}
        addvl x16, x10, #4
    .endif
    roofprobe_group 0
    roofprobe_group 1
    roofprobe_group 2
    roofprobe_group 3
    add x9, x9, #4
    .if {kind} == {f16}
        addvl x10, x10, #6
    .else
        addvl x10, x10, #12
    .endif
    subs x11, x11, #1
    b.ne 3b
4:
    cbz x12, 6f
5:
    .irp t, 0, 1, 2, 3, 4, 5, 6
        .if {rows} > \t
            ldr w17, [x\t, x9, lsl #2]
            mov z\t\().s, w17
            .if {kind} == {i8}
                eor z\t\().b, z\t\().b, #0x80
            .endif
        .endif
    .endr
    .if {kind} == {f16}
        addvl x16, x10, #4
    .endif
    roofprobe_group 0
    add x9, x9, #1
    .if {kind} == {f16}
        incw x10, all, mul #6
    .else
        addvl x10, x10, #3
    .endif
    subs x12, x12, #1
    b.ne 5b
6:
    roofprobe_out 0, 8, 9, 10
    roofprobe_out 1, 11, 12, 13
    roofprobe_out 2, 14, 15, 16
    roofprobe_out 3, 17, 18, 19
    roofprobe_out 4, 20, 21, 22
    roofprobe_out 5, 23, 24, 25
    roofprobe_out 6, 26, 27, 28
    .purgem roofprobe_mac
    .purgem roofprobe_row
    .purgem roofprobe_group
    .purgem roofprobe_out
