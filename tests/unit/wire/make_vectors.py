#!/usr/bin/python3
"""Writes vectors.txt: tunnel messages as another protobuf implementation serialises them.

The schema is built here by hand instead of read from proto/tunnel.proto, and the bytes come from protobuf's pure
Python code, so that the tests do not compare the C++ code with itself.

  make_vectors.py > vectors.txt
  make_vectors.py --check vectors.txt     ends with 1 if the file is out of date, 77 without python3-protobuf
"""

import contextlib
import io
import os
import sys

os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    print("python3-protobuf is not installed", file=sys.stderr)
    sys.exit(77)

Field = descriptor_pb2.FieldDescriptorProto

# The real schema, and schemas for invalid messages.
KNOWN = [
    ("type", 1, Field.TYPE_INT32, False),
    ("stream", 2, Field.TYPE_INT32, False),
    ("ignorable", 3, Field.TYPE_BOOL, False),
    ("payload", 4, Field.TYPE_BYTES, False),
    ("service", 5, Field.TYPE_STRING, False),
    ("ids", 6, Field.TYPE_STRING, True),
    ("connection", 7, Field.TYPE_UINT32, False),
]
EXTENDED = KNOWN + [
    ("varint8", 8, Field.TYPE_UINT64, False),
    ("bytes15", 15, Field.TYPE_BYTES, False),
    ("fixed16", 16, Field.TYPE_FIXED32, False),
    ("double", 536870911, Field.TYPE_DOUBLE, False),
]
WRONG_TYPES = [
    ("type", 1, Field.TYPE_BYTES, False),
    ("stream", 2, Field.TYPE_STRING, False),
    ("ignorable", 3, Field.TYPE_FIXED32, False),
    ("payload", 4, Field.TYPE_INT32, False),
    ("service", 5, Field.TYPE_FIXED64, False),
    ("ids", 6, Field.TYPE_UINT32, False),
    ("connection", 7, Field.TYPE_BYTES, False),
]
# Invalid UTF-8 can only be written to a bytes field.
RAW = [(n, i, Field.TYPE_BYTES if t == Field.TYPE_STRING else t, r) for n, i, t, r in KNOWN]


def message_class(name, fields):
    file = descriptor_pb2.FileDescriptorProto(name=name + ".proto", package="vectors", syntax="proto3")
    message = file.message_type.add(name=name)
    for field, number, kind, repeated in fields:
        label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
        message.field.add(name=field, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("vectors." + name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


Known = message_class("Known", KNOWN)
Extended = message_class("Extended", EXTENDED)
WrongTypes = message_class("WrongTypes", WRONG_TYPES)
Raw = message_class("Raw", RAW)


def shown(data):
    """Hexadecimal, with runs as BYTE*COUNT and "+" between the parts."""
    parts = []
    plain = ""
    at = 0
    while at < len(data):
        end = at
        while end < len(data) and data[end] == data[at]:
            end += 1
        if end - at >= 16:
            parts += ([plain] if plain else []) + ["%02x*%d" % (data[at], end - at)]
            plain = ""
        else:
            plain += data[at:end].hex()
        at = end
    return "+".join(parts + ([plain] if plain else [])) or "-"


def accept(name, **fields):
    data = Known(**fields).SerializeToString(deterministic=True)
    line = ["accept", name]
    for key, value in fields.items():
        if key == "payload":
            value = shown(value)
        elif key == "ids":
            value = ",".join(value)
        line.append("%s=%s" % (key, int(value) if isinstance(value, bool) else value))
    print(*line, "bytes=" + shown(data))


# error: part of the decoder's error, with "_" for " ".
def reject(name, error, message):
    print("reject", name, "error=" + error, "bytes=" + shown(message.SerializeToString(deterministic=True)))


def accepted():
    accept("nothing")
    for number in range(10):
        accept("type-%d" % number, type=number)
    accept("type-ignorable", type=99, ignorable=True)
    accept("type-largest", type=0x7FFFFFFF)
    accept("type-negative", type=-1)
    # Every size of a varint.
    numbers = (1, 127, 128, 16383, 16384, 2097151, 2097152, 268435455, 268435456)
    for stream in numbers + (0x7FFFFFFF, -1, -0x80000000):
        accept("stream", type=1, stream=stream, payload=b"a")
    for connection in numbers + (0xFFFFFFFF,):
        accept("connection", type=6, stream=1, service="SSH", connection=connection)
        accept("connection", type=1, stream=1, payload=b"a", service="SSH", connection=connection)
    for size in (1, 127, 128, 16383, 16384, 64511, 64512):
        accept("payload", type=1, stream=1, payload=b"a" * size)
        accept("payload", type=1, stream=-1, payload=b"a" * size, service="s" * 128, connection=0xFFFFFFFF)
    accept("payload-of-all-bytes", type=1, stream=7, payload=bytes(range(256)))
    for service in ("S", "s" * 127, "s" * 128, "a:b_c-D9"):
        accept("service", type=2, stream=1, service=service)
    accept("ignorable-data", type=1, stream=1, ignorable=True, payload=b"a")
    accept("services", type=5, ids=["SSH"])
    accept("services", type=5, ids=["SSH", "VNC", "http:8080"])
    accept("services-most", type=5, ids=["s%d" % i for i in range(64)])
    rest = {"payload": b"x", "service": "SSH", "ids": ["a", "b"], "connection": 3}
    accept("everything", type=7, stream=5, ignorable=True, **rest)


def rejected():
    outside = "outside_the_schema"
    reject("field-8", outside, Extended(type=1, stream=1, payload=b"a", varint8=1))
    reject("field-15", outside, Extended(type=2, stream=1, bytes15=b"abc"))
    reject("field-16", outside, Extended(type=2, stream=1, fixed16=1))
    reject("field-largest", outside, Extended(type=2, stream=1, double=1.5))
    reject("field-in-an-ignorable", outside, Extended(type=99, ignorable=True, varint8=1))
    for name, _, kind, _ in WRONG_TYPES:
        value = {Field.TYPE_BYTES: b"1", Field.TYPE_STRING: "1"}.get(kind, 1)
        reject("wrong-type-of-" + name, outside, WrongTypes(**{name: value}))
    reject("payload-too-long", "payload_of_64513_bytes", Known(type=1, stream=1, payload=b"a" * 64513))
    reject("service-too-long", "bad_service_id_of_129_bytes", Known(type=1, stream=1, service="s" * 129))
    reject("service-with-a-space", "bad_service_id", Known(type=1, stream=1, service="a b"))
    reject("service-beyond-ascii", "bad_service_id", Known(type=1, stream=1, service="caf\u00e9"))
    reject("service-not-utf8", "not_well-formed", Raw(type=1, stream=1, service=b"\xff\xfe"))
    reject("services-one-empty", "service_2_has_a_bad_id_of_0_bytes", Known(type=5, ids=["SSH", ""]))
    reject("services-one-bad", "service_2_has_a_bad_id", Known(type=5, ids=["SSH", "a/b"]))
    reject("services-not-utf8", "not_well-formed", Raw(type=5, ids=[b"SSH", b"\xc0\x80"]))
    reject("services-too-many", "with_65_services", Known(type=5, ids=["s%d" % i for i in range(65)]))


def main():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        accepted()
        rejected()
    if sys.argv[1:2] != ["--check"]:
        print(text.getvalue(), end="")
        return 0
    with open(sys.argv[2], encoding="ascii") as file:
        return 0 if file.read() == text.getvalue() else 1


sys.exit(main())
