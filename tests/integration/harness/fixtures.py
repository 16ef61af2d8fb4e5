"""The pytest fixtures of the integration and sandbox tests."""

import pathlib
import tempfile

import pytest

from . import netns, sshd as sshds
from .http_server import WebServer
from .lab import Lab
from .streams import StreamServer


@pytest.fixture
def lab(request):
    """A Lab for one test; its teardown is part of the test."""
    lab = Lab()
    yield lab
    logs = lab.logs()
    faults = lab.stop()
    # pytest shows this only for a failed test.
    print(logs)
    if faults:
        pytest.fail("\n".join(faults))


@pytest.fixture
def public_directory():
    """A directory that every user can enter, unlike pytest's: a proxy that root starts becomes another user."""
    with tempfile.TemporaryDirectory(prefix="localproxy-test-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture
def stream_server(lab):
    return lab.use(StreamServer())


@pytest.fixture
def web(lab):
    """A web server that serves web.directory."""
    directory = lab.make_directory("web")
    server = lab.use(WebServer(directory))
    server.directory = directory
    return server


@pytest.fixture
def sshd(lab):
    if reason := sshds.why_impossible():
        pytest.skip(reason)
    return lab.use(sshds.Sshd(lab.directory / "sshd"))


@pytest.fixture
def namespace(lab):
    """Makes a network namespace: namespace(ipv6=False); skips where that is not possible."""
    def make(**options):
        if reason := netns.why_impossible():
            pytest.skip(reason)
        return lab.use(netns.Namespace(**options))

    return make
