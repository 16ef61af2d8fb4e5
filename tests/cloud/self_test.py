"""Relaying and admission, with a WebSocket library and with bare sockets."""

import asyncio
import os
import signal
import struct
import uuid

import pytest
import websockets
from raw_proxy import PING, PONG, SUBPROTOCOL, RawProxy, Refused, frame, tls_context

# The parameter of websockets.connect() for additional headers, renamed in version 14.
HEADERS = "extra_headers" if int(websockets.__version__.partition(".")[0]) < 14 else "additional_headers"


def test_libraries_relay_both_ways(service, pb):
    """Two peers with the WebSocket library, every subprotocol with every other, bytes both ways."""

    def open_(side, version):
        headers = {"access-token": service.token("one", side), "client-token": tokens[side]}
        return websockets.connect(
            f"wss://localhost:{service.port}/tunnel?local-proxy-mode={side}",
            ssl=tls_context(service), subprotocols=[SUBPROTOCOL.format(version)], max_size=None,
            **{HEADERS: headers})

    tokens = {side: str(uuid.uuid4()) for side in ("source", "destination")}

    async def read(peer):
        data = await peer.recv()
        assert struct.unpack(">H", data[:2])[0] == len(data) - 2
        return pb.Message.FromString(data[2:])

    async def exchange(source_version, destination_version):
        async with open_("destination", destination_version) as destination, \
                   open_("source", source_version) as source:
            assert source.subprotocol == SUBPROTOCOL.format(source_version)
            for peer, version in ((source, source_version), (destination, destination_version)):
                if version >= 2:
                    assert list((await read(peer)).availableServiceIds) == ["SSH"]
            both = min(source_version, destination_version)
            up = {"streamId": 7, "serviceId": "SSH" if source_version >= 2 else "",
                  "connectionId": 1 if source_version >= 3 else 0}
            down = {"streamId": 7, "serviceId": "SSH" if both >= 2 else "",
                    "connectionId": 1 if both >= 3 else 0}
            payload = os.urandom(64512)
            await source.send(frame(pb.Message(type=pb.Message.STREAM_START, **up)))
            await source.send(frame(pb.Message(type=pb.Message.DATA, payload=payload, **up)))
            assert await read(destination) == pb.Message(type=pb.Message.STREAM_START, **down)
            assert await read(destination) == pb.Message(type=pb.Message.DATA, payload=payload, **down)
            await destination.send(frame(pb.Message(type=pb.Message.DATA, payload=payload[:1000], **down)))
            assert await read(source) == pb.Message(type=pb.Message.DATA, payload=payload[:1000], **down)
            await (await source.ping(b"hello"))

    for source_version in (1, 2, 3):
        for destination_version in (1, 2, 3):
            asyncio.run(asyncio.wait_for(exchange(source_version, destination_version), 20))
    assert service.breaches() == []


def pair(connect, tunnel="two", source=3, destination=3):
    destination = connect(tunnel, "destination", destination)
    return connect(tunnel, "source", source), destination


def test_service_ids(connect):
    assert connect("two", "source").services == ["SSH", "HTTP"]
    assert connect("none", "source").services == []
    assert connect("one", "destination", 2).services == ["SSH"]


def test_frames_may_be_cut_and_joined(connect, message):
    source, destination = pair(connect)
    wanted = [message("STREAM_START", 1, "SSH", 1)]
    wanted += [message("DATA", 1, "SSH", 1, bytes([i]) * (i * 300)) for i in range(1, 60)]
    stream = b"".join(frame(one) for one in wanted)
    sizes = [1, 1, 1, 2, 3, 125, 126, 5000, 70000, 131076]
    while stream:
        size = sizes.pop(0) if sizes else 9001
        source.send_frame(stream[:size])
        stream = stream[size:]
    assert [destination.read() for _ in wanted] == wanted


def test_fragmented_messages(connect, message):
    source, destination = pair(connect)
    stream = frame(message("STREAM_START", 1, "SSH", 1)) + frame(message("DATA", 1, "SSH", 1, b"x" * 200))
    source.send_frame(stream[:5], fin=False)
    source.send_frame(b"between", opcode=PING)
    source.send_frame(stream[5:9], opcode=0, fin=False)
    source.send_frame(stream[9:], opcode=0)
    assert destination.read() == message("STREAM_START", 1, "SSH", 1)
    assert destination.read() == message("DATA", 1, "SSH", 1, b"x" * 200)
    assert source.read_frame() == (True, PONG, b"between")


def test_many_megabytes(service, connect, message):
    """More than all queues hold, to a reader that starts late."""
    source, destination = pair(connect)
    source.send(message("STREAM_START", 1, "SSH", 1))
    assert destination.read() == message("STREAM_START", 1, "SSH", 1)
    one = message("DATA", 1, "SSH", 1, os.urandom(64512))
    count = 600
    # Blocking the source does not stop the destination, so one thread is enough.
    source.socket.setblocking(False)
    outgoing, received = b"", 0
    source_left = count
    while received < count:
        while source_left or outgoing:
            if not outgoing:
                body = frame(one)
                outgoing = struct.pack(">BBH", 0x82, 0x80 | 126, len(body)) + bytes(4) + body
                source_left -= 1
            try:
                outgoing = outgoing[source.socket.send(outgoing):]
            except OSError:
                break
        assert destination.read() == one
        received += 1
    status = service.status("two")["source"]
    assert (status["data_messages"], status["data_bytes"]) == (count, count * 64512)


def test_lower_subprotocols_get_no_newer_fields(connect, message):
    source, destination = pair(connect, "one", 3, 1)
    source.send(message("STREAM_START", 1, "SSH", 1), message("DATA", 1, "SSH", 1, b"a"))
    assert destination.read() == message("STREAM_START", 1)
    assert destination.read() == message("DATA", 1, payload=b"a")
    source.send(message("CONNECTION_START", 1, "SSH", 2))
    assert source.read() == message("CONNECTION_RESET", 1, "SSH", 2)
    source.send(message("DATA", 1, "SSH", 2, b"lost"), message("CONNECTION_RESET", 1, "SSH", 2))
    destination.send(message("DATA", 1, payload=b"b"))
    assert source.read() == message("DATA", 1, payload=b"b")
    source.send(message("CONNECTION_RESET", 1, "SSH", 1))
    assert destination.read() == message("STREAM_RESET", 1)


def test_a_lost_side_resets_the_other(service, connect, message):
    source, destination = pair(connect)
    source.send(message("STREAM_START", 5, "HTTP", 1), message("STREAM_START", 6, "SSH", 1))
    destination.read(), destination.read()
    assert [(s["service"], s["stream_id"]) for s in service.status("two")["streams"]] == \
        [("SSH", 6), ("HTTP", 5)]
    destination.close()
    assert source.read() == message("STREAM_RESET", 6, "SSH")
    assert source.read() == message("STREAM_RESET", 5, "HTTP")
    assert service.status("two")["streams"] == []


def test_without_a_destination_streams_are_refused(service, connect, message):
    source = connect("two", "source")
    source.send(message("STREAM_START", 1, "SSH", 1), message("DATA", 1, "SSH", 1, b"x"))
    assert source.read() == message("STREAM_RESET", 1, "SSH")
    source.send(message("CONNECTION_START", 1, "SSH", 2))
    assert source.read() == message("CONNECTION_RESET", 1, "SSH", 2)
    assert service.breaches() == []


def test_a_side_without_resets_hears_nothing(service, connect, message):
    service.control("resets", tunnel="two", on=False)
    client_token = {"headers": {"client-token": str(uuid.uuid4())}}
    source = connect("two", "source", **client_token)
    source.send(message("STREAM_START", 1, "SSH", 1), message("CONNECTION_START", 1, "SSH", 2))
    service.control("wait", tunnel="two", side="source", messages=2)
    destination = connect("two", "destination")
    source.send(message("STREAM_START", 2, "SSH", 1))
    assert destination.read() == message("STREAM_START", 2, "SSH", 1)
    source.close()
    source = connect("two", "source", **client_token)
    source.send(message("STREAM_START", 3, "SSH", 1))
    assert destination.read() == message("STREAM_START", 3, "SSH", 1)
    destination.close()
    service.wait_gone("two", "destination")
    service.control("resets", tunnel="two")
    source.send(message("STREAM_START", 4, "SSH", 1))
    assert source.read() == message("STREAM_RESET", 4, "SSH"), "the first message that it receives"


def test_the_end_of_a_stream_names_its_first_connection_or_none(service, connect, message):
    source, destination = pair(connect)
    for ending in (message("STREAM_RESET", 1, "SSH", 1), message("STREAM_RESET", 1, "SSH")):
        source.send(message("STREAM_START", 1, "SSH", 1), ending)
        assert destination.read() == message("STREAM_START", 1, "SSH", 1)
        assert destination.read() == ending
    assert service.status("two")["streams"] == []


def test_an_implicit_stream_start(service, connect, message):
    source, destination = pair(connect)
    source.send(message("CONNECTION_START", 9, "SSH", 4))
    assert destination.read() == message("CONNECTION_START", 9, "SSH", 4)
    assert service.status("two")["streams"][0]["connections"] == [4]


def test_a_new_connection_replaces_the_old(service, connect, message):
    client_token = {"headers": {"client-token": str(uuid.uuid4())}}
    destination = connect("two", "destination")
    old = connect("two", "source", **client_token)
    old.send(message("STREAM_START", 1, "SSH", 1))
    destination.read()
    new = connect("two", "source", **client_token)
    assert old.read_close()[0] == 1001
    assert destination.read() == message("STREAM_RESET", 1, "SSH")
    new.send(message("STREAM_START", 1, "SSH", 1))
    assert destination.read() == message("STREAM_START", 1, "SSH", 1)


def test_stale_data_is_not_a_breach(service, connect, message):
    source, destination = pair(connect)
    destination.send(message("DATA", 99, "SSH", 3, b"stale"), message("CONNECTION_RESET", 99, "SSH", 3))
    assert source.read() == message("DATA", 99, "SSH", 3, b"stale")
    assert source.read() == message("CONNECTION_RESET", 99, "SSH", 3)
    assert service.breaches() == []


def test_an_unknown_type_that_is_ignorable(service, connect, message):
    source, destination = pair(connect)
    # type 77, ignorable
    source.send(bytes.fromhex("084d1801"), message("STREAM_START", 1, "SSH", 1))
    assert destination.read() == message("STREAM_START", 1, "SSH", 1)


def refused(connect, **options):
    with pytest.raises(Refused) as caught:
        connect("two", "source", **options)
    assert caught.value.headers["channel-id"]
    return caught.value.status, caught.value.body


@pytest.mark.parametrize("options, status, words", [
    ({"target": "/tunnel"}, 400, "path"),
    ({"target": "/other?local-proxy-mode=source"}, 400, "path"),
    ({"target": "/tunnel?local-proxy-mode=src"}, 400, "mode"),
    ({"target": "/tunnel?local-proxy-mode=source&x=1"}, 400, "mode"),
    ({"target": "/tunnel?local-proxy-mode=destination"}, 403, "not for this local-proxy-mode"),
    ({"headers": {"Host": None}}, 400, "Host"),
    ({"headers": {"Upgrade": None}}, 400, "Upgrade"),
    ({"headers": {"Connection": "close"}}, 400, "Connection"),
    ({"headers": {"Sec-WebSocket-Version": "8"}}, 426, "13"),
    ({"headers": {"Sec-WebSocket-Key": "c2hvcnQ="}}, 400, "Key"),
    ({"headers": {"Sec-WebSocket-Key": "A" * 23 + "="}}, 400, "Key"),
    ({"headers": {"Sec-WebSocket-Protocol": None}}, 400, "Protocol"),
    ({"version": 4}, 400, "Protocol"),
    ({"version": 1}, 400, "several services"),
    ({"headers": {"Content-Length": "0"}}, 400, "body"),
    ({"headers": {"access-token": None}}, 400, "Invalid access token"),
    ({"headers": {"access-token": ["a", "b"]}}, 400, "Invalid access token"),
    ({"headers": {"access-token": "a", "Cookie": "x=1; awsiot-tunnel-token=b"}}, 400, "Invalid access token"),
    ({"headers": {"access-token": "unknown"}}, 403, "Invalid access token"),
    ({"headers": {"client-token": "short"}}, 400, "Invalid client token"),
    ({"headers": {"client-token": "_" * 40}}, 400, "Invalid client token"),
    ({"headers": {"x-filler": "x" * 4000}}, 431, "4096"),
])
def test_refusals(service, connect, options, status, words):
    answer = refused(connect, **options)
    assert answer[0] == status and words in answer[1]
    assert service.control("status")["handshakes"] == {"accepted": 0, "refused": 1}
    # The refusal did not spend the token.
    connect("two", "source")


def test_cookie_and_largest_request(service, connect):
    token = service.token("two", "source")
    connect("two", "source", headers={"access-token": None, "Cookie": f"awsiot-tunnel-token={token}"})
    probe = RawProxy(service, "two", "destination", upgrade=False, headers={"x-filler": ""})
    room = 4096 - len(probe.request)
    probe.close()
    connect("two", "destination", headers={"x-filler": "x" * room})
    assert service.status("two")["destination"]["connection"]["request_bytes"] == 4096


def test_early_bytes_are_refused(service):
    proxy = RawProxy(service, "two", "source", upgrade=False)
    proxy.request += b"\x82\x80abcd"
    with pytest.raises(Refused) as caught:
        proxy.upgrade()
    assert caught.value.status == 400


def test_tokens(connect):
    connect("two", "source").close()
    assert refused(connect)[1] == \
        "Invalid access token: The access token was previously used and cannot be used again"
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    connect("two", "destination", headers={"client-token": mine}).close()
    connect("two", "destination", headers={"client-token": mine})
    with pytest.raises(Refused, match="403 Invalid client token"):
        connect("two", "destination", headers={"client-token": other})
    with pytest.raises(Refused, match="403 Invalid client token"):
        connect("two", "destination")
    with pytest.raises(Refused, match="403 Invalid client token"):
        connect("one", "source", headers={"client-token": mine})


def test_rotate_and_close(service, connect):
    source, destination = pair(connect)
    old = service.token("two", "source")
    assert service.control("rotate", tunnel="two", side="source")["source"] == service.token("two", "source")
    assert source.read_close()[1] == "The access token was rotated"
    with pytest.raises(Refused, match="403"):
        connect("two", "source", token=old)
    source = connect("two", "source")
    service.control("close", tunnel="two")
    for proxy in (source, destination):
        assert proxy.read_close() == (1000, "The tunnel was closed")
    service.wait_gone("two", "source")
    with pytest.raises(Refused, match="403 Invalid access token: The tunnel is closed"):
        connect("two", "source")
    service.control("open", tunnel="two", services=["DB"])
    assert connect("two", "source").services == ["DB"]


def test_a_signal_ends_the_service(service):
    os.kill(service.pid, signal.SIGINT)
