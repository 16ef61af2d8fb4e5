"""Scripted peers: messages of the tunnel's schema, and a proxy that sends exactly what a test tells it to."""

import functools
import importlib
import subprocess
import sys
import tempfile

from . import paths

from raw_proxy import RawProxy, frame  # isort: skip


@functools.lru_cache(maxsize=None)
def schema():
    """The schema, compiled for Python."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", f"--proto_path={paths.ROOT / 'proto'}", f"--python_out={out}", "tunnel.proto"],
                       check=True)
        sys.path.insert(0, out)
        try:
            return importlib.import_module("tunnel_pb2")
        finally:
            sys.path.remove(out)


def message(kind, stream=0, service="", connection=0, payload=b"", **fields):
    """message("DATA", 7, "SSH", 1, b"x"); what is 0 or empty is left out. kind: a name of the schema or a number."""
    number = kind if isinstance(kind, int) else schema().Message.Type.Value(kind)
    return schema().Message(type=number, streamId=stream, serviceId=service, connectionId=connection,
                            payload=payload, **fields)


def framed(*messages):
    """The bytes of these messages, each with its length in front."""
    return b"".join(frame(each) for each in messages)


def inject(service, tunnel, side, *messages):
    """Makes the service send these messages to a side, unprompted."""
    service.control("inject", tunnel=tunnel, side=side, hex=framed(*messages).hex())


class Peer(RawProxy):
    """One side of a tunnel, connected with subprotocol 3.0; messages of the older versions may pass through it too."""

    def __init__(self, service, tunnel, side, **options):
        super().__init__(service, tunnel, side, pb=schema(), **options)
        assert self.read().type == schema().Message.SERVICE_IDS

    def stop(self):
        self.close()
