#!/usr/bin/python3
"""The hardening flags reached the compiler and the programs.

hardening.py BUILD PROGRAM...: BUILD has compile_commands.json.
"""

import json
import pathlib
import platform
import re
import sys

import elf
import tree

# Every file of src and sandbox is compiled with these. Flags that only newer compilers know are up to meson.build.
FLAGS = ("-fstack-protector-strong", "-D_FORTIFY_SOURCE=", "-D_GLIBCXX_ASSERTIONS")


def our_commands(build):
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(tree.ROOT / "src") or path.is_relative_to(tree.ROOT / "sandbox"):
            yield path, entry["command"]


def check_command(path, command):
    words = command.split()
    for flag in FLAGS:
        if flag == "-D_FORTIFY_SOURCE=" and "-O0" in words:
            continue  # it needs an optimiser
        if not any(word.startswith(flag) for word in words):
            yield f"{tree.name(path)} is compiled without {flag}"


def check_program(path):
    name = path.name
    if not path.exists():
        yield f"{path} is missing"
        return
    dynamic = elf.dynamic(path)
    segments = elf.segments(path)
    flags = " ".join(dynamic.get("FLAGS", []) + dynamic.get("FLAGS_1", [])).split()
    if "PIE" not in flags:
        yield f"{name} is not position independent"
    if "GNU_RELRO" not in segments:
        yield f"{name} has no RELRO"
    if "NOW" not in flags and "BIND_NOW" not in flags:
        yield f"{name} binds symbols lazily: RELRO is partial"
    if "E" in segments.get("GNU_STACK", "E"):
        yield f"{name} has an executable stack"
    if "TEXTREL" in dynamic or "TEXTREL" in flags:
        yield f"{name} has relocations in its code"
    for tag in ("RPATH", "RUNPATH"):
        if tag in dynamic:
            yield f"{name} looks for libraries in {dynamic[tag]}"
    if "__stack_chk_fail" not in elf.undefined_symbols(path):
        yield f"{name} has no stack protector"


def marks(path):
    """What the code of an object or a program is fit for: {"IBT", "SHSTK"}."""
    found = re.search(r"x86 feature: (.*)$", elf.readelf("--notes", path), re.MULTILINE)
    return set(found[1].split(", ")) if found else set()


def check_marks(build, programs):
    """meson.build has the linker mark the programs as fit for a shadow stack, so each of our objects has to be."""
    marked = False
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        output = build / entry["output"]
        words = entry["command"].split()
        if not entry["output"].startswith(("src/", "sandbox/", "proto/")) or not output.exists():
            continue
        if "-fcf-protection=full" not in words or any(word.startswith("-flto") for word in words):
            continue
        marked = True
        if missing := {"IBT", "SHSTK"} - marks(output):
            yield f"{entry['output']} is not marked: {', '.join(sorted(missing))}"
    for path in programs:
        found = marks(path) if marked and path.exists() else set()
        if marked and "SHSTK" not in found:
            yield f"{path.name} is not marked as fit for a shadow stack"
        # The linker adds this one where the start files of libc have it, too.
        print(f"{path.name}: landing pads for indirect branches: {'marked' if 'IBT' in found else 'not marked'}")


def main():
    build = pathlib.Path(sys.argv[1])
    programs = [pathlib.Path(argument) for argument in sys.argv[2:]]
    commands = list(our_commands(build))
    problems = [problem for path, command in commands for problem in check_command(path, command)]
    problems += [problem for path in programs for problem in check_program(path)]
    if not any(symbol.endswith("_chk") and symbol != "__stack_chk_fail"
               for path in programs if path.exists() for symbol in elf.undefined_symbols(path)):
        problems.append("no program calls a fortified function of libc")
    if platform.machine() == "x86_64":
        problems += check_marks(build, programs)
    tree.finish(problems, len(commands) and len(programs))


if __name__ == "__main__":
    main()
