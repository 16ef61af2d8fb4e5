#!/usr/bin/python3
"""Does clang-tidy, with the checks of .clang-tidy, find nothing in src and sandbox?

    tidy.py BUILD           all files; BUILD has compile_commands.json
    tidy.py BUILD FILE...   only these

A file in which nothing was found is not looked at again while it, what it includes and the checks are as they were: BUILD/tidy
has a mark for it.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import tree

# Of the compiler's options, those that say what the source means. The others are GCC's as often as clang's.
MEANING = re.compile(r"-(?:I|D|std=|isystem)(?!_FORTIFY_SOURCE)")
# Nodes of the analyzer's graph of a function after which it gives it up. The default, eleven times as many, makes
# all of it take three times as long.
ANALYZER = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=20000"]

# Where one begins.
FINDING = re.compile(r"^(?=\S+:\d+:\d+: (?:warning|error): )", re.MULTILINE)
# A place in it.
PLACE = re.compile(r"^(/\S+?)(?=:\d+:\d+: )", re.MULTILINE)


def commands(build, wanted):
    """File -> the options of its first compilation."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if any(path.is_relative_to(tree.ROOT / folder) for folder in ("src", "sandbox")):
            if not wanted or path in wanted:
                found.setdefault(path, [word for word in shlex.split(entry["command"]) if MEANING.match(word)])
    return found


def dependencies(build):
    """File -> all that it included when ninja built it last."""
    done = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], stdout=subprocess.PIPE, text=True, check=False)
    found = {}
    for block in done.stdout.split("\n\n"):
        paths = [(build / line.strip()).resolve() for line in block.splitlines()[1:] if line.startswith("    ")]
        if paths and "(STALE)" not in block:
            found.setdefault(paths[0], sorted(set(paths)))
    return found


def key_of(setup, options, included):
    """What a mark is called: it says all that a result depends on."""
    digest = hashlib.sha256(repr((setup, options)).encode())
    for path in included:
        digest.update(str(path).encode())
        if path.is_relative_to(tree.ROOT):
            digest.update(path.read_bytes())
        else:
            status = path.stat()
            digest.update(repr((status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def check(clang_tidy, build, path, options):
    """What is wrong with a file, each finding with the lines that explain it."""
    done = subprocess.run(["nice", clang_tidy, "--quiet", f"--config-file={tree.ROOT / '.clang-tidy'}", str(path),
                           "--", *options, *ANALYZER],
                          cwd=build, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return []
    said = PLACE.sub(lambda place: os.path.relpath(os.path.realpath(place[1]), tree.ROOT), done.stdout)
    findings = [finding.strip() for finding in FINDING.split(said) if finding.strip()]
    return findings or [f"{tree.name(path)}: {done.stderr.strip()}"]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    clang_tidy = shutil.which("clang-tidy")
    if clang_tidy is None:
        tree.finish(["clang-tidy is not installed: see tests/setup"], 1)
    version = subprocess.run([clang_tidy, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    setup = (version, tree.text(tree.ROOT / ".clang-tidy"), ANALYZER)
    files = commands(build, {pathlib.Path(argument).resolve() for argument in sys.argv[2:]})
    included = dependencies(build)
    marks = build / "tidy"
    marks.mkdir(exist_ok=True)
    known = {mark.name for mark in marks.iterdir()}
    keys = {path: key_of(setup, options, included[path]) for path, options in files.items() if path in included}
    waiting = [path for path in files if keys.get(path) not in known]
    problems = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # Large ones first, so that the last to end is a small one.
        waiting.sort(key=lambda path: path.stat().st_size, reverse=True)
        results = pool.map(lambda path: check(clang_tidy, build, path, files[path]), waiting)
        for path, found in zip(waiting, results):
            # What is wrong with a header is found in each file that includes it.
            problems += [problem for problem in found if problem not in problems]
            if not found and path in keys:
                (marks / keys[path]).touch()
    if len(sys.argv) == 2:
        for name in known - set(keys.values()):
            (marks / name).unlink()
    print(f"{len(waiting)} looked at")
    tree.finish(problems, len(files))


if __name__ == "__main__":
    main()
