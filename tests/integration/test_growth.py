"""The memory and the descriptors of no process grow with what it has carried, over ten thousand connections and ten
losses of the tunnel."""

import collections

import pytest
from harness import processes
from harness.lab import is_root
from harness.marks import not_with_sanitizers
from harness.traffic import LOSSES, Traffic

pytestmark = [
    pytest.mark.skipif(not is_root(), reason="only root may inspect a process that is not dumpable"),
    not_with_sanitizers("AddressSanitizer keeps memory that was freed; it has test_leaks.py"),
]

CONNECTIONS = 10_000
# After these, every cache and pool is filled.
WARM_UP = 1_000
# A process may grow by less than this. The smallest block of malloc() takes 32 bytes, so one leak per connection is
# twice as much. Without a leak, the largest growth ever seen over all connections was 36 KiB, in net.
BYTES_A_CONNECTION = 16
ROLES = ("monitor", "launch", "net", "bridge")
# Empty pipes that a bridge pools: as many as it happened to need at once.
IDLE_PIPES = 16


class Size:
    """The resources that a process holds."""

    def __init__(self, pid):
        self.pid = pid
        # Pages that it has written to. Not file pages: whether they are private depends on what else runs the program.
        self.memory = processes.memory(pid, "Anonymous", "Swap")
        self.descriptors = collections.Counter(what.partition("[")[0] for what in processes.descriptors(pid).values())
        self.pipes = self.descriptors.pop("pipe:", 0)


def sizes(traffic, roles):
    """The sizes of each process of these roles in both proxies, after all its connections are gone."""
    traffic.wait_idle()
    return {f"{role} of the {side}": Size(proxy.pid_of(role))
            for side, proxy in traffic.proxies.items() for role in roles}


def check_growth(before, after, connections):
    for who, size in after.items():
        assert size.pid == before[who].pid, f"{who} was replaced"
        assert size.descriptors == before[who].descriptors, who
        assert size.pipes <= 2 * IDLE_PIPES, f"{who} holds {size.pipes} ends of pipes"
    grown = {who: size.memory - before[who].memory for who, size in after.items()}
    assert max(grown.values()) < connections * BYTES_A_CONNECTION, f"{grown} bytes in {connections} connections"


@pytest.fixture
def traffic(lab):
    # -k: loading certificates leaves net so much free heap that a leak would fit into it unseen.
    return Traffic(lab, more=["-k"])


def test_ten_thousand_connections_through_the_same_processes(traffic):
    traffic.carry(WARM_UP)
    before = sizes(traffic, ROLES)
    traffic.carry(CONNECTIONS - WARM_UP)
    check_growth(before, sizes(traffic, ROLES), CONNECTIONS - WARM_UP)


def test_ten_thousand_connections_and_ten_losses(traffic):
    """Each loss replaces net, whose connections the test above counts."""
    lasting = [role for role in ROLES if role != "net"]
    traffic.carry(WARM_UP, LOSSES[:2])
    before = sizes(traffic, lasting)
    traffic.carry(CONNECTIONS - WARM_UP, LOSSES)
    assert traffic.number == CONNECTIONS
    check_growth(before, sizes(traffic, lasting), CONNECTIONS - WARM_UP)
