"""What must hold, as ratios within one round; the reasons are in src/README.md."""

import statistics

MEGABYTE = 10**6


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
    counts = [figure(found, "localproxy", f"intact of 128 x 2 MB ({direction})") for direction in ("up", "down")]
    return None if None in counts else min(counts)


# What, how it is made of one round's figures, the bound, and whether the value may be at most or must be at least it.
BUDGETS = [
    *((f"{does} end, CPU: a bare pump's x ({direction})", ratio("pump", f"{does} end, CPU s/GB ({direction})"), 1.25,
       "at most") for direction in ("up", "down") for does in ("sending", "receiving")),
    ("memory growth while 1 GB goes to a slow reader, one end, MB",
     own(*(f"{end} end, growth of private kB, slow reader ({direction})" for end in ("near", "far")
           for direction in ("up", "down")), by=1000), 8 * 1.048576, "at most"),
    ("64 B round trip p50: the other proxy's x", ratio("peer", "64 B round trip, us p50"), 1.1, "at most"),
    ("64 B round trip p50: a stunnel pair's x (for information)", ratio("stunnel", "64 B round trip, us p50"), None,
     ""),
    *((f"64 B round trip p99 beside {bulk}: idle p99 x",
       own_ratio(f"64 B round trip beside {bulk}, us p99", "64 B round trip, us p99"),
       5 if bulk.endswith("Gbit/s") else None, "at most" if bulk.endswith("Gbit/s") else "")
      for speed in ("at 1 Gbit/s", "at full speed") for bulk in (f"1 bulk up {speed}", f"1 bulk down {speed}",
                                                                  f"16 bulk up {speed}", f"16 bulk down {speed}")),
    ("connections/s in sequence: a stunnel pair's x", ratio("stunnel", "connections/s in sequence"), 2, "at least"),
    ("connections in sequence and 32 at a time that failed",
     own("connections in sequence, failed", "connections 32 at a time, failed"), 0, "at most"),
    ("128 connections at once, 2 MB each, intact", all_intact, 128, "at least"),
    ("idle private memory of one end, MB", own("near end, idle private kB", "far end, idle private kB", by=1000),
     6 * 1.048576, "at most"),
]


def compare(rounds):
    """The median of every budget over the rounds; `met` is None where there is nothing to compare."""
    rows = []
    for what, value, bound, sense in BUDGETS:
        values = [found for found in map(value, rounds) if found is not None]
        row = {"what": what, "value": statistics.median(values) if values else None, "bound": bound, "sense": sense,
               "met": None, "all": values}
        if values and bound is not None:
            row["met"] = row["value"] <= bound if sense == "at most" else row["value"] >= bound
        rows.append(row)
    return rows
