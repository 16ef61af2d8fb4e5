#!/usr/bin/python3
"""Every C++ file is formatted according to .clang-format."""

import re
import shutil
import subprocess
import sys

import tree

# The version that .clang-format was written for: each version formats some lines differently.
VERSION = "14"


def main():
    clang_format = shutil.which(f"clang-format-{VERSION}") or shutil.which("clang-format")
    if clang_format is None:
        tree.skip("clang-format is not installed")
    said = subprocess.run([clang_format, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"version (\d+)", said)
    if not found or found.group(1) != VERSION:
        tree.skip(f"this is {said.strip()}; the tree is formatted by version {VERSION}")
    paths = tree.sources("src", "sandbox", "tests")
    done = subprocess.run([clang_format, "--dry-run", "-Werror", "--style=file", *map(str, paths)], check=False)
    print(f"{len(paths)} checked")
    sys.exit(1 if done.returncode or not paths else 0)


if __name__ == "__main__":
    main()
