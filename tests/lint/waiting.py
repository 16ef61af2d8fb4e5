#!/usr/bin/python3
"""No test waits by letting a fixed time pass: it asks until something is so, with a limit."""

import re

import tree

SLEEP = {
    # Up to 50 ms is the pause between two questions.
    ".py": re.compile(r"\b(?:time|asyncio)\.sleep\((?!0\)|0\.0[0-5])"),
    ".cc": re.compile(r"\b(?:sleep|usleep|nanosleep|sleep_for|sleep_until)\("),
    ".h": re.compile(r"\b(?:sleep|usleep|nanosleep|sleep_for|sleep_until)\("),
    "": re.compile(r"^\s*sleep\s"),
}
# The pause between two questions.
MAY_SLEEP = ("tests/integration/harness/wait.py",)
# It keeps a pace, and watches for a while what something costs.
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
