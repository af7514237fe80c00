// Register tiles of small blocks. x0 = the panel; x10 = the strip; x11 = blocks left; x13 = the output, x14 = from one row of it to the next.
// z8 to z15 = sums of each token; z16 to z23 = those of a block; z2 = scales of weights; z4, z5 = of tokens.
    .arch_extension sve
    .arch_extension i8mm
    .macro roofprobe_dot sum, w, t, k
        .if {mixed}
            usdot z\sum\().s, z\w\().b, z\t\().b[\k]
        .else
            sdot z\sum\().s, z\w\().b, z\t\().b[\k]
        .endif
    .endm
    // The next word of every token, rows 0 to 3 and 4 to 7.
    .macro roofprobe_word first, second
        ld1rqw {{z\first\().s}}, p1/z, [x0, x9, lsl #2]
        .if {rows} > 4
            ld1rqw {{z\second\().s}}, p2/z, [x1, x9, lsl #2]
        .endif
        add x9, x9, #{rows}
    .endm
    // A vector of quants times the next word of every token.
    .macro roofprobe_quants w
        roofprobe_word 0, 1
        .if {rows} > 0
            roofprobe_dot 16, \w, 0, 0
        .endif
        .if {rows} > 1
            roofprobe_dot 17, \w, 0, 1
        .endif
        .if {rows} > 2
            roofprobe_dot 18, \w, 0, 2
        .endif
        .if {rows} > 3
            roofprobe_dot 19, \w, 0, 3
        .endif
        .if {rows} > 4
            roofprobe_dot 20, \w, 1, 0
        .endif
        .if {rows} > 5
            roofprobe_dot 21, \w, 1, 1
        .endif
        .if {rows} > 6
            roofprobe_dot 22, \w, 1, 2
        .endif
        .if {rows} > 7
            roofprobe_dot 23, \w, 1, 3
        .endif
    .endm
    .macro roofprobe_scale int, sum, t, k
        scvtf z\int\().s, p0/m, z\int\().s
        fmul z3.s, z2.s, z\t\().s[\k]
        fmla z\sum\().s, p0/m, z\int\().s, z3.s
    .endm
    .macro roofprobe_block half
        ld1h {{z2.s}}, p0/z, [x10, #\half, mul vl]
        fcvt z2.s, p0/m, z2.h
        roofprobe_word 4, 5
        roofprobe_word 0, 1
        .if {mixed} || {nibbles}
            .if {rows} > 0
                mov z16.s, z0.s[0]
            .endif
            .if {rows} > 1
                mov z17.s, z0.s[1]
            .endif
            .if {rows} > 2
                mov z18.s, z0.s[2]
            .endif
            .if {rows} > 3
                mov z19.s, z0.s[3]
            .endif
            .if {rows} > 4
                mov z20.s, z1.s[0]
            .endif
            .if {rows} > 5
                mov z21.s, z1.s[1]
            .endif
            .if {rows} > 6
                mov z22.s, z1.s[2]
            .endif
            .if {rows} > 7
                mov z23.s, z1.s[3]
            .endif
        .else
            mov z16.d, #0
            mov z17.d, #0
            mov z18.d, #0
            mov z19.d, #0
            mov z20.d, #0
            mov z21.d, #0
            mov z22.d, #0
            mov z23.d, #0
        .endif
        .if {nibbles}
            ldr z24, [x10, #(1 + 4 * \half + 0), mul vl]
            lsr z28.b, z24.b, #4
            and z24.b, z24.b, #0x0f
            roofprobe_quants 24
            ldr z24, [x10, #(1 + 4 * \half + 1), mul vl]
            lsr z29.b, z24.b, #4
            and z24.b, z24.b, #0x0f
            roofprobe_quants 24
            ldr z24, [x10, #(1 + 4 * \half + 2), mul vl]
            lsr z30.b, z24.b, #4
            and z24.b, z24.b, #0x0f
            roofprobe_quants 24
            ldr z24, [x10, #(1 + 4 * \half + 3), mul vl]
            lsr z31.b, z24.b, #4
            and z24.b, z24.b, #0x0f
            roofprobe_quants 24
            roofprobe_quants 28
            roofprobe_quants 29
            roofprobe_quants 30
            roofprobe_quants 31
        .else
            .irp q, 0, 1, 2, 3, 4, 5, 6, 7
                ldr z24, [x10, #(1 + 8 * \half + \q), mul vl]
                .if {mixed} == 0
                    eor z24.b, z24.b, #0x80
                .endif
                roofprobe_quants 24
            .endr
        .endif
        .if {rows} > 0
            roofprobe_scale 16, 8, 4, 0
        .endif
        .if {rows} > 1
            roofprobe_scale 17, 9, 4, 1
        .endif
        .if {rows} > 2
            roofprobe_scale 18, 10, 4, 2
        .endif
        .if {rows} > 3
            roofprobe_scale 19, 11, 4, 3
        .endif
        .if {rows} > 4
            roofprobe_scale 20, 12, 5, 0
        .endif
        .if {rows} > 5
            roofprobe_scale 21, 13, 5, 1
        .endif
        .if {rows} > 6
            roofprobe_scale 22, 14, 5, 2
        .endif
        .if {rows} > 7
            roofprobe_scale 23, 15, 5, 3
        .endif
    .endm
    ptrue p0.s
    mov x9, #{rows}
    whilelo p1.s, xzr, x9
    mov x1, #4
    whilelo p2.s, x1, x9
    add x1, x0, #16
    .irp z, 8, 9, 10, 11, 12, 13, 14, 15
        mov z\z\().d, #0
    .endr
    mov x9, #0
    cbz x11, 4f
3:
    roofprobe_block 0
    subs x11, x11, #1
    b.eq 4f
    roofprobe_block 1
    .if {nibbles}
        addvl x10, x10, #9
    .else
        addvl x10, x10, #17
    .endif
    subs x11, x11, #1
    b.ne 3b
4:
    .irp z, 8, 9, 10, 11, 12, 13, 14, 15
        .if {rows} > (\z - 8)
            str z\z, [x13]
            add x13, x13, x14
        .endif
    .endr
    .irp m, dot, word, quants, scale, block
        .purgem roofprobe_\m
    .endr
