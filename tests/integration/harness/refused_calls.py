#!/usr/bin/python3
"""Executes a program for which the kernel refuses some system calls, as under a container's filter.

refused_calls.py CALL=ERROR... -- PROGRAM ARGUMENT...

CALL: a name, or NAME:VALUE for calls whose first argument is VALUE, or NAME:VALUE/MASK for calls whose first argument
has VALUE in the bits of MASK. ERROR: as in errno.h.
"""

import ctypes
import errno
import os
import sys

# <seccomp.h>
SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO = 0x00050000
SCMP_CMP_MASKED_EQ = 7
SCMP_FLTATR_CTL_NNP = 3
EVERY_BIT = 0xFFFFFFFF


def check(done, what):
    if done < 0:
        raise OSError(ctypes.get_errno(), what)


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("mask", ctypes.c_uint64),
                ("value", ctypes.c_uint64)]


def parsed(rule):
    """(name, comparisons, errno)"""
    call, error = rule.split("=")
    name, _, condition = call.partition(":")
    if not condition:
        return name, [], getattr(errno, error)
    value, _, mask = condition.partition("/")
    return name, [Comparison(0, SCMP_CMP_MASKED_EQ, int(mask or str(EVERY_BIT), 0), int(value, 0))], getattr(errno, error)


def refuse(rules):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Comparison)]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    context = library.seccomp_init(SCMP_ACT_ALLOW)
    if os.geteuid() == 0:  # root needs no no-new-privs to load a filter
        check(library.seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0), "seccomp_attr_set")
    for name, comparisons, error in map(parsed, rules):
        number = library.seccomp_syscall_resolve_name(name.encode())
        given = (Comparison * len(comparisons))(*comparisons)
        check(library.seccomp_rule_add_array(context, SCMP_ACT_ERRNO | error, number, len(given), given),
              f"a rule for {name}")
    check(library.seccomp_load(context), "seccomp_load")


def main():
    end = sys.argv.index("--")
    refuse(sys.argv[1:end])
    os.execv(sys.argv[end + 1], sys.argv[end + 1:])


if __name__ == "__main__":
    main()
