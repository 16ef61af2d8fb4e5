#!/usr/bin/python3
"""Manual pages pass mandoc's own checks."""

import re
import shutil
import subprocess
import sys

import tree


def main():
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        tree.skip("mandoc is not installed")
    pages = [path for path in tree.files("man") if re.fullmatch(r"\.[1-9]", path.suffix)]
    if not pages:
        tree.skip("there are no manual pages yet")
    done = subprocess.run([mandoc, "-T", "lint", "-W", "style", *map(str, pages)], check=False)
    print(f"{len(pages)} checked")
    sys.exit(1 if done.returncode else 0)


if __name__ == "__main__":
    main()
