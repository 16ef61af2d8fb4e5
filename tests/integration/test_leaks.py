"""Programs that are built with AddressSanitizer leak no memory, however a connection, a tunnel or a process ends: each
program checks when it exits, and logs the result (src/main/sanitizer.cc).

The check needs /proc and a second process, so it works neither under Landlock nor in namespaces of its own nor under the
filters, which such a build does not have anyway.
"""

import collections
import re

import pytest
from harness.paths import is_sanitized
from harness.starters import no_namespaces_by_filter
from harness.traffic import LOSSES, Traffic

CONNECTIONS = 10_000

pytestmark = pytest.mark.skipif(not is_sanitized(), reason="this build has no AddressSanitizer; tests/run makes one")

# "... [info] net: sandbox: ..." at the start of a process, "... net: leak check: ..." at its end.
START = re.compile(r"\] (\w+): sandbox: ")
GOOD_END = re.compile(r"(?:\] (\w+): |^)leak check: nothing was lost$")
# Reports of AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; and a check that took too long.
BAD = re.compile(r"Sanitizer: |runtime error: |LeakSanitizer has encountered|is killed$")


def roles(proxy, pattern):
    """Role -> how many lines; a line without a role is the monitor's."""
    return collections.Counter(found[1] or "monitor" for line in proxy.lines if (found := pattern.search(line)))


def test_ten_thousand_connections_and_ten_losses(lab):
    traffic = Traffic(lab, inside=no_namespaces_by_filter(), more=["--sandbox=no-landlock"],
                      environment={"LOCALPROXY_TELL_LEAK_CHECK": "1"})
    traffic.carry(CONNECTIONS, LOSSES)
    assert traffic.number == CONNECTIONS
    statuses = {side: proxy.stop() for side, proxy in traffic.proxies.items()}
    for side, proxy in traffic.proxies.items():
        assert not [line for line in proxy.lines if BAD.search(line)]
        tunnels = 1 + sum(lost == side for lost, _ in LOSSES)
        expected = {"monitor": 1, "launch": 1, "bridge": 1, "net": tunnels, "resolve": tunnels}
        assert roles(proxy, START) == expected, f"processes of the {side} that started"
        assert roles(proxy, GOOD_END) == expected, f"processes of the {side} that lost nothing"
    assert statuses == {"source": 0, "destination": 0}
