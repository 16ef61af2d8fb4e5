"""Draws panels of bars and of lines, one below the other, as SVG text. Subjects are those of subjects.py."""

import math
from xml.sax.saxutils import escape

from tables import number

WIDTH = 860
LEFT = 280  # the names of bars, or the numbers of an axis, end here
RIGHT = 90  # for the number behind the longest bar
BAR = 15
BETWEEN = 10
TITLE = 44
PLOT = 220
# Of subjects; told apart by colour-blind eyes, too (Okabe and Ito).
COLOURS = {"direct": "#999999", "pump": "#e69f00", "stunnel": "#56b4e9", "localproxy": "#0072b2", "peer": "#d55e00"}


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def line(points, colour, width=1):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def title(words):
    return text(16, 26, words, more=' font-size="15" font-weight="bold"')


def legend(names, y):
    """Coloured squares with the names of subjects behind them."""
    parts = []
    x = 16
    for name in names:
        parts.append(f'<rect x="{x}" y="{y - 10}" width="11" height="11" fill="{COLOURS[name]}"/>')
        parts.append(text(x + 16, y, name))
        x += 36 + 7 * len(name)
    return parts


def bars(words, groups):
    """groups: label -> {subject: number}; one scale for all. Returns the height and the elements of a panel."""
    groups = {label: {name: value for name, value in values.items() if value is not None}
              for label, values in groups.items()}
    subjects = list(dict.fromkeys(name for values in groups.values() for name in values))
    most = max((value for values in groups.values() for value in values.values()), default=0) or 1
    parts = [title(words), *legend(subjects, TITLE + 4)]
    y = TITLE + 20
    for label, values in groups.items():
        if not values:
            continue
        parts.append(text(LEFT - 10, y + len(values) * BAR / 2 + 4, label, "end"))
        for name, value in values.items():
            width = (WIDTH - LEFT - RIGHT) * value / most
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" '
                         f'fill="{COLOURS[name]}"/>')
            parts.append(text(LEFT + width + 6, y + BAR - 4, number(value)))
            y += BAR
        y += BETWEEN
    return y + BETWEEN, parts


def lines(words, labels, series, logarithmic=False):
    """labels: of the points on the x axis, which are evenly apart. series: name -> as many numbers. Returns the height and
    the elements of a panel."""
    left, right, top, bottom = 90, WIDTH - 30, TITLE + 24, TITLE + 24 + PLOT
    values = [value for points in series.values() for value in points if value is not None and value > 0]
    most, least = max(values, default=1), min(values, default=0)
    if logarithmic:
        low, high = math.floor(math.log10(least or 0.1)), math.ceil(math.log10(most or 1))
        high = max(high, low + 1)
        ticks = [10.0**power for power in range(low, high + 1)]
        height = lambda value: (math.log10(value) - low) / (high - low)
    else:
        step = 10.0 ** math.floor(math.log10(most))
        step = step if most / step >= 4 else step / 2 if most / step >= 2 else step / 5
        ticks = [step * count for count in range(math.ceil(most / step) + 1)]
        height = lambda value: value / ticks[-1]

    def at(index, value):
        return (left + (right - left) * (index + 0.5) / len(labels), bottom - PLOT * height(value))

    parts = [title(words), *legend(series, TITLE + 4)]
    for tick in ticks:
        y = at(0, tick)[1]
        parts += [line([(left, y), (right, y)], "#dddddd"), text(left - 8, y + 4, f"{tick:g}", "end")]
    for index, label in enumerate(labels):
        parts.append(text(at(index, ticks[-1])[0], bottom + 18, label, "middle"))
    for name, points in series.items():
        # A logarithm of nothing has no place.
        known = [at(index, value) for index, value in enumerate(points)
                 if value is not None and (value > 0 or not logarithmic)]
        parts.append(line(known, COLOURS[name], 2))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[name]}"/>' for x, y in known]
    return bottom + 34, parts


def page(panels):
    """The text of an SVG file."""
    parts = []
    y = 0
    for height, elements in panels:
        parts.append(f'<g transform="translate(0,{y})">' + "\n".join(elements) + "</g>")
        y += height
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
            + "\n".join(parts) + "\n</svg>\n")
