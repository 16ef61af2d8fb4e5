"""Reads programs with readelf."""

import re
import subprocess


def readelf(option, program):
    done = subprocess.run(["readelf", "--wide", option, str(program)], check=True, capture_output=True, text=True,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return done.stdout


def dynamic(program):
    """Tag -> values of the dynamic section: {"NEEDED": ["libc.so.6"], "FLAGS_1": ["NOW PIE"], ...}."""
    entries = {}
    for match in re.finditer(r"^ 0x[0-9a-f]+ \((\w+)\)\s+(.*)$", readelf("--dynamic", program), re.MULTILINE):
        value = re.search(r"\[(.*)\]", match[2])
        entries.setdefault(match[1], []).append(value[1] if value else match[2].removeprefix("Flags: ").strip())
    return entries


def segments(program):
    """Type -> flags of the program headers: {"GNU_STACK": "RW", ...}."""
    found = {}
    pattern = r"^\s+([A-Z_0-9]+)\s+0x\S+\s+0x\S+\s+0x\S+\s+0x\S+\s+0x\S+\s+([RWE ]{3})\s"
    for match in re.finditer(pattern, readelf("--program-headers", program), re.MULTILINE):
        found[match[1]] = match[2].replace(" ", "")
    return found


def undefined_symbols(program):
    """The symbols that a program imports from libraries, without versions."""
    return {match[1] for match in re.finditer(r" UND (\w+)", readelf("--dyn-syms", program))}
