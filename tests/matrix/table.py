"""The table of environments and steps."""

import collections

from environments import STEPS

MARKS = {"passed": "ok", "failed": "FAIL", "skipped": "-"}
WIDTH = 8


def head(width):
    return f"{'':{width}}" + "".join(f"{step:>{WIDTH}}" for step in STEPS)


def row(name, cells, width):
    return f"{name:{width}}" + "".join(f"{MARKS[cells[step].outcome]:>{WIDTH}}" for step in STEPS)


def _grouped(results, outcome):
    """(environment, reason) -> steps, in order."""
    groups = collections.defaultdict(list)
    for name, cells in results.items():
        for step in STEPS:
            if cells[step].outcome == outcome:
                groups[name, cells[step].reason].append(step)
    return groups


def counts(results):
    found = collections.Counter(cell.outcome for cells in results.values() for cell in cells.values())
    return found["passed"], found["failed"], found["skipped"]


def finish(results):
    """The whole table, why what was not taken was not, what failed, and the count; the exit status."""
    width = max(map(len, results)) + 1
    print("\n" + head(width))
    for name, cells in results.items():
        print(row(name, cells, width))
    print()
    for (name, reason), steps in _grouped(results, "skipped").items():
        print(f"skipped: {name}: {'all' if len(steps) == len(STEPS) else ' '.join(steps)}: {reason}")
    for (name, reason), steps in _grouped(results, "failed").items():
        print(f"FAILED: {name}: {' '.join(steps)}: {reason}")
    passed, failed, skipped = counts(results)
    print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1
