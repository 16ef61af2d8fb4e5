"""What each process holds: the descriptors that it was given, and no other access to anything."""

import collections
import os
import pathlib
import re
import socket

import pytest
from harness import processes
from harness.lab import is_root
from harness.streams import exchange_all
from harness.wait import until

# The number is fixed by the design.
MONITOR_CHANNEL = 3
# What a helper may hold: no files and no directories.
NAMELESS = re.compile(r"^(socket:\[\d+\]|pipe:\[\d+\]|anon_inode:\[(eventpoll|eventfd|signalfd|timerfd)\]|/dev/null)$")

pytestmark = pytest.mark.skipif(not is_root(),
                                reason="only root may see the descriptors of a process that is not dumpable")


@pytest.fixture
def tunnel(lab, stream_server):
    return lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})


def proxies(tunnel):
    return tunnel.source, tunnel.destination


def inodes(path, state=None):
    """The socket inodes of a table of /proc/net, optionally of one state."""
    lines = pathlib.Path(path).read_text(encoding="ascii").splitlines()[1:]
    rows = [line.split() for line in lines]
    return {row[9] for row in rows if state is None or row[3] == state}


def tcp_sockets(pid, state=None):
    """Descriptors of a process that are TCP sockets; state as in /proc/net/tcp: 01 connected, 0A listening."""
    known = inodes("/proc/net/tcp", state) | inodes("/proc/net/tcp6", state)
    return [number for number, target in processes.descriptors(pid).items()
            if target.startswith("socket:") and target[len("socket:["):-1] in known]


@pytest.mark.parametrize("role", ["net", "bridge"])
def test_a_helper_holds_nothing_with_a_name(tunnel, role):
    for proxy in proxies(tunnel):
        found = processes.descriptors(proxy.pid_of(role))
        assert not {number: target for number, target in found.items() if not NAMELESS.match(target)}
        assert found[MONITOR_CHANNEL].startswith("socket:")


def test_the_launch_process_holds_the_programs_that_it_starts_and_no_connection(tunnel):
    for proxy in proxies(tunnel):
        pid = proxy.pid_of("launch")
        named = [target for target in processes.descriptors(pid).values() if not NAMELESS.match(target)]
        assert sorted(map(os.path.basename, named)) == ["localproxy-bridge", "localproxy-net", "localproxy-resolve"]
        assert tcp_sockets(pid) == []


def test_net_holds_the_tunnel_and_no_other_tcp_socket(tunnel):
    for proxy in proxies(tunnel):
        assert len(tcp_sockets(proxy.pid_of("net"))) == 1


def test_the_bridge_holds_the_listeners_and_the_local_sockets(tunnel):
    source, destination = tunnel.source.pid_of("bridge"), tunnel.destination.pid_of("bridge")
    assert len(tcp_sockets(source, "0A")) >= 1
    assert tcp_sockets(destination, "0A") == []
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20):
        for bridge in (source, destination):
            until(lambda pid=bridge: len(tcp_sockets(pid, "01")) == 1, "the bridge has the local connection")


def test_the_monitor_holds_no_connection(tunnel):
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20):
        for proxy in proxies(tunnel):
            proxy.wait_log(r"Accepted tcp connection|Connected to 127\.0\.0\.1")
            until(lambda p=proxy: tcp_sockets(p.pid, "01") == [], "the monitor has let go of what it dialled")
            named = [target for target in processes.descriptors(proxy.pid).values() if target.startswith("/")]
            assert all(name == "/dev/null" for name in named), named


def test_connections_leave_no_descriptor_behind(tunnel, stream_server):
    pids = [pid for proxy in proxies(tunnel) for pids in proxy.processes().values() for pid in pids]
    port = tunnel.ports["APP"]

    def kinds(pid):
        return collections.Counter(re.sub(r"\[\d+\]", "", target) for target in processes.descriptors(pid).values())

    def counts():
        """How many of each kind."""
        return {pid: kinds(pid) for pid in pids}

    def channels():
        """The pipes of net and the bridge: channels of connections, and one that libevent may have."""
        return sum(kinds(proxy.pid_of(role))["pipe:"] for proxy in proxies(tunnel) for role in ("net", "bridge"))

    def more_than(before):
        """The kinds that a process has more of than before."""
        return {f"{processes.role(pid) or 'monitor'} {pid}": more
                for pid, now in counts().items() if (more := now - before[pid])}

    none = channels()
    # Every process has all its descriptors after bytes have gone through.
    exchange_all([(port, 1, 10_000, 10_000)])
    until(lambda: channels() == none, "the first connection's channels are closed")
    before = counts()
    for start in range(100, 400, 50):
        exchange_all([(port, seed, 10_000, 10_000) for seed in range(start, start + 50)])
    try:
        until(lambda: not more_than(before), "every process holds what it held before 300 connections")
    except AssertionError:
        pytest.fail(f"left behind: {more_than(before)}")


@pytest.mark.parametrize("role", ["bridge", "monitor"])
def test_no_parser_in_the_address_space(tunnel, role):
    for proxy in proxies(tunnel):
        maps = pathlib.Path(f"/proc/{proxy.pid_of(role)}/maps").read_text(encoding="utf-8")
        assert not re.findall(r"\S*lib(?:ssl|crypto|protobuf)\S*", maps)


@pytest.mark.parametrize("role", ["net", "bridge", "monitor"])
def test_no_memory_is_both_writable_and_executable(tunnel, role):
    for proxy in proxies(tunnel):
        maps = pathlib.Path(f"/proc/{proxy.pid_of(role)}/maps").read_text(encoding="utf-8")
        assert not re.findall(r"^\S+ .wx. .*$", maps, re.MULTILINE)
