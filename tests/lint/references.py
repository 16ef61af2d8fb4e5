#!/usr/bin/python3
"""The tree is self-contained: no file names a place outside it, and links between its documents are valid."""

import posixpath
import re

import tree

# "../x" as it is written in a path; "..." is prose.
UPWARDS = re.compile(r"(?<![\w./])((?:\.\./)+[\w./-]*)")
# Directories of a developer's machine.
PERSONAL = re.compile(r"(?<![\w.])/(?:home|Users|work)/[\w.-]+")
MARKDOWN_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def leaves_tree(path, reference):
    directory = posixpath.dirname(tree.name(path))
    return posixpath.normpath(posixpath.join(directory, reference)).startswith("..")


def check(path, content):
    for number, line in enumerate(content.splitlines(), 1):
        where = f"{tree.name(path)}:{number}"
        for match in UPWARDS.finditer(line):
            if leaves_tree(path, match[1]):
                yield f"{where}: {match[1]} is outside the tree"
        for match in PERSONAL.finditer(line):
            yield f"{where}: {match[0]} is a place of one machine"
        if path.suffix != ".md":
            continue
        for match in MARKDOWN_LINK.finditer(line):
            if "://" not in match[1] and not match[1].startswith("mailto:") and not (path.parent / match[1]).exists():
                yield f"{where}: {match[1]} does not exist"


def main():
    texts = [(path, content) for path in tree.files() if (content := tree.text(path)) is not None]
    tree.finish([problem for path, content in texts for problem in check(path, content)], len(texts))


if __name__ == "__main__":
    main()
