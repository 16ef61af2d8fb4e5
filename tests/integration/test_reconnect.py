"""The service goes away and comes back, closes the tunnel, rotates tokens, or is contacted by another proxy."""

import collections
import contextlib
import os
import shutil
import signal
import socket
import uuid

import pytest
from harness import processes
from harness.lab import READY, READY_SOURCE, free_ports, is_root
from harness.paths import is_sanitized
from harness.relay import Relay
from harness.sockets import ended_without_a_byte
from harness.streams import exchange_all
from harness.wait import until

# Retry delays grow, and every crash doubles them.
BACK = 30


class CutTunnel:
    """A tunnel whose proxies reach the service through a relay each."""

    def __init__(self, lab, targets, **options):
        self.service = lab.service({"t1": list(targets)})
        self.relays = {side: lab.use(Relay(self.service.port)) for side in ("source", "destination")}
        self.ports = free_ports(targets)
        self.destination = lab.destination(self.service, "t1", targets, through=self.relays["destination"], **options)
        self.source = lab.source(self.service, "t1", self.ports, through=self.relays["source"], **options)
        self.wait_up()

    def wait_up(self, source_since=0, destination_since=0):
        self.destination.wait_log(READY, BACK, destination_since)
        self.source.wait_log(READY, BACK, source_since)
        for side in ("source", "destination"):
            self.service.wait_connected("t1", side)
        for port in self.ports.values():
            self.source.wait_log(READY_SOURCE.format(port=port), BACK)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_the_network_goes_and_comes_back(lab, stream_server, side):
    tunnel = CutTunnel(lab, {"APP": f"127.0.0.1:{stream_server.port}"})
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])
    proxy = getattr(tunnel, side)
    old_net = proxy.pid_of("net")
    mark = proxy.mark()
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=BACK) as client:
        client.sendall(b"x")
        tunnel.relays[side].cut()
        assert ended_without_a_byte(client), "the local connection outlived its tunnel"
    tunnel.relays[side].restore()
    proxy.wait_log(READY, BACK, mark)
    tunnel.service.wait_connected("t1", side)
    assert proxy.pid_of("net") != old_net
    exchange_all([(tunnel.ports["APP"], 2, 100_000, 100_000)])


def test_local_clients_are_not_served_while_the_tunnel_is_down(lab, stream_server):
    tunnel = CutTunnel(lab, {"APP": f"127.0.0.1:{stream_server.port}"})
    mark = tunnel.source.mark()
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=BACK) as held:
        tunnel.source.wait_log("Accepted tcp connection", BACK, mark)
        tunnel.relays["source"].cut()
        assert ended_without_a_byte(held)
    # The client may be refused, wait in the listener's queue or be closed: no byte comes back, and nothing breaks.
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=1) as early:
        early.sendall(b"x")
    tunnel.relays["source"].restore()
    tunnel.source.wait_log(READY, BACK, mark)
    tunnel.service.wait_connected("t1", "source")
    exchange_all([(tunnel.ports["APP"], 2, 100_000, 100_000)])


def test_several_losses_in_a_row(lab, stream_server):
    tunnel = CutTunnel(lab, {"APP": f"127.0.0.1:{stream_server.port}"})
    for seed in range(3):
        marks = tunnel.source.mark(), tunnel.destination.mark()
        for relay in tunnel.relays.values():
            relay.cut()
        for relay in tunnel.relays.values():
            relay.restore()
        tunnel.source.wait_log(READY, BACK, marks[0])
        tunnel.destination.wait_log(READY, BACK, marks[1])
        exchange_all([(tunnel.ports["APP"], seed, 100_000, 100_000)])


def test_the_service_is_missing_at_first(lab, stream_server):
    service = lab.service({"t1": ["APP"]})
    relay = lab.use(Relay(service.port))
    relay.cut()
    source = lab.source(service, "t1", free_ports(["APP"]), through=relay)
    source.wait_log(r"(?i)refused")
    relay.restore()
    source.wait_log(READY, BACK)


@pytest.mark.parametrize("how", ["rst", "fin", "tls"])
def test_the_service_drops_a_proxy(lab, stream_server, how):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    mark = tunnel.source.mark()
    tunnel.service.control("kick", tunnel="t1", side="source", how=how)
    tunnel.source.wait_log(READY, BACK, mark)
    tunnel.service.wait_connected("t1", "source")
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])


def test_a_close_frame_ends_the_run_with_success(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    tunnel.service.control("kick", tunnel="t1", side="source", how="close", code=1000, reason="good bye")
    assert tunnel.source.wait() == 0
    assert tunnel.source.find_log("good bye")


def test_close_tunnel_ends_both_with_success(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=BACK) as client:
        tunnel.service.control("close", tunnel="t1")
        assert tunnel.source.wait() == 0
        assert tunnel.destination.wait() == 0
        assert ended_without_a_byte(client)


def test_another_proxy_with_the_same_tokens_replaces_the_first(lab, stream_server):
    service = lab.service({"t1": ["APP"]})
    tokens = {"environment": {"AWSIOT_TUNNEL_CLIENT_TOKEN": str(uuid.uuid4())}}
    lab.destination(service, "t1", {"APP": stream_server.port})
    service.wait_connected("t1", "destination")
    first_ports, second_ports = free_ports(["APP"]), free_ports(["APP"])
    first = lab.source(service, "t1", first_ports, **tokens)
    first.wait_log(READY_SOURCE.format(port=first_ports["APP"]))
    with socket.create_connection(("127.0.0.1", first_ports["APP"]), timeout=BACK) as client:
        client.sendall(b"x")
        second = lab.source(service, "t1", second_ports, **tokens)
        second.wait_log(READY_SOURCE.format(port=second_ports["APP"]))
        assert ended_without_a_byte(client)
    assert first.wait() == 0
    exchange_all([(second_ports["APP"], 1, 100_000, 100_000)])


def test_a_token_cannot_be_used_with_another_client_token(lab):
    service = lab.service({"t1": ["APP"]})
    first = lab.source(service, "t1", free_ports(["APP"]))
    first.wait_log(READY)
    assert first.stop() == 0
    # The second run generates another client token than the one that the service has bound.
    second = lab.source(service, "t1", free_ports(["APP"]))
    assert second.wait() == 77


@pytest.mark.parametrize("variable, user", [("STATE_DIRECTORY", None), ("HOME", "daemon"), ("XDG_STATE_HOME", "daemon")])
def test_a_derived_client_token_lets_a_token_serve_again(lab, variable, user):
    service = lab.service({"t1": ["APP"]})
    directory = lab.make_directory("state", 0o700)
    if user is not None and not is_root():
        pytest.skip("only root starts processes as another user")
    if user is not None:
        shutil.chown(directory, user)
    state = {variable: str(directory)}
    for _ in range(2):
        source = lab.source(service, "t1", free_ports(["APP"]), environment=state, user=user)
        source.wait_log(READY)
        assert source.stop() == 0
        service.wait_gone("t1", "source")
    # A random client token is another one than the service has bound.
    other = lab.source(service, "t1", free_ports(["APP"]), environment=state, user=user, more=["-i", "random"])
    assert other.wait() == 77


def test_a_token_with_client_token_serves_again(lab):
    service = lab.service({"t1": ["APP"]})
    for _ in range(2):
        source = lab.source(service, "t1", free_ports(["APP"]),
                            environment={"AWSIOT_TUNNEL_CLIENT_TOKEN": "0123456789abcdef0123456789abcdef"})
        source.wait_log(READY)
        assert source.stop() == 0
        service.wait_gone("t1", "source")


def test_rotating_tokens_ends_proxies_with_the_old_ones(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    tunnel.service.control("rotate", tunnel="t1", side="source")
    # The service may close in order (0) or refuse the reconnect (77).
    assert tunnel.source.wait(BACK) in (0, 77)
    ports = free_ports(["APP"])
    again = lab.source(tunnel.service, "t1", ports)
    again.wait_log(READY_SOURCE.format(port=ports["APP"]))
    exchange_all([(ports["APP"], 1, 100_000, 100_000)])


def cut_relay(tunnel, side):
    tunnel.relays[side].cut()
    tunnel.relays[side].restore()


def kill_net(tunnel, side):
    os.kill(getattr(tunnel, side).pid_of("net"), signal.SIGKILL)


def kick(tunnel, side):
    tunnel.service.control("kick", tunnel="t1", side=side, how="rst")


def hang_up(tunnel, side):
    getattr(tunnel, side).signal(signal.SIGHUP)


LOSSES = [(cut_relay, "source"), (kill_net, "source"), (kick, "source"), (hang_up, "source"),
          (cut_relay, "destination"), (kill_net, "destination"), (kick, "destination"), (hang_up, "destination"),
          (kill_net, "source"), (cut_relay, "source")]
# KiB that ten losses may add to a process that frees everything; the buffers of one connection exceed it.
MOST_GROWTH = 1024


def kilobytes(pid):
    """The private memory of a process."""
    return int(processes.status(pid)["RssAnon"].split()[0])


def holdings(pid):
    """How many descriptors of each kind a process has, not counting pooled pipes."""
    return collections.Counter(target.partition("[")[0] for target in processes.descriptors(pid).values()
                               if not target.startswith("pipe:"))


class Watched:
    """The processes that outlive a tunnel connection, and the resources that they hold."""

    def __init__(self, tunnel):
        self._proxies = tunnel.source, tunnel.destination
        self._wait_idle()
        self.pids = [pid for proxy in self._proxies for pid in (proxy.pid, proxy.pid_of("bridge"))]
        self._memory = {pid: kilobytes(pid) for pid in self.pids}
        self._holdings = {pid: holdings(pid) for pid in self.pids} if os.getuid() == 0 else {}

    def _wait_idle(self):
        for proxy in self._proxies:
            until(lambda p=proxy: p.counters()[0] == 0, "all connections are closed")

    def check(self):
        self._wait_idle()
        for proxy in self._proxies:
            until(lambda p=proxy: [len(pids) for pids in p.processes().values()] == [1, 1, 1, 0, 1],
                  "a monitor, a net, a bridge and a launch process are all there is")
            assert len([pid for pid in proxy.seen_pids if processes.is_alive(pid)]) == 4
            assert {proxy.pid, proxy.pid_of("bridge")} <= set(self.pids)
        for pid, before in self._holdings.items():
            until(lambda p=pid, b=before: holdings(p) == b, f"{processes.role(pid) or 'monitor'} holds {before}")
        # AddressSanitizer keeps memory that was freed; it has test_leaks.py.
        for pid, before in ({} if is_sanitized() else self._memory).items():
            assert kilobytes(pid) - before < MOST_GROWTH, processes.role(pid) or "monitor"


def test_ten_losses_of_all_kinds(lab, stream_server):
    """After each loss the local connections are gone, and new ones carry everything, with the original tokens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(BACK)
        tunnel = CutTunnel(lab, {"APP": f"127.0.0.1:{stream_server.port}",
                                 "HELD": f"127.0.0.1:{listener.getsockname()[1]}"},
                           settings={"websocket": {"retry_delay_ms": 1}})
        # One round first, so that every cache and pool is filled.
        exchange_all([(tunnel.ports["APP"], seed, 500_000, 500_000) for seed in range(4)])
        until(lambda: stream_server.open == 0, "all connections are closed")
        watched = Watched(tunnel)
        for number, (lose, side) in enumerate(LOSSES):
            proxy = getattr(tunnel, side)
            with socket.create_connection(("127.0.0.1", tunnel.ports["HELD"]), timeout=BACK) as client, \
                    listener.accept()[0] as server:
                server.settimeout(BACK)
                client.sendall(b"?")
                assert server.recv(1) == b"?"
                server.sendall(b"!")
                assert client.recv(1) == b"!"
                mark = proxy.mark()
                lose(tunnel, side)
                near, far = (client, server) if side == "source" else (server, client)
                with pytest.raises(ConnectionResetError):
                    assert near.recv(1), "a lost tunnel looked like an orderly end"
                assert ended_without_a_byte(far)
            proxy.wait_log(READY, BACK, mark)
            tunnel.service.control("wait", accepted=3 + number, timeout_ms=BACK * 1000)
            for each in ("source", "destination"):
                tunnel.service.wait_connected("t1", each)
            exchange_all([(tunnel.ports["APP"], seed, 500_000, 500_000) for seed in range(4)])
        until(lambda: stream_server.open == 0, "all connections are closed")
        watched.check()
    assert tunnel.service.status()["handshakes"] == {"accepted": 2 + len(LOSSES), "refused": 0}


def test_a_silent_service_is_given_up(lab, stream_server):
    """The connection stays open and carries nothing; it is given up after 30 seconds. Both sides at the same time."""
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    sides = {"source": tunnel.source, "destination": tunnel.destination}
    for side, proxy in sides.items():
        # A service that has never answered a ping need not answer one.
        until(lambda s=side: tunnel.service.status("t1")[s]["connection"]["pings"] > 0, "a ping was answered")
    marks = {side: proxy.mark() for side, proxy in sides.items()}
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=90) as client:
        tunnel.source.wait_log("Accepted tcp connection", BACK, marks["source"])
        for side in sides:
            tunnel.service.control("blackhole", tunnel="t1", side=side)
        assert ended_without_a_byte(client)
    for side, proxy in sides.items():
        proxy.wait_log(r"error.*nothing was heard from the service for 30 seconds", 60, marks[side])
        proxy.wait_log(READY, BACK, marks[side])
        tunnel.service.wait_connected("t1", side)
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])
