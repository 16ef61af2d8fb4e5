"""The table of environments and steps. A new head is printed where the steps change."""

import collections

MARKS = {"passed": "ok", "failed": "FAIL", "skipped": "-"}


def _line(name, words, steps, width):
    return f"{name:{width}}" + "".join(f"{word:>{len(step) + 2}}" for word, step in zip(words, steps))


class Table:
    """Prints a row for each environment."""

    def __init__(self, names):
        self._width = max(map(len, names)) + 1
        self._steps = ()

    def show(self, name, cells, note=""):
        steps = tuple(cells)
        if steps != self._steps:
            self._steps = steps
            print("\n" + _line("", steps, steps, self._width))
        print(_line(name, [MARKS[cell.outcome] for cell in cells.values()], steps, self._width) + note, flush=True)


def _grouped(results, outcome):
    """(environment, reason) -> steps, in order."""
    groups = collections.defaultdict(list)
    for name, cells in results.items():
        for step, cell in cells.items():
            if cell.outcome == outcome:
                groups[name, cell.reason].append(step)
    return groups


def finish(results):
    """Prints the reasons for skipped steps, the failures, and the count; returns the exit status."""
    table = Table(results)
    for name, cells in results.items():
        table.show(name, cells)
    print()
    for (name, reason), steps in _grouped(results, "skipped").items():
        print(f"skipped: {name}: {'all' if len(steps) == len(results[name]) else ' '.join(steps)}: {reason}")
    for (name, reason), steps in _grouped(results, "failed").items():
        print(f"FAILED: {name}: {' '.join(steps)}: {reason}")
    counts = collections.Counter(cell.outcome for cells in results.values() for cell in cells.values())
    print(f"{counts['skipped']} skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 0 if counts["passed"] and not counts["failed"] else 1
