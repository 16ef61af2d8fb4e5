"""What happens when the destination's local service is not there, is late, or does not answer."""

import contextlib
import socket
import time

from harness.ports import free_port
from harness.sockets import ended_without_a_byte
from harness.streams import exchange_all
from harness.wait import until

# The reference tries a local service five times, 2.5 seconds apart, before it gives up.
GIVE_UP = 40
# What a connection may take while others are in trouble; alone it takes a few milliseconds.
PROMPTLY = 2.0


def test_not_listening_ends_the_connection_and_delays_no_other(lab, stream_server):
    tunnel = lab.tunnel({"GONE": f"127.0.0.1:{free_port()}", "APP": f"127.0.0.1:{stream_server.port}"})
    with socket.create_connection(("127.0.0.1", tunnel.ports["GONE"]), timeout=GIVE_UP) as client:
        client.sendall(b"is anybody there?")
        started = time.monotonic()
        exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])
        assert time.monotonic() - started < PROMPTLY
        assert ended_without_a_byte(client)
    # And it stays usable.
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


def test_one_that_does_not_answer_delays_no_other(lab, stream_server):
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


def test_a_port_alone_is_one_of_this_machine(lab, stream_server):
    tunnel = lab.tunnel({"APP": stream_server.port})
    exchange_all([(tunnel.ports["APP"], 1, 100_000, 100_000)])
