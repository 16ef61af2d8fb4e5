"""What must hold, as ratios within one round where that is possible; the reasons are in src/README.md. A run fails when
a value is beyond its bound. The goals are what the project wants to reach; they are shown, and fail nothing."""

import statistics
from typing import Callable, NamedTuple, Optional

from figures import AS_THEY_CAME, DIRECTIONS, SHAPES, label

AT_MOST = "at most"
AT_LEAST = "at least"


class Budget(NamedTuple):
    what: str
    # Of one round's figures, {subject: {name: number}}: a number, or None where something was not measured.
    value: Callable
    sense: str = AT_MOST
    bound: Optional[float] = None
    goal: Optional[float] = None


def figure(found, subject, name):
    return found.get(subject, {}).get(name)


def ratio(to, name, other=None):
    """Ours by that of another subject."""
    def value(found):
        ours, theirs = figure(found, "localproxy", name), figure(found, to, other or name)
        return None if ours is None or not theirs else ours / theirs
    return value


def own(*names, by=1.0):
    """The largest of some figures of ours."""
    def value(found):
        ours = [figure(found, "localproxy", name) for name in names]
        return None if None in ours else max(ours) / by
    return value


def own_ratio(name, other):
    def value(found):
        ours, to = figure(found, "localproxy", name), figure(found, "localproxy", other)
        return None if ours is None or not to else ours / to
    return value


def all_intact(found):
    counts = [figure(found, "localproxy", f"intact of 128 x 2 MB ({direction})") for direction in DIRECTIONS]
    return None if None in counts else min(counts)


def cpu(does, direction, shape, **more):
    how = label(direction, shape)
    return Budget(f"{does} end, CPU: a bare pump's x ({how})",
                  ratio("pump", f"{does} end, CPU s/GB ({how})", f"{does} end, CPU s/GB ({direction})"), **more)


def beside(bulk, **more):
    return Budget(f"64 B round trip p99 beside {bulk}: idle p99 x",
                  own_ratio(f"64 B round trip beside {bulk}, us p99", "64 B round trip, us p99"), **more)


def measured(what, name, **more):
    return Budget(what, own(name), **more)


BUDGETS = [
    *(cpu("sending", direction, AS_THEY_CAME, bound=1.25, goal=0.95) for direction in DIRECTIONS),
    *(cpu("receiving", direction, shape, bound=1.2, goal=1.05)
      for shape in SHAPES for direction in DIRECTIONS),
    *(measured(name, name, goal=47) for name in
      (f"{does} end, system calls/MB ({direction})" for direction in DIRECTIONS for does in ("sending", "receiving"))),
    Budget("memory growth while 1 GB goes to a slow reader, one end, MB",
           own(*(f"{end} end, growth of private kB, slow reader ({direction})" for end in ("near", "far")
                 for direction in DIRECTIONS), by=1000), bound=8 * 1.048576),
    Budget("64 B round trip p50: the other proxy's x", ratio("peer", "64 B round trip, us p50"), bound=1.1, goal=0.8),
    Budget("64 B round trip p50: a stunnel pair's x", ratio("stunnel", "64 B round trip, us p50")),
    *(beside(f"{count} bulk {direction} at 1 Gbit/s", bound=5) for count in (1, 16) for direction in DIRECTIONS),
    *(beside(f"1 bulk {direction} at full speed") for direction in DIRECTIONS),
    *(beside(f"16 bulk {direction} at full speed", goal=8) for direction in DIRECTIONS),
    Budget("connections/s in sequence: a stunnel pair's x", ratio("stunnel", "connections/s in sequence"), AT_LEAST,
           bound=2),
    Budget("connections in sequence and 32 at a time that failed",
           own("connections in sequence, failed", "connections 32 at a time, failed"), bound=0),
    Budget("128 connections at once, 2 MB each, intact", all_intact, AT_LEAST, bound=128),
    Budget("idle private memory of one end, MB",
           own("near end, idle private kB", "far end, idle private kB", by=1000), bound=4.5, goal=3.0),
    measured("start to listening, ms", "start to listening, ms", goal=30),
    measured("reconnect of one tunnel, CPU ms", "reconnect of the near end, CPU ms", goal=25),
    measured("1,000 idle tunnels, GB", "1,000 idle tunnels, private GB", goal=3.0),
    measured("1,000 tunnels, start of all, s", "1,000 tunnels, start, s", goal=20),
]


def holds(value, limit, sense):
    """None where there is nothing to compare."""
    if value is None or limit is None:
        return None
    return value <= limit if sense == AT_MOST else value >= limit


def compare(rounds):
    """The median of every budget over the rounds, and whether it holds."""
    rows = []
    for budget in BUDGETS:
        values = [found for found in map(budget.value, rounds) if found is not None]
        median = statistics.median(values) if values else None
        rows.append({"what": budget.what, "value": median, "sense": budget.sense, "bound": budget.bound,
                     "met": holds(median, budget.bound, budget.sense), "goal": budget.goal,
                     "reached": holds(median, budget.goal, budget.sense), "all": values})
    return rows
