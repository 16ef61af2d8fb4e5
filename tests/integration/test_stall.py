"""A local side that reads nothing: how long it may stall the tunnel, and what happens to it and to the others."""

import contextlib
import os
import socket
import threading
import time

import pytest
from harness.sockets import fill, receive_exactly
from harness.streams import exchange_all
from harness.wait import until

MEGABYTE = 1024 * 1024
SHORT = 1500
RESET = r"warn.* of service 'STUCK' is reset: its local side takes nothing, and keeps the whole tunnel waiting"


def settings(milliseconds):
    return {"tcp": {"stall_timeout_ms": milliseconds}}


@contextlib.contextmanager
def pair(lab, stream_server, stall):
    """A tunnel, and both ends of a connection to its service STUCK."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"STUCK": f"127.0.0.1:{listener.getsockname()[1]}",
                             "APP": f"127.0.0.1:{stream_server.port}"}, settings=settings(stall))
        listener.settimeout(20)
        with socket.create_connection(("127.0.0.1", tunnel.ports["STUCK"]), timeout=30) as client:
            server, _ = listener.accept()
            server.settimeout(30)
            with server:
                yield tunnel, client, server


def sides(tunnel, client, server, where):
    """The end that stops reading, the end that writes to it, and the proxy that has to act."""
    return (client, server, tunnel.source) if where == "source" else (server, client, tunnel.destination)


def was_reset(reader):
    """Reads to the end; whether that was a reset."""
    try:
        while reader.recv(MEGABYTE):
            pass
    except ConnectionResetError:
        return True
    return False


def clog(writer):
    """Sends until nothing more is taken, or until a reset. True: it was reset."""
    try:
        fill(writer)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


@pytest.mark.parametrize("where", ["source", "destination"])
def test_only_the_stuck_connection_is_reset_and_the_others_go_on(lab, stream_server, where):
    with pair(lab, stream_server, SHORT) as (tunnel, client, server):
        reader, writer, proxy = sides(tunnel, client, server, where)
        jobs = [(tunnel.ports["APP"], seed, 8 * MEGABYTE, 8 * MEGABYTE) for seed in range(4)]
        running = threading.Thread(target=lambda: done.append(exchange_all(jobs, at_once=True)))
        done = []
        running.start()
        seen = clog(writer)
        proxy.wait_log(RESET)
        running.join(60)
        assert done, "the other transfers did not complete"
        assert len([line for line in proxy.lines if " is reset: its local side" in line]) == 1
        # Neither end may mistake what it has for the whole.
        assert was_reset(reader)
        assert seen or was_reset(writer)
        exchange_all([(tunnel.ports["APP"], 9, MEGABYTE, MEGABYTE)])


def test_a_destination_resets_a_stuck_connection_even_if_it_is_the_only_one(lab, stream_server):
    """A destination cannot see what waits behind the connection."""
    with pair(lab, stream_server, SHORT) as (tunnel, client, server):
        seen = clog(client)
        tunnel.destination.wait_log(RESET)
        assert was_reset(server)
        assert seen or was_reset(client)


def test_a_connection_whose_service_does_not_answer_is_reset_too(lab, stream_server):
    """All bytes for it wait in front of the tunnel until the service has been dialled."""
    with socket.socket() as deaf, contextlib.ExitStack() as kept:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # The listener never accepts: a client gets no answer when the queue is full.
        kept.enter_context(socket.create_connection(deaf.getsockname()))
        tunnel = lab.tunnel({"STUCK": f"127.0.0.1:{deaf.getsockname()[1]}", "APP": f"127.0.0.1:{stream_server.port}"},
                            settings=settings(SHORT))
        client = kept.enter_context(socket.create_connection(("127.0.0.1", tunnel.ports["STUCK"]), timeout=30))
        seen = clog(client)
        tunnel.destination.wait_log(RESET)
        assert seen or was_reset(client)
        exchange_all([(tunnel.ports["APP"], 9, MEGABYTE, MEGABYTE)])


def resumes(reader, writer, sent):
    """Checks that everything arrives, and more after it."""
    tail = os.urandom(MEGABYTE)
    sending = threading.Thread(target=writer.sendall, args=(tail,))
    sending.start()
    assert receive_exactly(reader, sent) == bytes(sent)
    assert receive_exactly(reader, len(tail)) == tail
    sending.join()


def test_a_source_keeps_a_stuck_connection_that_is_the_only_one(lab, stream_server):
    """For longer than the limit: as long as a destination with the same limit takes to reset two connections."""
    with pair(lab, stream_server, SHORT) as (_, paused, writer):
        sent = fill(writer)
        for _ in range(2):
            with pair(lab, stream_server, SHORT) as (clock, client, _):
                clog(client)
                clock.destination.wait_log(RESET)
        resumes(paused, writer, sent)


@pytest.mark.parametrize("where", ["source", "destination"])
def test_without_a_limit_a_stuck_connection_is_kept(lab, stream_server, where):
    with pair(lab, stream_server, 0) as (tunnel, client, server):
        reader, writer, _ = sides(tunnel, client, server, where)
        sent = fill(writer)
        done = []
        others = threading.Thread(target=lambda: done.append(
            exchange_all([(tunnel.ports["APP"], 1, MEGABYTE, MEGABYTE)])))
        others.start()
        with pair(lab, stream_server, SHORT) as (clock, other, _):
            clog(other)
            clock.destination.wait_log(RESET)
        assert not done
        resumes(reader, writer, sent)
        others.join(60)
        assert done, "the transfers behind it did not continue"


def test_a_slow_reader_is_not_mistaken_for_a_stopped_one(lab, stream_server):
    """At a destination, alone, where buffers on the way make its progress coarse."""
    rate, seconds = 100_000, 12
    with pair(lab, stream_server, 5000) as (tunnel, client, server):
        sent = fill(client)
        start = time.monotonic()
        taken = 0

        def is_enough():
            nonlocal taken
            due = int(rate * (time.monotonic() - start)) - taken
            if due > 0:
                taken += len(server.recv(due))
            return taken > rate * seconds

        until(is_enough, "the reader has taken enough", 5 * seconds)
        assert taken < sent
        assert receive_exactly(server, sent - taken) == bytes(sent - taken)
        assert not tunnel.destination.find_log(RESET)
