"""Tunnel frames arrive cut and joined in every way that WebSocket and TLS allow; the bytes stay the same."""

import contextlib
import socket

import pytest
from harness.sockets import receive_exactly
from harness.streams import exchange_all

# Every offset in the frame that carries it is a cut: in the length, in the fields, in the payload.
LINE = bytes(range(64))
LONGEST_FRAME = 2 + 32 + len(LINE)


@contextlib.contextmanager
def line_through(lab, cut_side):
    """(tunnel, sender, receiver): the ends of one connection; cut_side's proxy receives what is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tunnel = lab.tunnel({"APP": f"127.0.0.1:{listener.getsockname()[1]}"})
        listener.settimeout(20)
        with socket.create_connection(("127.0.0.1", tunnel.ports["APP"]), timeout=20) as client:
            server, _ = listener.accept()
            server.settimeout(20)
            yield (tunnel, server, client) if cut_side == "source" else (tunnel, client, server)
            server.close()


@pytest.mark.parametrize("side", ["source", "destination"])
def test_cut_at_every_byte(lab, side):
    with line_through(lab, side) as (tunnel, sender, receiver):
        for offset in range(1, LONGEST_FRAME):
            tunnel.service.control("split", tunnel="t1", side=side, offset=offset)
            sender.sendall(LINE)
            assert receive_exactly(receiver, len(LINE)) == LINE, f"cut after byte {offset}"


@pytest.mark.parametrize("shape", [{"size": 1}, {"size": 7}, {"size": 1000}, {"size": 131_076}, {"fragment": 1},
                                   {"fragment": 5000}, {"tls": 1}, {"size": 3, "fragment": 2, "tls": 1}],
                         ids=lambda shape: ",".join(f"{key} {value}" for key, value in shape.items()))
def test_cut_and_joined(lab, stream_server, shape):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    tunnel.service.control("split", **shape)
    exchange_all([(tunnel.ports["APP"], seed, 150_000, 150_000) for seed in range(2)])


def test_control_frames_between_fragments(lab, stream_server):
    """RFC 6455, 5.4: a ping may come between two fragments of a message."""
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    for side in ("source", "destination"):
        # An ignorable message of an unknown type: 2 bytes of length, type 100, ignorable true.
        frame = bytes([0, 4, 0x08, 100, 0x18, 1])
        first, ping, last = b"\x02\x03" + frame[:3], b"\x89\x01p", b"\x80\x03" + frame[3:]
        tunnel.service.control("inject_raw", tunnel="t1", side=side, hex=(first + ping + last).hex())
    exchange_all([(tunnel.ports["APP"], 1, 10_000, 10_000)])
    assert tunnel.service.status("t1")["source"]["upgrades"] == 1
    assert tunnel.service.status("t1")["destination"]["upgrades"] == 1


@pytest.mark.parametrize("frame", ["8105" + b"hello".hex(), "8305" + b"hello".hex(), "c205" + b"hello".hex(),
                                   "828500000000" + b"hello".hex(), "0901" + "70", "827f" + "00" * 4 + "00200000"],
                         ids=["text", "unknown opcode", "reserved bit", "masked", "fragmented ping", "too long"])
def test_frames_that_break_the_rules_end_the_connection(lab, stream_server, frame):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    tunnel.service.control("inject_raw", tunnel="t1", side="source", hex=frame)
    tunnel.service.control("wait", accepted=3, timeout_ms=30_000)
    tunnel.service.wait_connected("t1", "source")
    exchange_all([(tunnel.ports["APP"], 1, 10_000, 10_000)])
    assert tunnel.service.status("t1")["source"]["upgrades"] == 2
    assert not tunnel.source.find_log("was killed by"), tunnel.source.log
