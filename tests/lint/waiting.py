#!/usr/bin/python3
"""No test sleeps for a fixed time: it polls until a condition holds, with a limit."""

import re

import tree

SLEEP = {
    # Up to 50 ms is a pause between two polls.
    ".py": re.compile(r"\b(?:time|asyncio)\.sleep\((?!0\)|0\.0[0-5])"),
    ".cc": re.compile(r"\b(?:sleep|usleep|nanosleep|sleep_for|sleep_until)\("),
    ".h": re.compile(r"\b(?:sleep|usleep|nanosleep|sleep_for|sleep_until)\("),
    "": re.compile(r"^\s*sleep\s"),
}
# The pause between two polls.
MAY_SLEEP = ("tests/integration/harness/wait.py",)
# These pace a load, or measure a cost over a while.
MEASURES = "tests/bench/"


def check(path):
    if tree.name(path) in MAY_SLEEP or tree.name(path).startswith(MEASURES) or path.suffix not in SLEEP:
        return
    for number, line in enumerate((tree.text(path) or "").splitlines(), 1):
        if SLEEP[path.suffix].search(line):
            yield f"{tree.name(path)}:{number}: {line.strip()}"


def main():
    paths = tree.files("tests", ".ci")
    tree.finish([problem for path in paths for problem in check(path)], len(paths))


if __name__ == "__main__":
    main()
