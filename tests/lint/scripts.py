#!/usr/bin/python3
"""Shell scripts pass shellcheck; Python files compile, without a warning."""

import ast
import re
import shutil
import subprocess
import sys
import warnings

import tree

SHELL = re.compile(r"^#!.*\b(?:sh|bash|dash)\b")
PYTHON = re.compile(r"^#!.*\bpython3?\b")


def check_shell():
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        tree.skip("shellcheck is not installed")
    paths = [path for path in tree.files() if path.suffix == ".sh" or SHELL.match(tree.first_line(path))]
    done = subprocess.run([shellcheck, *map(str, paths)], check=False)
    print(f"{len(paths)} checked")
    sys.exit(1 if done.returncode or not paths else 0)


def check_python():
    problems = []
    paths = [path for path in tree.files() if path.suffix == ".py" or PYTHON.match(tree.first_line(path))]
    warnings.simplefilter("error")
    for path in paths:
        try:
            # Writes nothing, not even byte code.
            compile(ast.parse(path.read_bytes(), str(path)), str(path), "exec", dont_inherit=True)
        except (SyntaxError, Warning) as error:
            problems.append(f"{tree.name(path)}: {error}")
    tree.finish(problems, len(paths))


if __name__ == "__main__":
    {"shell": check_shell, "python": check_python}[sys.argv[1]]()
