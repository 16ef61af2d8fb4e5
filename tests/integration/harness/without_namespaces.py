#!/usr/bin/python3
"""Becomes a program that cannot make user namespaces.

without_namespaces.py limit|filter PROGRAM ARGUMENT...

limit: in a new user namespace, which has the ids of the present one and allows none below it. Needs root.
filter: unshare(CLONE_NEWUSER) fails with EPERM, as under RestrictNamespaces= of systemd.
"""

import ctypes
import ctypes.util
import os
import pathlib
import sys

CLONE_NEWUSER = 0x10000000
# "first id inside, first id outside, how many": all of them.
EVERY_ID = "0 0 4294967295"
# <seccomp.h>
SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO = 0x00050000
SCMP_CMP_MASKED_EQ = 7
SCMP_FLTATR_CTL_NNP = 3
EPERM = 1


def check(done, what):
    if done < 0:
        raise OSError(ctypes.get_errno(), what)


def enter_limited_namespace():
    """Another process writes the maps: in the new namespace this one has no rights over the old one's ids."""
    libc = ctypes.CDLL(None, use_errno=True)
    target = os.getpid()
    ready, go = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(go)
        os.read(ready, 1)
        for name in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{target}/{name}").write_text(EVERY_ID, encoding="ascii")
        os._exit(0)
    check(libc.unshare(CLONE_NEWUSER), "unshare")
    os.write(go, b"x")
    if os.waitpid(writer, 0)[1] != 0:
        raise OSError("the id maps could not be written")
    os.close(ready)
    os.close(go)
    pathlib.Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("mask", ctypes.c_uint64),
                ("value", ctypes.c_uint64)]


def enter_filter():
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Comparison)]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    context = library.seccomp_init(SCMP_ACT_ALLOW)
    if os.geteuid() == 0:  # which needs no such promise, as systemd's system services do not
        check(library.seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0), "seccomp_attr_set")
    new_user = Comparison(0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER)
    for name in (b"unshare", b"clone"):
        number = library.seccomp_syscall_resolve_name(name)
        check(library.seccomp_rule_add_array(context, SCMP_ACT_ERRNO | EPERM, number, 1, ctypes.byref(new_user)),
              "seccomp_rule_add_array")
    check(library.seccomp_load(context), "seccomp_load")


def main():
    {"limit": enter_limited_namespace, "filter": enter_filter}[sys.argv[1]]()
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
