#!/usr/bin/python3
"""Is every C++ file formatted as .clang-format says?"""

import shutil
import subprocess
import sys

import tree


def main():
    clang_format = shutil.which("clang-format")
    if clang_format is None:
        tree.skip("clang-format is not installed")
    paths = tree.sources("src", "sandbox", "tests")
    done = subprocess.run([clang_format, "--dry-run", "-Werror", "--style=file", *map(str, paths)], check=False)
    print(f"{len(paths)} checked")
    sys.exit(1 if done.returncode or not paths else 0)


if __name__ == "__main__":
    main()
