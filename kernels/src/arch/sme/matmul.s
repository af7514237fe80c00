// All strips times some tokens. x0 = tokens, x1 = from one to the next, x2 = how many; x3 = words of k; x4 = room for them transposed;
// x5 = the strip, x6 = from one to the next, x7 = how many are left; x9 = the output, x10 = from one row of it to the next; x11 = whether to
// add; x13 = rows of a tile, x14 and x15 = rows of C in the first and in the second one.
    .arch_extension sme
    .macro roofprobe_mopa tile, a, b
        .if {kind} == {f32}
            fmopa za\tile\().s, p0/m, p0/m, z\a\().s, z\b\().s
        .endif
        .if {kind} == {bf16}
            bfmopa za\tile\().s, p0/m, p0/m, z\a\().h, z\b\().h
        .endif
        .if {kind} == {u8i8}
            usmopa za\tile\().s, p0/m, p0/m, z\a\().b, z\b\().b
        .endif
    .endm
    smstart
    ptrue p0.b
    pfalse p2.b
    // Tokens are transposed = x20 is where from, x21 where to, x22 rows left, x23 bytes of a word of all tokens.
    rdsvl x23, #1
    .if {tall}
        lsl x23, x23, #1
    .endif
    mov x20, x0
    mov x21, x4
    mov x22, x2
20:
    mov x24, #0
    mov x25, x21
    // As many words as a tile has rows.
21:
    whilelo p1.s, x24, x3
    add x26, x20, x24, lsl #2
    mov w12, #0
22:
    cmp x12, x22
    b.hs 23f
    ld1w {{za0h.s[w12, 0]}}, p1/z, [x26]
    add x26, x26, x1
    b 24f
23:
    ld1w {{za0h.s[w12, 0]}}, p2/z, [x4]
24:
    add w12, w12, #1
    cmp w12, w13
    b.lo 22b
    mov w12, #0
25:
    mov z0.s, p0/m, za0v.s[w12, 0]
    str z0, [x25]
    add x25, x25, x23
    add x24, x24, #1
    add w12, w12, #1
    cmp x24, x3
    b.hs 26f
    cmp w12, w13
    b.lo 25b
    b 21b
26:
    .if {tall}
        // The second tile's tokens, once.
        cmp x21, x4
        b.ne 27f
        addvl x21, x21, #1
        madd x20, x13, x1, x20
        sub x22, x22, x13
        b 20b
    27:
    .endif
    // Strips = x5 is the strip, x9 its columns of C.
30:
    zero {{za}}
    cbz x11, 33f
    mov x26, x9
    mov w12, #0
31:
    ld1w {{za0h.s[w12, 0]}}, p0/z, [x26]
    addvl x25, x26, #1
    ld1w {{za1h.s[w12, 0]}}, p0/z, [x25]
    add x26, x26, x10
    add w12, w12, #1
    cmp w12, w14
    b.lo 31b
    .if {tall}
        mov w12, #0
    32:
        ld1w {{za2h.s[w12, 0]}}, p0/z, [x26]
        addvl x25, x26, #1
        ld1w {{za3h.s[w12, 0]}}, p0/z, [x25]
        add x26, x26, x10
        add w12, w12, #1
        cmp w12, w15
        b.lo 32b
    .endif
33:
    mov x20, x4
    mov x21, x5
    lsr x22, x3, #1
    cbz x22, 35f
    // Two words of k.
34:
    .if {tall}
        ldr z0, [x20]
        ldr z2, [x21]
        roofprobe_mopa 0, 0, 2
        ldr z3, [x21, #1, mul vl]
        roofprobe_mopa 1, 0, 3
        ldr z1, [x20, #1, mul vl]
        roofprobe_mopa 2, 1, 2
        roofprobe_mopa 3, 1, 3
        ldr z4, [x20, #2, mul vl]
        ldr z6, [x21, #2, mul vl]
        roofprobe_mopa 0, 4, 6
        ldr z7, [x21, #3, mul vl]
        roofprobe_mopa 1, 4, 7
        ldr z5, [x20, #3, mul vl]
        roofprobe_mopa 2, 5, 6
        roofprobe_mopa 3, 5, 7
        addvl x20, x20, #4
    .else
        ldr z0, [x20]
        ldr z2, [x21]
        roofprobe_mopa 0, 0, 2
        ldr z3, [x21, #1, mul vl]
        roofprobe_mopa 1, 0, 3
        ldr z1, [x20, #1, mul vl]
        ldr z4, [x21, #2, mul vl]
        roofprobe_mopa 2, 1, 4
        ldr z5, [x21, #3, mul vl]
        roofprobe_mopa 3, 1, 5
        addvl x20, x20, #2
    .endif
    addvl x21, x21, #4
    subs x22, x22, #1
    b.ne 34b
35:
    tbz x3, #0, 36f
    ldr z0, [x20]
    ldr z2, [x21]
    ldr z3, [x21, #1, mul vl]
    roofprobe_mopa 0, 0, 2
    roofprobe_mopa 1, 0, 3
    .if {tall}
        ldr z1, [x20, #1, mul vl]
        roofprobe_mopa 2, 1, 2
        roofprobe_mopa 3, 1, 3
    .endif
36:
    mov x26, x9
    mov w12, #0
37:
    addvl x25, x26, #1
    .if {tall}
        st1w {{za0h.s[w12, 0]}}, p0, [x26]
        st1w {{za1h.s[w12, 0]}}, p0, [x25]
    .else
        mov z0.s, p0/m, za0h.s[w12, 0]
        mov z1.s, p0/m, za1h.s[w12, 0]
        mov z2.s, p0/m, za2h.s[w12, 0]
        mov z3.s, p0/m, za3h.s[w12, 0]
        .if {kind} == {u8i8}
            add z0.s, z0.s, z2.s
            add z1.s, z1.s, z3.s
        .else
            fadd z0.s, z0.s, z2.s
            fadd z1.s, z1.s, z3.s
        .endif
        str z0, [x26]
        str z1, [x25]
    .endif
    add x26, x26, x10
    add w12, w12, #1
    cmp w12, w14
    b.lo 37b
    .if {tall}
        mov w12, #0
    38:
        addvl x25, x26, #1
        st1w {{za2h.s[w12, 0]}}, p0, [x26]
        st1w {{za3h.s[w12, 0]}}, p0, [x25]
        add x26, x26, x10
        add w12, w12, #1
        cmp w12, w15
        b.lo 38b
    .endif
    add x5, x5, x6
    addvl x9, x9, #2
    subs x7, x7, #1
    b.ne 30b
    smstop
    .purgem roofprobe_mopa
