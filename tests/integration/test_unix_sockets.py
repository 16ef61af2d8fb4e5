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
def folder(lab):
    """A folder in which the proxy may make and remove files."""
    path = lab.folder("sockets")
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


def test_both_ends(lab, service, folder):
    target = folder / "app.sock"
    lab.use(StreamServer(str(target)))
    target.chmod(0o666)
    start_destination(lab, service, target)
    source = start_source(lab, service, folder / "in.sock")
    exchange_all([(str(folder / "in.sock"), seed, 3_000_000, 2_000_000) for seed in range(8)], at_once=True)
    source.wait_log(r"Accepted connection on .*in\.sock from a local client")


def test_a_path_may_stand_alone(lab, folder, stream_server):
    service = lab.service({"t1": []})
    start_destination(lab, service, stream_server.port, "")
    source = lab.source(service, "t1", {"": folder / "in.sock"})
    source.wait_log(READY.format(path=folder / "in.sock"))
    exchange_all([(str(folder / "in.sock"), 1, 100_000, 100_000)])


def test_it_is_its_owners_alone_from_the_start(lab, service, folder):
    path = folder / "in.sock"
    source = start_source(lab, service, path)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == (pwd.getpwnam("_localproxy").pw_uid if is_root() else os.getuid())
    assert source.stop() == 0


def test_it_is_removed_at_the_end(lab, service, folder):
    path = folder / "in.sock"
    source = start_source(lab, service, path)
    assert path.exists()
    assert source.stop() == 0
    assert not path.exists()


def test_a_file_that_somebody_else_put_there_is_not_removed(lab, service, folder):
    path = folder / "in.sock"
    source = start_source(lab, service, path)
    path.unlink()
    path.write_text("mine", encoding="ascii")
    assert source.stop() == 0
    assert path.read_text(encoding="ascii") == "mine"


def test_a_stale_socket_is_replaced(lab, service, folder, stream_server):
    path = folder / "in.sock"
    leave_stale_socket(path)
    if is_root():
        os.chown(path, *pwd.getpwnam("_localproxy")[2:4])
    start_destination(lab, service, stream_server.port)
    start_source(lab, service, path)
    exchange_all([(str(path), 1, 10_000, 10_000)])


def test_one_that_was_killed_is_followed_by_another(lab, service, folder):
    path = folder / "in.sock"
    first = start_source(lab, service, path)
    first.kill()
    until(lambda: not first.left_behind(), "its bridge has let go of the socket")
    assert path.exists()
    service.control("rotate", tunnel="t1", side="source")  # the old token is bound to the first one
    start_source(lab, service, path)


def test_a_socket_in_use_is_busy_and_costs_no_token(lab, service, folder):
    path = folder / "in.sock"
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
def test_what_is_no_socket_is_left_alone(lab, service, folder, make, reason):
    path = folder / "in.sock"
    make(path)
    source = lab.source(service, "t1", {"APP": path})
    assert source.wait() == 73
    assert reason in source.log
    assert path.exists() and not stat.S_ISSOCK(path.stat().st_mode)


def test_a_folder_that_is_not_there(lab, service, folder):
    source = lab.source(service, "t1", {"APP": folder / "nowhere" / "in.sock"})
    assert source.wait() == 73
    assert "its folder does not exist" in source.log


def test_a_relative_path(lab, service, folder):
    source = lab.source(service, "t1", {"APP": "./in.sock"}, directory=str(folder))
    source.wait_log(r"Listening for new connection on .*in\.sock\b")
    assert (folder / "in.sock").exists()


def test_a_path_from_the_configuration_directory(lab, service, folder, stream_server):
    """Made once the services are known: in the sandbox."""
    path = folder / "in.sock"
    config = lab.folder("services")
    (config / "app.ini").write_text(f"APP = {path}\n", encoding="ascii")
    # What a run that was killed has left there.
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


def test_connections_end_in_order(lab, service, folder, stream_server):
    start_destination(lab, service, stream_server.port)
    path = folder / "in.sock"
    start_source(lab, service, path)
    # The exchange ends with the end of file of the far side.
    exchange_all([(str(path), 1, 10_000, 10_000)])
    until(lambda: stream_server.open == 0, "the far side has seen the end")
