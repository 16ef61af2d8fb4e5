"""UNIX sockets at both ends of a tunnel."""

import os
import pwd
import socket
import stat

import pytest
from harness.lab import is_root
from harness.streams import StreamServer, exchange_all
from harness.wait import until

READY = r"Listening for new connection on {path}\b"


@pytest.fixture
def directory(lab):
    """A directory in which the proxy may create and remove files."""
    path = lab.make_directory("sockets")
    if is_root():
        user = pwd.getpwnam("_localproxy")
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


@pytest.fixture
def service(lab):
    return lab.service({"t1": ["APP"]})


def start_source(lab, service, path, **options):
    source = lab.source(service, "t1", {"APP": path}, **options)
    source.wait_log(READY.format(path=path))
    return source


def start_destination(lab, service, target, name="APP"):
    lab.destination(service, "t1", {name: target})
    service.wait_connected("t1", "destination")


def leave_stale_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)


def test_both_ends(lab, service, directory):
    target = directory / "app.sock"
    lab.use(StreamServer(str(target)))
    target.chmod(0o666)
    start_destination(lab, service, target)
    source = start_source(lab, service, directory / "in.sock")
    exchange_all([(str(directory / "in.sock"), seed, 3_000_000, 2_000_000) for seed in range(8)], at_once=True)
    source.wait_log(r"Accepted connection on .*in\.sock from a local client")


def test_a_lone_path(lab, directory, stream_server):
    service = lab.service({"t1": []})
    start_destination(lab, service, stream_server.port, "")
    source = lab.source(service, "t1", {"": directory / "in.sock"})
    source.wait_log(READY.format(path=directory / "in.sock"))
    exchange_all([(str(directory / "in.sock"), 1, 100_000, 100_000)])


def test_only_the_owner_may_use_the_socket_from_the_start(lab, service, directory):
    path = directory / "in.sock"
    source = start_source(lab, service, path)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == (pwd.getpwnam("_localproxy").pw_uid if is_root() else os.getuid())
    assert source.stop() == 0


def test_the_socket_is_removed_at_the_end(lab, service, directory):
    path = directory / "in.sock"
    source = start_source(lab, service, path)
    assert path.exists()
    assert source.stop() == 0
    assert not path.exists()


def test_a_file_in_place_of_the_socket_is_not_removed(lab, service, directory):
    path = directory / "in.sock"
    source = start_source(lab, service, path)
    path.unlink()
    path.write_text("mine", encoding="ascii")
    assert source.stop() == 0
    assert path.read_text(encoding="ascii") == "mine"


def test_a_stale_socket_is_replaced(lab, service, directory, stream_server):
    path = directory / "in.sock"
    leave_stale_socket(path)
    if is_root():
        os.chown(path, *pwd.getpwnam("_localproxy")[2:4])
    start_destination(lab, service, stream_server.port)
    start_source(lab, service, path)
    exchange_all([(str(path), 1, 10_000, 10_000)])


def test_a_proxy_can_follow_one_that_was_killed(lab, service, directory):
    path = directory / "in.sock"
    first = start_source(lab, service, path)
    first.kill()
    until(lambda: not first.left_behind(), "its bridge has closed the socket")
    assert path.exists()
    service.control("rotate", tunnel="t1", side="source")  # the old token is bound to the first proxy
    start_source(lab, service, path)


def test_a_socket_in_use_is_busy_and_costs_no_token(lab, service, directory):
    path = directory / "in.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        source = lab.source(service, "t1", {"APP": path})
        assert source.wait() == 73
    assert f"cannot listen on {path}: bind: Address already in use (another program listens there" in source.log
    assert path.exists()
    assert service.status()["handshakes"]["accepted"] == 0


@pytest.mark.parametrize(("make", "reason"), [
    (lambda path: path.write_text("x", encoding="ascii"), "there is a file of that name, which is no socket"),
    (lambda path: path.mkdir(), "there is a file of that name, which is no socket"),
])
def test_a_file_that_is_not_a_socket_is_left_alone(lab, service, directory, make, reason):
    path = directory / "in.sock"
    make(path)
    source = lab.source(service, "t1", {"APP": path})
    assert source.wait() == 73
    assert reason in source.log
    assert path.exists() and not stat.S_ISSOCK(path.stat().st_mode)


def test_a_missing_directory(lab, service, directory):
    source = lab.source(service, "t1", {"APP": directory / "nowhere" / "in.sock"})
    assert source.wait() == 73
    assert "its folder does not exist" in source.log


def test_a_relative_path(lab, service, directory):
    source = lab.source(service, "t1", {"APP": "./in.sock"}, directory=str(directory))
    source.wait_log(r"Listening for new connection on .*in\.sock\b")
    assert (directory / "in.sock").exists()


def test_a_path_from_the_configuration_directory(lab, service, directory, stream_server):
    """The socket is made after the services are known, inside the sandbox."""
    path = directory / "in.sock"
    config = lab.make_directory("services")
    (config / "app.ini").write_text(f"APP = {path}\n", encoding="ascii")
    # Left by a run that was killed.
    leave_stale_socket(path)
    if is_root():
        os.chown(path, *pwd.getpwnam("_localproxy")[2:4])
    start_destination(lab, service, stream_server.port)
    source = lab.source(service, "t1", None, more=["--config-dir", config])
    source.wait_log(READY.format(path=path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    exchange_all([(str(path), 1, 10_000, 10_000)])
    assert source.stop() == 0
    assert not path.exists()


def test_connections_end_in_order(lab, service, directory, stream_server):
    start_destination(lab, service, stream_server.port)
    path = directory / "in.sock"
    start_source(lab, service, path)
    # The exchange ends with the end of file of the far side.
    exchange_all([(str(path), 1, 10_000, 10_000)])
    until(lambda: stream_server.open == 0, "the far side has seen the end")
