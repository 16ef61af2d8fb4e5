"""Faults on demand, and the rest of the control socket."""

import json
import select
import socket
import ssl

import pytest
from raw_proxy import BINARY, CLOSE, CONTINUATION, PING, RawProxy, Refused, frame, tls_context


def test_status_fault(service, connect):
    service.control("fault", next=2, kind="status", status=503, body="Try again later")
    for _ in range(2):
        with pytest.raises(Refused, match="503 Try again later"):
            connect("two", "source")
    connect("two", "source")


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_bodies_without_a_length(service, connect, framing):
    service.control("fault", kind="status", status=403, body="No", framing=framing)
    with pytest.raises(Refused) as caught:
        connect("two", "source")
    assert "content-length" not in caught.value.headers
    assert caught.value.body == ("1\r\nN\r\n1\r\no\r\n0\r\n\r\n" if framing == "chunked" else "No")


@pytest.mark.parametrize("kind, header, value", [
    ("no-upgrade-header", "upgrade", None),
    ("no-connection-header", "connection", None),
    ("no-channel-id", "channel-id", None),
    ("no-subprotocol", "sec-websocket-protocol", None),
    ("bad-subprotocol", "sec-websocket-protocol", "aws.iot.securetunneling-9.0"),
    ("extension", "sec-websocket-extensions", "permessage-deflate"),
])
def test_spoilt_heads(service, kind, header, value):
    service.control("fault", kind=kind)
    proxy = RawProxy(service, "two", "source")
    assert proxy.headers.get(header) == value
    assert service.control("status")["faults_left"] == 0


def test_bad_accept(service):
    key = {"headers": {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "client-token": "x" * 32}}
    assert RawProxy(service, "two", "source", **key).headers["sec-websocket-accept"] == \
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    service.control("fault", kind="bad-accept")
    assert RawProxy(service, "two", "source", **key).headers["sec-websocket-accept"] != \
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("kind, end", [("close-before-response", "fin"), ("reset-before-response", "rst")])
def test_no_response(service, kind, end):
    service.control("fault", kind=kind)
    proxy = RawProxy(service, "two", "source", upgrade=False)
    proxy.socket.sendall(proxy.request)
    assert proxy.read_end() == end


def test_garbage_and_endless_head(service):
    for kind, least in (("garbage", 1), ("huge-head", 65536)):
        service.control("fault", kind=kind)
        proxy = RawProxy(service, "two", "source", upgrade=False)
        proxy.socket.sendall(proxy.request)
        got = b""
        while piece := proxy.socket.recv(1 << 16):
            got += piece
        assert len(got) >= least


def test_slow_head_hang_and_silence(service, connect):
    service.control("fault", kind="slow-head")
    connect("two", "source")
    service.control("fault", kind="hang", side="destination")
    proxy = RawProxy(service, "two", "destination", upgrade=False)
    proxy.socket.sendall(proxy.request)
    proxy.socket.settimeout(0.3)
    with pytest.raises(socket.timeout):
        proxy.socket.recv(1)
    proxy.close()
    service.control("fault", kind="no-service-ids")
    quiet = RawProxy(service, "two", "destination")
    quiet.send_frame(b"first", opcode=PING)
    assert quiet.read_frame()[2] == b"first"


def test_faults_can_be_cleared(service, connect):
    service.control("fault", next=5, kind="hang")
    service.control("fault", next=0)
    connect("two", "source")


@pytest.mark.parametrize("how, end", [("rst", "rst"), ("fin", "fin"), ("tls", "tls")])
def test_kick(service, connect, how, end):
    proxy = connect("two", "source")
    service.control("kick", tunnel="two", side="source", how=how)
    service.wait_gone("two", "source")
    assert proxy.read_end() == end


def test_kick_with_a_close_frame(service, connect):
    proxy = connect("two", "source")
    service.control("kick", tunnel="two", side="source", code=4001, reason="because")
    assert proxy.read_close() == (4001, "because")
    proxy = connect("two", "destination")
    service.control("kick", tunnel="two", side="destination", code=0)
    assert proxy.read_frame() == (True, CLOSE, b"")


def test_injections(service, connect, message):
    proxy = connect("two", "destination")
    reset = message("SESSION_RESET", 0)
    service.control("inject", tunnel="two", side="destination", hex=frame(reset).hex())
    assert proxy.read() == reset
    service.control("inject_raw", tunnel="two", side="destination", hex="8101" + b"t".hex())
    assert proxy.read_frame() == (True, 1, b"t")


def start(connect, message):
    destination = connect("two", "destination")
    source = connect("two", "source")
    source.send(message("STREAM_START", 1, "SSH", 1))
    assert destination.read().streamId == 1
    return source, destination


def test_split_bytes(service, connect, message):
    source, destination = start(connect, message)
    service.control("split", tunnel="two", side="destination", size=10, offset=3)
    data = message("DATA", 1, "SSH", 1, b"x" * 40)
    source.send(data)
    whole = frame(data)
    pieces = []
    while sum(map(len, pieces)) < len(whole):
        final, opcode, payload = destination.read_frame()
        assert final and opcode == BINARY
        pieces.append(payload)
    assert b"".join(pieces) == whole
    assert [len(piece) for piece in pieces[:-1]] == [3] + [10] * (len(pieces) - 2)
    service.control("split", mode="none")
    source.send(data)
    assert destination.read_frame() == (True, BINARY, whole)


def test_split_joins(service, connect, message):
    """A size above that of the tunnel frames puts several into one WebSocket frame."""
    source, destination = start(connect, message)
    service.control("split", tunnel="two", size=100_000)
    data = message("DATA", 1, "SSH", 1, b"x" * 30)
    source.send_frame(frame(data) * 3)
    assert destination.read_frame() == (True, BINARY, frame(data) * 3)


def test_split_holds_back(service, connect, message):
    source, destination = start(connect, message)
    data = message("DATA", 1, "SSH", 1, b"x" * 30)
    service.control("split", tunnel="two", side="destination", size=2 * len(frame(data)), hold_ms=10_000)
    source.send(data)
    source.send(data)
    assert destination.read_frame() == (True, BINARY, frame(data) * 2)
    service.control("split", tunnel="two", side="destination", size=2 * len(frame(data)), hold_ms=1)
    source.send(data)
    assert destination.read_frame() == (True, BINARY, frame(data))


def test_split_fragments_and_records(service, connect, message):
    source, destination = start(connect, message)
    service.control("split", tunnel="two", fragment=20, tls=7)
    data = message("DATA", 1, "SSH", 1, b"x" * 30)
    source.send(data)
    whole = frame(data)
    assert destination.read_frame() == (False, BINARY, whole[:20])
    assert destination.read_frame() == (False, CONTINUATION, whole[20:40])
    assert destination.read_frame() == (True, CONTINUATION, whole[40:])


def test_pause_and_blackhole(service, connect, message):
    source, destination = start(connect, message)
    data = message("DATA", 1, "SSH", 1, b"x")
    for stop, side in (("pause", "source"), ("blackhole", "source"), ("blackhole", "destination")):
        service.control(stop, tunnel="two", side=side)
        source.send(data)
        destination.socket.settimeout(0.2)
        with pytest.raises(socket.timeout):
            destination.read()
        service.control("resume", tunnel="two", side=side)
        destination.socket.settimeout(10)
        assert destination.read() == data


def test_a_full_queue_stops_the_source(service, connect, message):
    source, _ = start(connect, message)
    service.control("blackhole", tunnel="two", side="destination")
    source.socket.setblocking(False)
    payload = frame(message("DATA", 1, "SSH", 1, bytes(64512)))
    whole = b"\x82\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload
    sent = 0
    stuck = False
    while not stuck:
        assert sent < 1 << 30
        try:
            sent += source.socket.send(whole[sent % len(whole):])
        except ssl.SSLWantWriteError:
            stuck = not select.select([], [source.socket], [], 0.5)[1]
    queued = service.status("two")["destination"]["connection"]["queued"]
    assert 1 << 17 < queued < (1 << 17) + (1 << 18)


def test_pongs(service, connect):
    proxy = connect("two", "destination")
    service.control("pongs", mode="until-source")
    proxy.send_frame(b"one", opcode=PING)
    service.control("ping", tunnel="two", side="destination", hex="6162")
    assert proxy.read_frame() == (True, PING, b"ab")
    connect("two", "source")
    proxy.send_frame(b"two", opcode=PING)
    assert proxy.read_frame()[2] == b"two"


def test_idle_and_key_update(service, connect):
    proxy = connect("two", "source")
    service.control("rekey", tunnel="two", side="source")
    proxy.send_frame(b"after", opcode=PING)
    assert proxy.read_frame()[2] == b"after"
    service.control("idle", ms=300)
    assert proxy.read_close() == (1001, "Idle")


@pytest.mark.parametrize("kind", ["wrong-name", "expired", "untrusted"])
def test_bad_certificates(service, connect, kind):
    service.control("certificate", kind=kind)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect("two", "source")
    service.control("certificate", kind="good")
    connect("two", "source", host="tunnel.test")
    assert service.status("two")["source"]["connection"]["server_name"] == "tunnel.test"


def test_tls_versions(service, connect):
    service.control("tls", max="1.2")
    connect("two", "source")
    assert service.status("two")["source"]["connection"]["tls_version"] == "TLSv1.2"
    context = tls_context(service)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        connect("two", "destination", tls=context)


def test_recording(service, connect, message):
    destination = connect("two", "destination")
    source = connect("two", "source")
    service.control("record", tunnel="two", side="source")
    source.send(message("STREAM_START", 4, "HTTP", 1), message("DATA", 4, "HTTP", 1, b"abc"),
                message("CONNECTION_START", 4, "HTTP", 2), message("CONNECTION_RESET", 4, "HTTP", 2))
    service.control("wait", tunnel="two", side="source", messages=3)
    got = service.control("recorded", tunnel="two", side="source")
    assert [(m["type"], m["connectionId"]) for m in got["messages"]] == \
        [("STREAM_START", 1), ("CONNECTION_START", 2), ("CONNECTION_RESET", 2)]
    assert got["messages"][0] == \
        {"type": "STREAM_START", "streamId": 4, "serviceId": "HTTP", "connectionId": 1}
    assert got["data"] == {"messages": 1, "bytes": 3}
    assert destination.read().serviceId == "HTTP"


def test_waiting(service, connect):
    with pytest.raises(RuntimeError, match="not in time"):
        service.wait_connected("two", "source", timeout=0.2)
    connect("two", "source")
    service.wait_connected("two", "source")
    service.control("wait", tunnel="two", streams=0)
    service.control("wait", accepted=1)


@pytest.mark.parametrize("command, arguments, words", [
    ("nonsense", {}, "unknown command"),
    ("close", {"tunnel": "missing"}, "no tunnel"),
    ("close", {"tunnel": "two", "extra": 1}, "unknown argument 'extra'"),
    ("kick", {"tunnel": "two", "side": "source"}, "is connected"),
    ("kick", {"tunnel": "two", "side": "left"}, "'side' must"),
    ("fault", {"kind": "made-up"}, "no fault"),
    ("idle", {"ms": -1}, "'ms' must be a number"),
    ("open", {"tunnel": "two"}, "is open"),
    ("open", {"tunnel": "new", "services": ["a b"]}, "no service id"),
    ("certificate", {"kind": "golden"}, "no certificate"),
    ("wait", {"tunnel": "two", "side": "source", "state": "asleep"}, "'state' must"),
])
def test_wrong_commands(service, command, arguments, words):
    with pytest.raises(RuntimeError, match=words):
        service.control(command, **arguments)


def test_many_lines_on_one_control_connection(service):
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(service.directory / "control.sock"))
        control.sendall(b'{"command":"help"}\nnot json\n'
                        b'{"command":"wait","tunnel":"two","side":"source","state":"gone"}\n{"command":"help"}\n')
        replies = control.makefile()
        answers = [json.loads(replies.readline()) for _ in range(4)]
    assert "kick" in answers[0]["commands"] and "error" in answers[1]
    assert answers[2] == {} and answers[3] == answers[0]


def test_files(service):
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in service.directory.iterdir()}
    assert oct(service.directory.stat().st_mode & 0o777) == "0o700"
    assert modes["two.source.token"] == "0o600"
    assert (service.directory / "port").read_text() == str(service.port)
    hashed = [path for path in (service.directory / "ca").iterdir() if path.suffix == ".0"]
    assert len(hashed) == 1 and hashed[0].read_bytes() == (service.directory / "ca.pem").read_bytes()
