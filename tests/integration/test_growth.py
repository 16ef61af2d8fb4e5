"""No process grows with what it has carried: neither its memory nor its descriptors, over ten thousand connections and
ten losses of the tunnel."""

import collections

import pytest
from harness import processes
from harness.lab import is_root
from harness.marks import not_with_sanitizers
from harness.traffic import LOSSES, Traffic

pytestmark = [
    pytest.mark.skipif(not is_root(), reason="only root may look into a process that is not dumpable"),
    not_with_sanitizers("AddressSanitizer keeps memory that was freed; it has test_leaks.py"),
]

CONNECTIONS = 10_000
# After these everything that is kept for later is there.
WARM_UP = 1_000
# A process may grow by less than this. The smallest block of malloc() takes 32, so that whatever is forgotten once a
# connection is twice that; without it 36 KiB were the most that was seen over all connections, in net.
BYTES_A_CONNECTION = 16
ROLES = ("monitor", "launch", "net", "bridge")
# Empty pipes that a bridge keeps for the next transfer, as many as it happened to need at once.
IDLE_PIPES = 16


class Size:
    """What a process holds."""

    def __init__(self, pid):
        self.pid = pid
        # What it has written to. No pages of files: whether those are its own depends on who else runs the program.
        self.memory = processes.memory(pid, "Anonymous", "Swap")
        self.descriptors = collections.Counter(what.partition("[")[0] for what in processes.descriptors(pid).values())
        self.pipes = self.descriptors.pop("pipe:", 0)


def sizes(traffic, roles):
    """Each process of both proxies that has one of the roles, when nothing is left of its connections."""
    traffic.wait_idle()
    return {f"{role} of the {side}": Size(proxy.pid_of(role))
            for side, proxy in traffic.proxies.items() for role in roles}


def check_growth(before, after, connections):
    for who, size in after.items():
        assert size.pid == before[who].pid, f"{who} is another one"
        assert size.descriptors == before[who].descriptors, who
        assert size.pipes <= 2 * IDLE_PIPES, f"{who} holds {size.pipes} ends of pipes"
    grown = {who: size.memory - before[who].memory for who, size in after.items()}
    assert max(grown.values()) < connections * BYTES_A_CONNECTION, f"{grown} bytes in {connections} connections"


@pytest.fixture
def traffic(lab):
    # -k: a net that has loaded certificates has so much room left of it that whatever it forgets fits in there.
    return Traffic(lab, more=["-k"])


def test_ten_thousand_connections_through_the_same_processes(traffic):
    traffic.carry(WARM_UP)
    before = sizes(traffic, ROLES)
    traffic.carry(CONNECTIONS - WARM_UP)
    check_growth(before, sizes(traffic, ROLES), CONNECTIONS - WARM_UP)


def test_ten_thousand_connections_and_ten_losses(traffic):
    """net is another one after each, and has its connections counted above."""
    lasting = [role for role in ROLES if role != "net"]
    traffic.carry(WARM_UP, LOSSES[:2])
    before = sizes(traffic, lasting)
    traffic.carry(CONNECTIONS - WARM_UP, LOSSES)
    assert traffic.number == CONNECTIONS
    check_growth(before, sizes(traffic, lasting), CONNECTIONS - WARM_UP)
