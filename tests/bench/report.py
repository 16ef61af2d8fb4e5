"""The table that a run prints."""

import statistics


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


def medians(rounds):
    """Figure -> {subject: median}, in the order in which they were first measured."""
    found = {}
    for one in rounds:
        for subject, values in one.items():
            for name, value in values.items():
                found.setdefault(name, {}).setdefault(subject, []).append(value)
    return {name: {subject: None if None in values else statistics.median(values)
                   for subject, values in subjects.items()} for name, subjects in found.items()}


def show(result):
    if result["rounds"]:
        subjects = list(result["rounds"][0])
        rows = [[f"median of {len(result['rounds'])} rounds", *subjects]]
        for name, values in medians(result["rounds"]).items():
            rows.append([name, *(number(values[subject]) if subject in values else "" for subject in subjects)])
        print("\n".join(table(rows)))
    for title, rows in result["tables"].items():
        print(f"\n{title}")
        print("\n".join(table([[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows])))
    rows = [["budget", "is", "bound", "met", "every round"]]
    for row in result["budgets"]:
        bound = f"{row['sense']} {number(row['bound'])}" if row["sense"] else ""
        met = "" if row["met"] is None else "yes" if row["met"] else "NO"
        rows.append([row["what"], number(row["value"]), bound, met, " ".join(map(number, row["all"]))])
    print()
    print("\n".join(table(rows)))
