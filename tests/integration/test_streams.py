"""All bytes arrive, in order and unchanged, whatever else happens."""

import contextlib
import os
import socket
import threading

import pytest
from harness.sockets import fill, receive_exactly
from harness.streams import HEADER, StreamServer, blocks, exchange_all
from harness.wait import until

MEGABYTE = 1024 * 1024
# Seconds that a connection may keep the whole tunnel waiting.
STALL = 10


def test_three_services_at_once(lab):
    servers = {name: lab.use(StreamServer()) for name in ("SSH", "HTTP", "DB")}
    tunnel = lab.tunnel({name: f"127.0.0.1:{server.port}" for name, server in servers.items()})
    exchange_all([(port, seed * 10 + number, 10 * MEGABYTE + seed, 7 * MEGABYTE + number)
                  for seed, port in enumerate(tunnel.ports.values()) for number in range(2)])


def test_128_connections_at_once(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    exchange_all([(tunnel.ports["APP"], seed, 2 * MEGABYTE, 2 * MEGABYTE) for seed in range(128)],
                 at_once=True, timeout=240)
    assert stream_server.most == 128


def test_connections_in_sequence_leave_nothing_behind(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    for seed in range(200):
        exchange_all([(tunnel.ports["APP"], seed, 1000 + seed, 2000 + seed)])
    until(lambda: stream_server.open == 0, "all connections at the far end are closed")


@pytest.mark.parametrize("size", [0, 1, 64_511, 64_512, 64_513, 65_536, 131_076, MEGABYTE + 1])
def test_sizes_around_the_limits_of_a_message(lab, stream_server, size):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    exchange_all([(tunnel.ports["APP"], size, size, size)])


def test_the_far_end_speaks_first(lab):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20) as client:
            listener.settimeout(20)
            server, _ = listener.accept()
            server.sendall(b"220 hello\r\n")
            assert receive_exactly(client, 11) == b"220 hello\r\n"
            server.close()
            assert client.recv(1) == b""


def test_bytes_sent_before_the_end_arrive(lab):
    """The protocol has no half-close: the end of one side ends both, after its bytes."""
    content = os.urandom(3 * MEGABYTE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        listener.settimeout(20)
        for from_the_source in (True, False):
            client = socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20)
            server, _ = listener.accept()
            server.settimeout(20)
            sender, receiver = (client, server) if from_the_source else (server, client)
            sending = threading.Thread(target=lambda s=sender: (s.sendall(content), s.close()))
            sending.start()
            assert receive_exactly(receiver, len(content)) == content
            assert receiver.recv(1) == b""
            receiver.close()
            sending.join()


def test_a_slow_reader_loses_nothing_and_bounds_what_is_in_flight(lab):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20) as client:
            listener.settimeout(20)
            reader, _ = listener.accept()
            reader.settimeout(20)
            sent = fill(client)
            # The kernel buffers of seven sockets and what the processes may keep; far less than was offered.
            assert sent < 64 * MEGABYTE, f"{sent} bytes were taken and none were read"
            tail = os.urandom(MEGABYTE)
            sending = threading.Thread(target=client.sendall, args=(tail,))
            sending.start()
            assert receive_exactly(reader, sent) == bytes(sent)
            assert receive_exactly(reader, len(tail)) == tail
            sending.join()
            reader.close()


@contextlib.contextmanager
def stuck_reader(lab, stream_server, first):
    """A tunnel with a connection whose reader at the far end never reads, filled until nothing more is taken. first:
    called before that, with the port of the other service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"STUCK": f"127.0.0.1:{listener.getsockname()[1]}",
                             "APP": f"127.0.0.1:{stream_server.port}"})
        other = first(tunnel.ports["APP"])
        with socket.create_connection(("127.0.0.1", tunnel.ports["STUCK"]), timeout=20) as client:
            listener.settimeout(20)
            reader, _ = listener.accept()
            fill(client)
            yield tunnel, other
            reader.close()


def test_one_stuck_reader_does_not_stop_the_others_forever(lab, stream_server):
    def open_other(port):
        other = socket.create_connection(("127.0.0.1", port), timeout=STALL + 10)
        other.sendall(HEADER.pack(1, 4, 10_000))
        assert receive_exactly(other, 1) == b"R"
        return other

    with stuck_reader(lab, stream_server, open_other) as (tunnel, other), other:
        other.sendall(b"G")
        assert receive_exactly(other, 10_000) == next(blocks(1, "down", 10_000))
        tunnel.destination.wait_log(r"warn.*STUCK.*reset")
        # New connections get through too.
        exchange_all([(tunnel.ports["APP"], 2, MEGABYTE, MEGABYTE)])


def test_one_stuck_reader_does_not_stop_new_connections_forever(lab, stream_server):
    with stuck_reader(lab, stream_server, lambda port: None) as (tunnel, _):
        exchange_all([(tunnel.ports["APP"], 1, MEGABYTE, MEGABYTE)], timeout=STALL + 5)
