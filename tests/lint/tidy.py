#!/usr/bin/python3
"""clang-tidy, with the checks of .clang-tidy, finds nothing in src and sandbox.

    tidy.py BUILD           all files; BUILD has compile_commands.json
    tidy.py BUILD FILE...   only these

The files of a library or a program, policies excepted, are checked as one source, BUILD/tidy/NAME.cc, because nearly all
the time goes to the headers of the standard library. A source without findings is not checked again until its files, their
includes or the checks change: BUILD/tidy has a mark for it.
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

# The compiler options that change the meaning of the source. Many others are GCC's only.
MEANING = re.compile(r"-(?:I|D|std=|isystem)(?!_FORTIFY_SOURCE)")
# The analyzer gives up a function after this many graph nodes. The default, 225,000, makes the whole run take four times as long.
# Without the second option it analyzes no function of an included file.
ANALYZER = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=8000", "-Xclang", "-analyzer-opt-analyze-headers"]

# The first line of a finding.
FINDING = re.compile(r"^(?=\S+:\d+:\d+: (?:warning|error): )", re.MULTILINE)
# A source location in a finding.
PLACE = re.compile(r"^(/\S+?)(?=:\d+:\d+: )", re.MULTILINE)


class Source:
    """Files that are compiled with the same options for one library or program."""

    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.files = []


def sources_of(build, wanted):
    """All sources. A file that is compiled more than once belongs to the first."""
    found = {}
    seen = set()
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path in seen or wanted and path not in wanted:
            continue
        if any(path.is_relative_to(tree.ROOT / directory) for directory in ("src", "sandbox")):
            seen.add(path)
            options = [word for word in shlex.split(entry["command"]) if MEANING.match(word)]
            target = pathlib.Path(entry["output"]).parent.stem
            # A program may have several policies, which use the same names.
            if path.is_relative_to(tree.ROOT / "sandbox/policy"):
                target = f"policy-{path.stem}"
            source = found.setdefault((target, *options), Source(f"{target}-{len(found)}", options))
            source.files.append(path)
    return list(found.values())


def dependencies(build):
    """File -> everything that it included when ninja built it last."""
    done = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], stdout=subprocess.PIPE, text=True, check=False)
    found = {}
    for block in done.stdout.split("\n\n"):
        paths = [(build / line.strip()).resolve() for line in block.splitlines()[1:] if line.startswith("    ")]
        if paths and "(STALE)" not in block:
            found.setdefault(paths[0], sorted(set(paths)))
    return found


def key_of(setup, source, included):
    """The name of a mark: a digest of everything that a result depends on."""
    digest = hashlib.sha256(repr((setup, source.options)).encode())
    for path in sorted({path for file in source.files for path in included[file]}):
        digest.update(str(path).encode())
        if path.is_relative_to(tree.ROOT):
            digest.update(path.read_bytes())
        else:
            status = path.stat()
            digest.update(repr((status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def check(clang_tidy, build, source):
    """The findings in a source, each with the lines that explain it."""
    path = build / "tidy" / f"{source.name}.cc"
    path.write_text("".join(f'#include "{file}"\n' for file in source.files), encoding="utf-8")
    done = subprocess.run(["nice", clang_tidy, "--quiet", f"--config-file={tree.ROOT / '.clang-tidy'}", str(path),
                           "--", *source.options, *ANALYZER],
                          cwd=build, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return []
    said = PLACE.sub(lambda place: os.path.relpath(os.path.realpath(place[1]), tree.ROOT), done.stdout)
    findings = [finding.strip() for finding in FINDING.split(said) if finding.strip()]
    return findings or [f"{source.name}: {done.stderr.strip()}"]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    clang_tidy = shutil.which("clang-tidy")
    if clang_tidy is None:
        tree.finish(["clang-tidy is not installed: see tests/setup"], 1)
    version = subprocess.run([clang_tidy, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    setup = (version, tree.text(tree.ROOT / ".clang-tidy"), ANALYZER)
    sources = sources_of(build, {pathlib.Path(argument).resolve() for argument in sys.argv[2:]})
    included = dependencies(build)
    marks = build / "tidy"
    marks.mkdir(exist_ok=True)
    known = {mark.name for mark in marks.iterdir()}
    keys = {source: key_of(setup, source, included) for source in sources if all(file in included for file in source.files)}
    waiting = [source for source in sources if keys.get(source) not in known]
    problems = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # Large sources first, so that a small one ends last.
        waiting.sort(key=lambda source: sum(file.stat().st_size for file in source.files), reverse=True)
        results = pool.map(lambda source: check(clang_tidy, build, source), waiting)
        for source, found in zip(waiting, results):
            # A finding in a header appears in each source that includes it.
            problems += [problem for problem in found if problem not in problems]
            if not found and source in keys:
                (marks / keys[source]).touch()
    if len(sys.argv) == 2:
        for name in known - set(keys.values()):
            (marks / name).unlink()
    print(f"{sum(len(source.files) for source in waiting)} files checked")
    tree.finish(problems, sum(len(source.files) for source in sources))


if __name__ == "__main__":
    main()
