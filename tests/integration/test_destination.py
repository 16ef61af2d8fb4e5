"""What happens when the destination's local service is not there, is late, or does not answer."""

import contextlib
import os
import re
import signal
import socket
import time

from harness.lab import READY, free_ports
from harness.ports import free_port
from harness.proxy import log_time
from harness.sockets import ended_without_a_byte
from harness.streams import exchange_all
from harness.wait import until

# The reference tries a local service five times, 2.5 seconds apart, before it gives up.
GIVE_UP = 40
# The time that a connection may take while others have trouble; alone it takes a few milliseconds.
PROMPTLY = 2.0


def test_a_service_that_does_not_listen_ends_the_connection_and_delays_no_other(lab, stream_server):
    tunnel = lab.tunnel({"GONE": f"127.0.0.1:{free_port()}", "APP": f"127.0.0.1:{stream_server.port}"})
    with socket.create_connection(("127.0.0.1", tunnel.ports["GONE"]), timeout=GIVE_UP) as client:
        client.sendall(b"is anybody there?")
        started = time.monotonic()
        exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])
        assert time.monotonic() - started < PROMPTLY
        assert ended_without_a_byte(client)
    # The service stays usable.
    exchange_all([(tunnel.ports["APP"], 2, 100_000, 100_000)])


def test_a_local_service_that_comes_late_gets_what_was_sent_before(lab):
    port = free_port()
    tunnel = lab.tunnel({"LATE": f"127.0.0.1:{port}"})
    with socket.create_connection(("127.0.0.1", tunnel.ports["LATE"]), timeout=GIVE_UP) as client:
        client.sendall(b"early bytes")
        tunnel.source.wait_log(rf"Accepted tcp connection on port {tunnel.ports['LATE']}\b")
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(GIVE_UP)
            server, _ = listener.accept()
            server.settimeout(20)
            assert server.recv(11, socket.MSG_WAITALL) == b"early bytes"
            server.close()


@contextlib.contextmanager
def black_hole():
    """A port of loopback where a connect neither succeeds nor fails: a listener whose queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)

        def is_full():
            probe = stack.enter_context(socket.socket())
            probe.settimeout(0.3)
            try:
                probe.connect(listener.getsockname())
            except TimeoutError:
                return True
            return False

        until(is_full, "the queue of the listener is full")
        yield listener.getsockname()[1]


def test_a_service_that_does_not_answer_delays_no_other(lab, stream_server):
    with black_hole() as port:
        tunnel = lab.tunnel({"HOLE": f"127.0.0.1:{port}", "APP": f"127.0.0.1:{stream_server.port}"})
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", tunnel.ports["HOLE"]), timeout=5))
                client.sendall(b"hello?")
            for seed in range(5):
                started = time.monotonic()
                exchange_all([(tunnel.ports["APP"], seed, 100_000, 100_000)])
                assert time.monotonic() - started < PROMPTLY


def test_a_client_that_leaves_while_the_destination_connects(lab, stream_server):
    with black_hole() as port:
        tunnel = lab.tunnel({"HOLE": f"127.0.0.1:{port}", "APP": f"127.0.0.1:{stream_server.port}"})
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", tunnel.ports["HOLE"]), timeout=5) as client:
                client.sendall(b"never mind")
        exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])


def test_a_name_instead_of_an_address(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"localhost:{stream_server.port}"})
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])


def test_a_lone_port_means_this_machine(lab, stream_server):
    tunnel = lab.tunnel({"APP": stream_server.port})
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])


def quick(count, delay_ms=50):
    return {"tcp": {"connection_retry_count": count, "connection_retry_delay_ms": delay_ms}}


def tunnel_to(lab, target, settings):
    """A destination with those settings, and a source; (destination, the source's port)."""
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    destination = lab.destination(service, "t1", {"APP": target}, settings=settings)
    destination.wait_log(READY)
    lab.source(service, "t1", ports).wait_log("Listening for new connection")
    return destination, ports["APP"]


def test_a_refused_dial_is_retried_as_often_as_asked_and_reported_to_the_source(lab):
    target = free_port()
    destination, port = tunnel_to(lab, f"127.0.0.1:{target}", quick(3, 300))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"anybody there?")
        assert ended_without_a_byte(client)
    where = rf"cannot connect to the local service at 127\.0\.0\.1:{target}: .*Connection refused; "
    assert destination.find_log(rf"error.*{where}given up after 3 tries")
    tries = [line for line in destination.log.splitlines() if re.search(where, line)]
    assert [bool(re.search("next try in 300 ms", line)) for line in tries] == [True, True, False]
    # However busy the machine is, the delay between two tries is kept. The second line, which repeats the first, may wait
    # for the third.
    assert log_time(tries[-1]) - log_time(tries[0]) >= 2 * 0.29


def test_a_local_service_is_tried_forever_when_asked(lab):
    target = free_port()
    destination, port = tunnel_to(lab, f"127.0.0.1:{target}", quick(-1, 20))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"early bytes")
        until(lambda: destination.log.count("next try in 20 ms") > 10, "more tries than by default")
        with socket.create_server(("127.0.0.1", target)) as listener:
            listener.settimeout(20)
            server, _ = listener.accept()
            with server:
                server.settimeout(20)
                assert server.recv(11, socket.MSG_WAITALL) == b"early bytes"
    assert "given up" not in destination.log


def test_clients_that_leave_do_not_use_up_the_limit_of_a_service(lab):
    """With endless tries, a dial without a client must end, or abandoned dials would use up the limit."""
    target = free_port()
    settings = quick(-1, 20)
    settings["tcp"]["max_active_connections"] = 4
    destination, port = tunnel_to(lab, f"127.0.0.1:{target}", settings)
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            pass
    with socket.create_server(("127.0.0.1", target)) as listener:
        listener.settimeout(20)
        until(lambda: reaches(port, listener), "a new client is connected", 30)
    assert destination.process.poll() is None


def test_dials_end_with_their_tunnel(lab):
    destination, port = tunnel_to(lab, f"127.0.0.1:{free_port()}", quick(-1, 60_000))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"for later")
        destination.wait_log("next try in 60000 ms")

    assert destination.counters()[:2] == [1, 1], "its bytes wait"
    mark = destination.mark()
    destination.signal(signal.SIGHUP)
    destination.wait_log(READY, 30, mark)
    until(lambda: destination.counters()[:2] == [0, 1], "nothing waits for the local service")
    destination.signal(signal.SIGTERM)
    assert destination.wait() == 0
    assert "did not drain" not in destination.log


def reaches(port, listener):
    """Whether a client that sends its name to the port reaches the listener, among those that only left."""
    name = os.urandom(8)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(name)
        listener.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                server, _ = listener.accept()
                with server:
                    server.settimeout(1)
                    if server.recv(8, socket.MSG_WAITALL) == name:
                        return True
    return False
