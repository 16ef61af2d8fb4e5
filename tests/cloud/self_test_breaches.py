"""Every breach closes only the connection that committed it, and is logged."""

import struct

import pytest
from raw_proxy import CLOSE, CONTINUATION, PING, TEXT, frame

POLICY, PROTOCOL, UNSUPPORTED, TOO_BIG = 1008, 1002, 1003, 1009


def closed_for(service, proxy, tunnel, side, words, code):
    got = proxy.read_close()
    assert got[0] == code, got
    proxy.send_frame(struct.pack(">H", code), opcode=CLOSE)
    assert proxy.read_end() == "tls"
    service.wait_gone(tunnel, side)
    (breach,) = service.breaches(tunnel)
    assert breach.startswith(f"{side} of {tunnel}: ") and words in breach, breach
    assert f"breach: {breach}" in service.log_text()


@pytest.mark.parametrize("arguments, words, code", [
    ({"payload": b"text", "opcode": TEXT}, "text frame", UNSUPPORTED),
    ({"payload": b"x", "masked": False}, "unmasked", PROTOCOL),
    ({"payload": b"x", "reserved": 4}, "reserved bits", PROTOCOL),
    ({"payload": b"x", "reserved": 1}, "reserved bits", PROTOCOL),
    ({"payload": b"x", "opcode": 3}, "reserved opcode", PROTOCOL),
    ({"payload": b"x", "opcode": 11}, "reserved opcode", PROTOCOL),
    ({"payload": b"x", "opcode": CONTINUATION}, "continuation of nothing", PROTOCOL),
    ({"payload": b"x", "opcode": PING, "fin": False}, "fragmented control", PROTOCOL),
    ({"payload": b"x" * 126, "opcode": PING}, "more than 125", PROTOCOL),
    ({"payload": b"x" * 200, "wide": True}, "shortest form", PROTOCOL),
    ({"payload": bytes(131077)}, "131077", TOO_BIG),
    ({"payload": b"\x03", "opcode": CLOSE}, "half a code", PROTOCOL),
    ({"payload": b"\x03\xed", "opcode": CLOSE}, "close code 1005", PROTOCOL),
    ({"payload": b"\x03\xe8\xff\xff", "opcode": CLOSE}, "not UTF-8", PROTOCOL),
])
@pytest.mark.parametrize("side", ["source", "destination"])
def test_websocket(service, connect, side, arguments, words, code):
    proxy = connect("two", side)
    other = connect("two", "destination" if side == "source" else "source")
    proxy.send_frame(**arguments)
    closed_for(service, proxy, "two", side, words, code)
    other.send_frame(b"still here", opcode=PING)
    assert other.read_frame()[2] == b"still here"


def test_a_message_inside_a_fragmented_one(service, connect):
    proxy = connect("two", "source")
    proxy.send_frame(b"\0", fin=False)
    proxy.send_frame(b"\0")
    closed_for(service, proxy, "two", "source", "inside a fragmented one", PROTOCOL)


START = ("STREAM_START", 1, "SSH", 1)


@pytest.mark.parametrize("side, fields, words", [
    ("source", ("UNKNOWN", 1), "unknown type"),
    ("source", ("SERVICE_IDS", 1), "not allowed from a source"),
    ("source", ("SESSION_RESET", 1), "not allowed from a source"),
    ("destination", ("SERVICE_IDS", 0), "not allowed from a destination"),
    ("destination", ("SESSION_RESET", 0), "not allowed from a destination"),
    ("destination", START, "not allowed from a destination"),
    ("destination", ("CONNECTION_START", 1, "SSH", 2), "not allowed from a destination"),
    ("source", ("STREAM_START", 0, "SSH", 1), "streamId 0"),
    ("source", ("STREAM_START", 1, "FTP", 1), "unknown serviceId"),
    ("source", ("STREAM_START", 1, "", 0), "no serviceId"),
    ("source", (*START, b"payload"), "with a payload"),
    ("source", ("CONNECTION_START", 1, "SSH", 0), "without a connectionId"),
    ("source", ("CONNECTION_RESET", 1, "SSH", 0), "without a connectionId"),
    ("source", ("STREAM_START", 1 << 28, "SSH", 1), "2^28"),
    ("source", ("STREAM_START", -1, "SSH", 1), "2^28"),
    ("source", ("CONNECTION_START", 1, "SSH", 1 << 28), "2^28"),
    ("destination", ("DATA", 1, "SSH", 1 << 28, b"x"), "2^28"),
    ("destination", ("DATA", 0, "SSH", 1, b"x"), "streamId 0"),
    ("destination", ("DATA", 1, "FTP", 1, b"x"), "unknown serviceId"),
    ("destination", ("DATA", 1, "SSH", 1, bytes(64513)), "payload of 64513"),
])
def test_messages(service, connect, message, side, fields, words):
    proxy = connect("two", side)
    proxy.send(message(*fields))
    closed_for(service, proxy, "two", side, words, TOO_BIG if "64513" in words else POLICY)


@pytest.mark.parametrize("version, fields, words", [
    (1, ("STREAM_START", 1, "SSH"), "serviceId in subprotocol 1.0"),
    (1, ("STREAM_START", 1, "", 1), "connectionId in subprotocol 1.0"),
    (2, ("STREAM_START", 1, "SSH", 1), "connectionId in subprotocol 2.0"),
    (2, ("CONNECTION_START", 1, "SSH", 1), "not in subprotocol 2.0"),
    (2, ("CONNECTION_RESET", 1, "SSH", 1), "not in subprotocol 2.0"),
    (3, ("STREAM_START", 1, "", 1), "connectionId without serviceId"),
])
def test_newer_fields(service, connect, message, version, fields, words):
    proxy = connect("one", "source", version)
    proxy.send(message(*fields))
    closed_for(service, proxy, "one", "source", words, POLICY)


@pytest.mark.parametrize("hexadecimal, words", [
    ("4001", "field 8"),                       # a varint beyond the schema
    ("ca3e00", "field 1001"),
    ("0001", "field 0"),
    ("0d00000000", "type has wire type 5"),
    ("0a0108", "type has wire type 2"),
    ("2001", "payload has wire type 0"),
    ("08010801", "type comes twice"),
    ("22012922012a", "payload comes twice"),
    ("0801100", "streamId is cut off"),
    ("22057879", "payload is cut off"),
    ("08ffffffffffffffffff7f", "type is cut off"),
    ("10ffffffff0f", "streamId is out of range"),
    ("38ffffffff7f", "connectionId is out of range"),
    ("1802", "ignorable is neither"),
    ("2a01ff", "serviceId is not UTF-8"),
    ("08011001320141", "the service's to send"),
])
def test_schema(service, connect, hexadecimal, words):
    proxy = connect("two", "source")
    proxy.send(bytes.fromhex(hexadecimal + "0" * (len(hexadecimal) % 2)) if words != "streamId is cut off"
               else bytes.fromhex("080110"))
    closed_for(service, proxy, "two", "source", words, POLICY)


@pytest.mark.parametrize("first, second, words", [
    (("STREAM_START", 1), ("DATA", 1, "SSH", 0, b"x"), "serviceId after a stream that was started without"),
    (("STREAM_START", 1), ("STREAM_START", 2, "SSH"), "serviceId after"),
    (("STREAM_START", 1), ("STREAM_RESET", 1, "SSH"), "serviceId after"),
    (("STREAM_START", 1, "SSH"), ("DATA", 1, "", 0, b"x"), "no serviceId after"),
    (("STREAM_START", 1, "SSH"), ("DATA", 1, "SSH", 1, b"x"), "connectionId after"),
    (("STREAM_START", 1, "SSH"), ("STREAM_RESET", 1, "SSH", 1), "connectionId after"),
    (("STREAM_START", 1, "SSH", 1), ("DATA", 1, "SSH", 0, b"x"), "no connectionId after"),
    (("STREAM_START", 1, "SSH", 1), ("STREAM_START", 2, "SSH", 0), "no connectionId after"),
])
def test_the_format_is_settled_at_the_first_stream(service, connect, message, first, second, words):
    source = connect("one", "source")
    destination = connect("one", "destination")
    source.send(message(*first))
    assert destination.read() == message(*first)
    source.send(message(*second))
    closed_for(service, source, "one", "source", words, POLICY)
    kept = first[2] if len(first) > 2 else ""
    assert destination.read() == message("STREAM_RESET", 1, kept)


@pytest.mark.parametrize("start, reply, words", [
    (("STREAM_START", 1), ("DATA", 1, "SSH", 0, b"x"), "serviceId after"),
    (("STREAM_START", 1, "SSH"), ("DATA", 1, "SSH", 1, b"x"), "connectionId after"),
    (("STREAM_START", 1, "SSH"), ("DATA", 1, "", 0, b"x"), "no serviceId after"),
    (("STREAM_START", 1, "SSH", 1), ("DATA", 1, "SSH", 0, b"x"), "no connectionId after"),
])
def test_a_destination_answers_in_the_streams_format(service, connect, message, start, reply, words):
    source = connect("one", "source")
    destination = connect("one", "destination")
    source.send(message(*start))
    destination.read()
    destination.send(message(*reply))
    closed_for(service, destination, "one", "destination", words, POLICY)


def test_an_offender_that_does_not_read(service, connect):
    """It leaves the tunnel at once, even if its close frame is never read."""
    proxy = connect("two", "source")
    for _ in range(3):
        proxy.send_frame(frame(b"\x40\x01"))
    service.wait_gone("two", "source")
    assert len(service.breaches()) == 1
