"""What a run prints: the figures, what broke, and the budgets."""

import collections
import statistics

# Share of a core above which whoever waits for the stand-in service waits for that core.
BUSY = 0.9
RELAY_SHARE = "the stand-in service, share of a core ("


class Broken:
    """Counts measurements, and keeps why some of them broke."""

    def __init__(self):
        self._attempts = collections.Counter()
        self._why = {}

    def note(self, subject, what, why):
        """why: None where nothing broke."""
        self._attempts[subject, what] += 1
        if why is not None:
            self._why.setdefault((subject, what), []).append(why)

    def rows(self):
        return [{"subject": subject, "what": what, "attempts": self._attempts[subject, what], "why": why}
                for (subject, what), why in self._why.items()]


def number(value):
    """Three digits that mean something, and no more."""
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows):
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield row[0].ljust(widths[0]) + "".join(f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:]))


def median(values):
    """Of numbers; of distributions, one for each percent."""
    if None in values:
        return None
    if isinstance(values[0], dict):
        return {percent: statistics.median(value[percent] for value in values) for percent in values[0]}
    return statistics.median(values)


def medians(rounds):
    """Figure -> {subject: median}, in the order in which they were first measured."""
    found = {}
    for one in rounds:
        for subject, values in one.items():
            for name, value in values.items():
                found.setdefault(name, {}).setdefault(subject, []).append(value)
    return {name: {subject: median(values) for subject, values in subjects.items()} for name, subjects in found.items()}


def answer(holds):
    return "" if holds is None else "yes" if holds else "NO"


def show_rounds(rounds):
    subjects = list(rounds[0])
    rows = [[f"median of {len(rounds)} rounds", *subjects]]
    figures = medians(rounds)
    for name, values in figures.items():
        # A distribution is for tests/bench/report.
        if not any(isinstance(value, dict) for value in values.values()):
            rows.append([name, *(number(values[subject]) if subject in values else "" for subject in subjects)])
    print("\n".join(table(rows)))
    for name, values in figures.items():
        for subject, value in values.items():
            if name.startswith(RELAY_SHARE) and value >= BUSY:
                how = name.removeprefix(RELAY_SHARE)[:-1]
                print(f"{subject}: the stand-in service was the bottleneck ({how}), so the MB/s are its own")


def show_broken(rows):
    print("\nWhat broke")
    print("\n".join(table([["subject", "", "how often", "the first time"],
                           *([row["subject"], row["what"], f"{len(row['why'])} of {row['attempts']}", row["why"][0]]
                             for row in rows)])))


def show_budgets(budgets):
    rows = [["budget", "is", "bound", "met", "goal", "reached", "every round"]]
    for row in budgets:
        limits = ["" if row[limit] is None else f"{row['sense']} {number(row[limit])}" for limit in ("bound", "goal")]
        rows.append([row["what"], number(row["value"]), limits[0], answer(row["met"]), limits[1],
                     answer(row["reached"]), " ".join(map(number, row["all"]))])
    print()
    print("\n".join(table(rows)))


def show(result):
    if result["rounds"]:
        show_rounds(result["rounds"])
    for title, rows in result["tables"].items():
        print(f"\n{title}")
        print("\n".join(table([[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows])))
    if result["broken"]:
        show_broken(result["broken"])
    show_budgets(result["budgets"])
