"""Fixtures of the service's self tests. TUNNEL_SERVICE names the binary."""

import importlib
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# pylint: disable=wrong-import-position
from raw_proxy import RawProxy
from service_client import Service


@pytest.fixture(scope="session")
def pb(tmp_path_factory):
    """The schema, compiled for Python."""
    out = tmp_path_factory.mktemp("proto")
    proto = HERE.parent.parent / "proto"
    subprocess.run(["protoc", f"--proto_path={proto}", f"--python_out={out}", "tunnel.proto"], check=True)
    sys.path.insert(0, str(out))
    return importlib.import_module("tunnel_pb2")


@pytest.fixture
def service():
    tunnels = {"one": ["SSH"], "two": ["SSH", "HTTP"], "none": []}
    with Service(os.environ["TUNNEL_SERVICE"], tunnels=tunnels) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def connect(service, pb):
    """connect(tunnel, side, version, ...): a proxy that has read its SERVICE_IDS."""
    proxies = []

    def make(tunnel, side, version=3, **options):
        proxy = RawProxy(service, tunnel, side, version, pb=pb, **options)
        proxies.append(proxy)
        if version >= 2:
            first = proxy.read()
            assert first.type == pb.Message.SERVICE_IDS
            proxy.services = list(first.availableServiceIds)
        return proxy

    yield make
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def message(pb):
    """message("DATA", stream, service, connection, payload): a message; what is 0 or empty is left out."""

    def make(kind, stream=1, service="", connection=0, payload=b"", **fields):
        return pb.Message(type=pb.Message.Type.Value(kind), streamId=stream, serviceId=service,
                          connectionId=connection, payload=payload, **fields)

    return make
