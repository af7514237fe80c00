#!/usr/bin/env python3
"""deny.py CALL[,CALL…] COMMAND…: runs a command to which the kernel refuses these system calls with EPERM, as a container's
filter may. Linux on x86-64 and AArch64; no rights are needed."""

import ctypes
import os
import platform
import struct
import sys

# Numbers of the calls: x86-64, AArch64 (the kernel's tables of each).
CALLS = {
    "madvise": (28, 233),
    "mbind": (237, 235),
    "perf_event_open": (298, 241),
    "sched_getaffinity": (204, 123),
    "sched_setaffinity": (203, 122),
    "set_mempolicy": (238, 237),
}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050000 | 1


def main():
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    numbers = [CALLS[name][column] for name in sys.argv[1].split(",")]
    steps = [(LOAD, 0, 0, 0)]
    for left, number in reversed(list(enumerate(reversed(numbers)))):
        steps.append((JUMP_IF_EQUAL, left + 1, 0, number))
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO_EPERM)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    text = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        sys.exit(f"no filter can be set: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[2], sys.argv[2:])


main()
