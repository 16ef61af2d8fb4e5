"""How a run ends: on request, immediately, or because one of its processes was killed."""

import os
import signal
import socket
import time

import pytest
from harness.lab import READY, READY_SOURCE
from harness.ports import free_port
from harness.processes import is_alive, status
from harness.sockets import ended_without_a_byte, fill
from harness.streams import exchange_all
from harness.wait import until

MEGABYTE = 1024 * 1024
BACK = 30


@pytest.fixture
def tunnel(lab, stream_server):
    return lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_sigterm_and_sigint_end_the_run(tunnel, side, number):
    proxy = getattr(tunnel, side)
    before = [pid for pids in proxy.processes().values() for pid in pids]
    assert len(before) == 4
    proxy.signal(number)
    assert proxy.wait() == 0
    until(lambda: not any(is_alive(pid) for pid in before), "all processes are gone")
    tunnel.service.wait_gone("t1", side)


def test_a_signal_while_waiting_for_the_next_try(lab):
    proxy = lab.proxy(["-s", free_port(), "-e", f"127.0.0.1:{free_port()}"], token="unused")
    proxy.wait_log(r"(?i)refused")
    proxy.signal(signal.SIGTERM)
    assert proxy.wait(5) == 0


@pytest.fixture
def connecting(lab, namespace):
    """A source whose net is in its sandbox and waits, because the service never answers."""
    net = namespace()
    net.add_address("10.9.0.1/24")
    net.add_black_hole("10.9.0.9")
    proxy = lab.lonely_source("10.9.0.9:443", inside=net)
    proxy.wait_log(r"Resolved proxy server IP: 10\.9\.0\.9")
    proxy.wait_log(r"net.*sandbox: uid")
    return proxy


def test_a_signal_while_net_waits_for_the_connection(connecting):
    before = [pid for pids in connecting.processes().values() for pid in pids]
    assert len(before) == 4
    connecting.signal(signal.SIGTERM)
    assert connecting.wait(5) == 0
    until(lambda: not any(is_alive(pid) for pid in before), "all processes are gone")


def test_net_is_killed_while_it_waits_for_the_connection(connecting):
    os.kill(connecting.pid_of("net"), signal.SIGKILL)
    assert connecting.wait(5) == 69
    assert connecting.find_log(r"error.*the net process was killed by SIGKILL")
    assert not connecting.find_log(r"no answer within")


def test_accepted_bytes_are_delivered_first(lab):
    content = os.urandom(8 * MEGABYTE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        listener.settimeout(20)
        with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20) as client:
            reader, _ = listener.accept()
            reader.settimeout(20)
            received = 0
            client.setblocking(False)
            # As much as is taken while nothing reads at the far end; these bytes are in flight when the end comes.
            sent = client.send(content)
            client.close()
            tunnel.source.signal(signal.SIGTERM)
            while piece := reader.recv(MEGABYTE):
                assert piece == content[received:received + len(piece)]
                received += len(piece)
            assert received == sent
            reader.close()
        assert tunnel.source.wait() == 0


def test_a_second_signal_does_not_wait(lab):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20) as client:
            listener.settimeout(20)
            reader, _ = listener.accept()
            fill(client)
            pids = [pid for pids in tunnel.source.processes().values() for pid in pids]
            mark = tunnel.source.mark()
            tunnel.source.signal(signal.SIGTERM)
            until(lambda: tunnel.source.mark() > mark, "the first signal is noticed")
            started = time.monotonic()
            tunnel.source.signal(signal.SIGTERM)
            tunnel.source.wait(5)
            assert time.monotonic() - started < 2
            until(lambda: not any(is_alive(pid) for pid in pids), "all processes are gone")
            reader.close()


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_second_signal_at_the_end_of_the_helpers(tunnel, side):
    proxy = getattr(tunnel, side)
    helpers = [proxy.pid_of("bridge"), proxy.pid_of("net")]
    for pid in helpers:
        os.kill(pid, signal.SIGSTOP)
    proxy.signal(signal.SIGTERM)
    proxy.wait_log("stopping: ")
    until(lambda: status(proxy.pid)["State"].startswith("S"), "it has told the helpers and waits")
    # The monitor learns in one turn of its loop that both have ended, and of the second request.
    proxy.signal(signal.SIGSTOP)
    for pid in helpers:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in helpers), "both have ended, and launch knows")
    proxy.signal(signal.SIGTERM)
    proxy.signal(signal.SIGCONT)
    assert proxy.wait() == 0


@pytest.mark.parametrize("side", ["source", "destination"])
def test_the_monitor_is_killed(tunnel, side):
    proxy = getattr(tunnel, side)
    before = [pid for pids in proxy.processes().values() for pid in pids]
    os.kill(proxy.pid, signal.SIGKILL)
    assert proxy.wait() == -signal.SIGKILL
    until(lambda: not any(is_alive(pid) for pid in before), "no process is left without its monitor")


@pytest.mark.parametrize("side", ["source", "destination"])
def test_the_bridge_is_killed(tunnel, side):
    proxy = getattr(tunnel, side)
    before = [pid for pids in proxy.processes().values() for pid in pids]
    os.kill(proxy.pid_of("bridge"), signal.SIGKILL)
    assert proxy.wait() == 71
    assert proxy.find_log(r"(?i)bridge.*(SIGKILL|signal 9|[Kk]illed)")
    until(lambda: not any(is_alive(pid) for pid in before), "no process is left")


@pytest.mark.parametrize("side", ["source", "destination"])
def test_net_is_killed_and_replaced(tunnel, side):
    proxy = getattr(tunnel, side)
    others = [proxy.pid, proxy.pid_of("bridge")]
    old = proxy.pid_of("net")
    mark = proxy.mark()
    with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=BACK) as client:
        client.sendall(b"x")
        os.kill(old, signal.SIGKILL)
        # The local connection dies with its tunnel.
        assert ended_without_a_byte(client)
    proxy.wait_log(r"(?i)net.*(SIGKILL|signal 9|killed)", since=mark)
    proxy.wait_log(READY, BACK, mark)
    assert proxy.pid_of("net") != old
    assert not is_alive(old)
    assert [proxy.pid, proxy.pid_of("bridge")] == others
    tunnel.service.wait_connected("t1", side)
    tunnel.source.wait_log(READY_SOURCE.format(port=tunnel.ports["APP"]))
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])


# ---- of one connection ----


def test_the_log_says_how_connections_ended(lab):
    """On the side of the client, and of the local service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})

        def connect():
            client = socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20)
            return client, listener.accept()[0]

        client, server = connect()
        client.sendall(b"x" * 1500)
        assert len(server.recv(1500, socket.MSG_WAITALL)) == 1500
        server.sendall(b"answer")
        assert client.recv(6, socket.MSG_WAITALL) == b"answer"
        client.close()
        tunnel.source.wait_log(r"Accepted tcp connection on port \d+ from \S+ \(APP #1\)")
        tunnel.source.wait_log(r"Disconnected from: \S+ \(APP #1: [\d.]+ s, 1 kB sent, 6 B received, closed locally\)")
        tunnel.destination.wait_log(r"\(APP #1: [\d.]+ s, 6 B sent, 1 kB received, closed by the other end\)")
        server.close()
        client, server = connect()
        server.close()
        tunnel.source.wait_log(r"\(APP #2: [\d.]+ s, 0 B sent, 0 B received, closed by the other end without an answer\)")
        tunnel.destination.wait_log(r"\(APP #2: [\d.]+ s, 0 B sent, 0 B received, closed locally\)")
        client.close()
        client, server = connect()
        tunnel.service.control("kick", tunnel="t1", side="source", how="rst")
        tunnel.source.wait_log(r"\(APP #3: .*, the tunnel was lost\)")
        client.close()
        server.close()
        tunnel.wait_up()
