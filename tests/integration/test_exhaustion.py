"""The kernel has run out of something: the process that needs it waits without spinning, logs that once, and resumes."""

import concurrent.futures
import contextlib
import fcntl
import os
import signal
import socket

import pytest
from harness import processes, starters
from harness.dns_server import DnsServer
from harness.lab import READY, READY_SOURCE, Tunnel, free_ports, is_root
from harness.marks import not_with_sanitizers
from harness.shortage import Hog, Limit, as_user, check_does_not_spin, unused_user
from harness.sockets import ended_without_a_byte
from harness.streams import HEADER, exchange_all
from harness.wait import until

# Most users' limits are higher; the behaviour at the limit is the same.
LIMIT = 256
# Of fcntl(2), where Python 3.9 has no name for it.
F_GETPIPE_SZ = 1032
ENOUGH = r"there is enough for all connections again"

pytestmark = [
    pytest.mark.skipif(not is_root(), reason="only root can start processes as a user of their own"),
    not_with_sanitizers("a sanitizer needs descriptors and a process, and reports their lack as an error"),
]


class Client:
    """A connection through a tunnel to a StreamServer, waiting to be served."""

    def __init__(self, port, seed=1):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.sendall(HEADER.pack(seed, 0, 0))
        self._socket.setblocking(False)

    def is_served(self):
        """Whether the server's first byte has arrived."""
        with contextlib.suppress(BlockingIOError):
            first = self._socket.recv(1, socket.MSG_PEEK)
            assert first == b"R", "the connection was dropped"
            return True
        return False

    def close(self):
        self._socket.close()


@pytest.fixture
def clients():
    """clients(port, count): connected clients, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda port, count: [stack.enter_context(contextlib.closing(Client(port, seed)))
                                   for seed in range(count)]


def served(group):
    return [client for client in group if client.is_served()]


def count(proxy, words, since=0):
    return sum(words in line for line in proxy.log.splitlines()[since:])


def limited(uid, limit=LIMIT):
    return as_user(uid, f"--nofile={limit}:{limit}")


@pytest.fixture
def user():
    return unused_user()


@pytest.fixture
def tunnel(lab, stream_server):
    return lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})


# ---- descriptors in flight ----

IN_FLIGHT = "Too many references"


def test_a_hog_of_the_same_user_stops_a_start_until_it_ends(lab, stream_server, user):
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    hog = lab.use(Hog(user, LIMIT))
    source = lab.source(service, "t1", ports, inside=limited(user))
    said = source.wait_log(rf"cannot pass a descriptor to the launch process.*{IN_FLIGHT}.*end the one that hangs")
    check_does_not_spin(source.monitor, source.pid_of("launch"))
    assert count(source, IN_FLIGHT) == 1, said
    hog.stop()
    source.wait_log(READY_SOURCE.format(port=ports["APP"]))
    assert source.find_log("descriptors can be passed to the launch process again")
    destination = lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"})
    Tunnel(lab, "t1", service, source, destination, ports).wait_up()
    exchange_all([(ports["APP"], 1, 100_000, 100_000)])


def test_a_hog_of_the_same_user_stops_new_connections_until_it_ends(lab, stream_server, user, clients):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=limited(user))
    port = tunnel.ports["APP"]
    before = clients(port, 1)
    until(lambda: served(before), "a client is served")
    hog = lab.use(Hog(user, LIMIT))
    waiting = clients(port, 5)
    tunnel.source.wait_log(rf"bridge.*cannot pass a descriptor to the net process.*{IN_FLIGHT}")
    check_does_not_spin(tunnel.source.pid_of("bridge"))
    assert count(tunnel.source, IN_FLIGHT) == 1
    assert not served(waiting)
    hog.stop()
    until(lambda: len(served(waiting)) == len(waiting), "all are served")
    tunnel.source.wait_log(ENOUGH)


def test_a_hog_of_the_same_user_stops_a_destination_until_it_ends(lab, stream_server, user, clients):
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    source = lab.source(service, "t1", ports)
    destination = lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"}, inside=limited(user))
    Tunnel(lab, "t1", service, source, destination, ports).wait_up()
    hog = lab.use(Hog(user, LIMIT))
    waiting = clients(ports["APP"], 5)
    destination.wait_log(rf"bridge.*cannot pass a descriptor to the net process.*{IN_FLIGHT}")
    # A connection that was dialled in the meantime waits in the monitor.
    destination.wait_log(rf"cannot pass a descriptor to the bridge process.*{IN_FLIGHT}")
    check_does_not_spin(destination.monitor, destination.pid_of("bridge"))
    assert count(destination, IN_FLIGHT) == 2
    hog.stop()
    until(lambda: len(served(waiting)) == len(waiting), "all are served")
    exchange_all([(ports["APP"], 1, 100_000, 100_000)])


# ---- room for pipes ----


def channel_sizes(pid):
    """The sizes of the pipes of which a process has one end: of those that it uses by itself it has both."""
    pipes = {number: target for number, target in processes.descriptors(pid).items() if target.startswith("pipe:")}
    names = list(pipes.values())
    sizes = []
    for number, name in pipes.items():
        if names.count(name) == 1:
            with contextlib.suppress(FileNotFoundError):
                pipe = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK)
                sizes.append(fcntl.fcntl(pipe, F_GETPIPE_SZ))
                os.close(pipe)
    return sizes


@pytest.mark.parametrize("full", [False, True], ids=["room", "no_room"])
def test_a_transfer_does_not_need_a_large_pipe(lab, stream_server, user, clients, full):
    if full:
        lab.use(Hog(user, 4_096, "pipes"))
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=limited(user))
    port = tunnel.ports["APP"]
    bridges = [proxy.pid_of("bridge") for proxy in (tunnel.source, tunnel.destination)]
    idle = clients(port, 1)
    until(lambda: served(idle), "a client is served")

    def sizes():
        return [size for bridge in bridges for size in channel_sizes(bridge)]

    assert len(sizes()) == 2
    # limits::kIdlePipe, or the least that the kernel gives.
    until(lambda: set(sizes()) <= {4_096, 8_192}, "idle connections have small pipes")
    most = 0
    with concurrent.futures.ThreadPoolExecutor() as pool:
        transfer = pool.submit(exchange_all, [(port, 1, 50_000_000, 50_000_000)])
        while not transfer.done():
            most = max([most, *sizes()])
        transfer.result()
    # limits::kBulkPipe.
    assert most <= 8_192 if full else most == 262_144
    for proxy in (tunnel.source, tunnel.destination):
        assert proxy.stop() == 0


# ---- descriptors of one process ----

FULL = "Too many open files"


def test_clients_wait_for_descriptors_of_the_bridge(tunnel, clients):
    bridge = tunnel.source.pid_of("bridge")
    limit = Limit(bridge)
    limit.set_free_descriptors(9)
    group = clients(tunnel.ports["APP"], 12)
    tunnel.source.wait_log(rf"bridge.*{FULL}.*raise the limit.*connections wait")
    until(lambda: served(group), "some are served")
    check_does_not_spin(bridge)
    first = served(group)
    assert len(first) < len(group)
    assert count(tunnel.source, FULL) == 1
    for client in first:
        client.close()
    rest = [client for client in group if client not in first]
    until(lambda: served(rest), "others are served once there is room")
    assert len(served(rest)) < len(rest)
    limit.lift()
    until(lambda: len(served(rest)) == len(rest), "all are served")
    tunnel.source.wait_log(ENOUGH)
    exchange_all([(tunnel.ports["APP"], seed, 100_000, 100_000) for seed in range(20)])


def test_connections_wait_for_descriptors_of_a_destinations_bridge(tunnel, clients):
    bridge = tunnel.destination.pid_of("bridge")
    limit = Limit(bridge)
    limit.set_free_descriptors(0)
    group = clients(tunnel.ports["APP"], 4)
    tunnel.destination.wait_log(rf"bridge.*{FULL}.*raise the limit.*connections wait")
    check_does_not_spin(bridge)
    assert not served(group)
    assert count(tunnel.destination, FULL) == 1
    limit.lift()
    until(lambda: len(served(group)) == len(group), "all are served")


def is_reset(port):
    """Whether the connection is reset, which may happen before connect() returns."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(HEADER.pack(1, 0, 0))
            return ended_without_a_byte(client)
    except (ConnectionResetError, BrokenPipeError):
        return True


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_connection_for_which_net_has_no_descriptor_is_reset(tunnel, side):
    proxy = getattr(tunnel, side)
    net = proxy.pid_of("net")
    handshakes = tunnel.service.status()["handshakes"]
    limit = Limit(net)
    limit.set_free_descriptors(0)
    for _ in range(3):
        assert is_reset(tunnel.ports["APP"])
    proxy.wait_log(r"net.*no descriptor is left.*raise ulimit -n.*connections are reset")
    assert count(proxy, "no descriptor is left") == 1
    limit.lift()
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])
    proxy.wait_log(r"net.*there is room for descriptors again; 3 connections were reset")
    assert proxy.pid_of("net") == net
    assert tunnel.service.status()["handshakes"] == handshakes


def test_connections_wait_for_descriptors_of_the_monitor(tunnel, clients):
    destination = tunnel.destination
    limit = Limit(destination.monitor)
    limit.set_free_descriptors(0)
    group = clients(tunnel.ports["APP"], 4)
    destination.wait_log(rf"cannot connect to the local service.*{FULL}.*raise the limit.*until there is enough")
    check_does_not_spin(destination.monitor)
    assert not served(group)
    assert count(destination, FULL) == 1
    limit.lift()
    until(lambda: len(served(group)) == len(group), "all are served")
    assert destination.find_log("there is enough for connections to local services again")


# ---- processes ----


def test_a_tunnel_comes_back_when_a_process_can_be_made_again(lab, stream_server, user):
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    source = lab.source(service, "t1", ports, inside=as_user(user))
    destination = lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"})
    tunnel = Tunnel(lab, "t1", service, source, destination, ports)
    tunnel.wait_up()
    launch = source.pid_of("launch")
    limit = Limit(launch, "nproc")
    limit.set(1)
    mark = source.mark()
    service.control("kick", tunnel="t1", side="source", how="rst")
    source.wait_log(r"the net process was not started: cannot start localproxy-net.*ulimit -u, TasksMax=", since=mark)
    second = source.mark()
    source.wait_log(r"the net process was not started", since=second)
    assert source.find_log(r"next try to connect in \d+ ms", since=mark)
    limit.lift()
    source.wait_log(READY, 60, second)
    assert source.pid_of("launch") == launch
    service.wait_connected("t1", "source")
    exchange_all([(ports["APP"], 1, 100_000, 100_000)])


# ---- a start ----

# limits::kLeastDescriptors, and two for each service.
LEAST = 64 + 2


@pytest.mark.parametrize("limit", [4, 8, 12, 16, 20, 24, 32, LEAST - 1])
def test_a_start_with_too_few_descriptors_says_so(lab, user, limit):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), inside=limited(user, limit))
    assert source.wait() == 71
    lines = source.log.splitlines()
    assert sum("descriptors" in line or FULL in line for line in lines) == 1, lines
    assert source.find_log("ulimit -n")
    assert service.status()["handshakes"] == {"accepted": 0, "refused": 0}


def test_the_least_descriptors_are_enough(lab, stream_server, user):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=limited(user, LEAST))
    exchange_all([(tunnel.ports["APP"], seed, 10_000, 10_000) for seed in range(30)])
    for proxy in (tunnel.source, tunnel.destination):
        assert proxy.stop() == 0


@pytest.mark.parametrize("limit", [1, 2])
def test_a_start_with_too_few_processes_says_so(lab, user, limit):
    service = lab.service({"t1": ["APP"]})
    # prlimit(1) and setpriv(1) run as root; localproxy is the user's first process.
    source = lab.source(service, "t1", free_ports(["APP"]), inside=as_user(user, f"--nproc={limit}:{limit}"))
    assert source.wait() == 71
    assert source.find_log(r"cannot start localproxy-\w+: Resource temporarily unavailable.*ulimit -u"), source.log
    assert not source.find_log(r"status 71$")


def test_a_full_temporary_directory_does_not_matter(lab, stream_server):
    full = starters.shell("mount -t tmpfs -o size=4k none /mnt && head -c 4096 /dev/zero >/mnt/full && "
                          'TMPDIR=/mnt exec "$@"')
    inside = starters.Starter("/usr/bin/unshare", "--mount", *full.command)
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=inside)
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])


# ---- SIGTERM ----


def stop_in_time(proxy):
    """Stops it within the limits of base/limits.h, kStopChild and kStopLauncher, with some slack for a busy machine."""
    before = [pid for pids in proxy.processes().values() for pid in pids]
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(30) == 0
    until(lambda: not any(processes.is_alive(pid) for pid in before), "no process is left")


@pytest.mark.parametrize("role", ["net", "bridge", "launch"])
def test_a_stop_does_not_wait_for_a_process_that_hangs(tunnel, role):
    for proxy in (tunnel.source, tunnel.destination):
        os.kill(proxy.pid_of(role), signal.SIGSTOP)
        stop_in_time(proxy)


def test_a_stop_does_not_wait_for_a_lookup(lab, namespace):
    network = namespace()
    names = network.run(DnsServer, {})
    lab.use(names)
    names.how = "silence"
    service = lab.service({"t1": ["APP"]}, inside=network)
    source = lab.source(service, "t1", free_ports(["APP"]), at="silent.test:443", inside=network)
    source.pid_of("resolve")
    stop_in_time(source)


def test_a_stop_does_not_wait_for_an_exhausted_resource(lab, user):
    service = lab.service({"t1": ["APP"]})
    lab.use(Hog(user, LIMIT))
    source = lab.source(service, "t1", free_ports(["APP"]), inside=limited(user))
    source.wait_log(IN_FLIGHT)
    stop_in_time(source)
