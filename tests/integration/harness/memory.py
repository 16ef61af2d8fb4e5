"""Searches the memory of a running process for secrets that must not be there. Needs root."""

import os
import pathlib
import re

# The shortest piece that would help an attacker.
PIECE = 16


def regions(pid):
    """(start, end, name) of each readable mapping of a process."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)", line)
        if found and found[3] not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
            yield int(found[1], 16), int(found[2], 16), found[3]


def memory_of(pid):
    """(start, name, bytes) of each region."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for start, end, name in regions(pid):
            try:
                yield start, name, os.pread(memory, end - start, start)
            except OSError:
                continue  # pages that belong to the kernel
    finally:
        os.close(memory)


def pieces(secret):
    """Overlapping pieces of a secret, a text or bytes, so that a partly overwritten copy is found too."""
    data = secret if isinstance(secret, bytes) else secret.encode()
    return [data[at:at + PIECE] for at in range(0, len(data) - PIECE + 1, PIECE // 2)]


def found_in(pid, secret):
    return {name or "anonymous" for _, name, content in memory_of(pid) for piece in pieces(secret) if piece in content}


def places_of(pid, secret):
    """The addresses of its copies."""
    return [start + found.start() for start, _, content in memory_of(pid)
            for found in re.finditer(re.escape(secret.encode()), content)]


def flags_of(pid, address):
    """The kernel's flags for the mapping of an address (proc(5), VmFlags)."""
    inside = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(found[1], 16) <= address < int(found[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return line.split()[1:]
    raise AssertionError(f"{address:x} is in no mapping of {pid}")
