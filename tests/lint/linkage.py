#!/usr/bin/python3
"""Which libraries each program links: its address space holds only the code of its own role.

linkage.py DIRECTORY: the directory of the programs.
"""

import pathlib
import re
import sys

import elf
import tree

EVERYWHERE = {"libc", "libm", "libstdc++", "libgcc_s", "ld-linux"}
# Every program enters the sandbox by itself.
SANDBOX = {"libseccomp", "libcap-ng"}

# Program -> the libraries that it may link, besides those above.
MAY_LINK = {
    "localproxy": {"libevent_core", "libnettle"},
    "localproxy-net": {"libevent_core", "libssl", "libcrypto", "libprotobuf-lite"},
    "localproxy-bridge": {"libevent_core"},
    "localproxy-resolve": {"libevent_core"},
    "localproxy-launch": {"libevent_core"},
}


def library(soname):
    """The name of a library without its version: libevent_core-2.1.so.7 is libevent_core."""
    return "ld-linux" if soname.startswith("ld-linux") else re.sub(r"(-[0-9.]+)?\.so.*$", "", soname)


def check(directory, program, allowed):
    path = directory / program
    if not path.exists():
        return [f"{path} is missing"]
    needed = {library(soname): soname for soname in elf.dynamic(path).get("NEEDED", [])}
    return [f"{program} must not link {soname}"
            for name, soname in sorted(needed.items()) if name not in allowed | EVERYWHERE | SANDBOX]


def main():
    directory = pathlib.Path(sys.argv[1])
    problems = [problem for program, allowed in MAY_LINK.items() for problem in check(directory, program, allowed)]
    tree.finish(problems, len(MAY_LINK))


if __name__ == "__main__":
    main()
