"""The files of the tree, without the output of builds and tools; and the exit of a check."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The exit status that meson takes for "skipped".
SKIPPED = 77


def _is_ours(directory):
    return directory.name not in (".git", "__pycache__") and not (directory / "meson-private").exists()


def files(*directories):
    """All files below these directories of the tree, or below the whole tree, in order."""
    found = []
    for start in directories or (".",):
        for at, names, leaves in os.walk(ROOT / start):
            names[:] = [name for name in names if _is_ours(pathlib.Path(at) / name)]
            found += [pathlib.Path(at) / leaf for leaf in leaves]
    return sorted(path for path in found if path.is_file() and not path.is_symlink() and path.name != ".git")


def sources(*directories):
    """The C++ files below these directories."""
    return [path for path in files(*directories) if path.suffix in (".cc", ".h")]


def first_line(path):
    with path.open("rb") as file:
        return file.readline(200).decode(errors="replace")


def text(path):
    """The content of a text file, or None for anything else."""
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in content else content


def name(path):
    """A path as written in reports."""
    return str(path.relative_to(ROOT))


def skip(reason):
    print(f"not checked: {reason}")
    sys.exit(SKIPPED)


def finish(problems, checked):
    """Ends the check: prints each problem on a line; the status is 1 when there are any."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems, {checked} checked")
    sys.exit(1 if problems or not checked else 0)
