"""Helper programs that are missing, spoilt, replaced or broken: the run ends at the start, with the reason."""

import os
import pwd
import re
import shutil

import pytest
from harness.lab import is_root
from harness.ports import free_port
from harness.sockets import plain_server


def missing(path):
    path.unlink()


def not_executable(path):
    path.chmod(0o644)


def writable_by_all(path):
    path.chmod(0o757)


def a_link(path):
    real = path.with_name("real")
    path.rename(real)
    path.symlink_to(real)


def a_directory(path):
    path.unlink()
    path.mkdir()


def foreign(path):
    if not is_root():
        pytest.skip("only root can give a file away")
    nobody = pwd.getpwnam("nobody")
    os.chown(path, nobody.pw_uid, nobody.pw_gid)


SPOILT = {
    missing: "No such file",
    not_executable: "is not executable",
    writable_by_all: "could have been replaced by another user",
    a_link: "cannot open the helper|is not a plain file",
    a_directory: "is not a plain file",
    foreign: "could have been replaced by another user",
}


@pytest.mark.parametrize("role", ["net", "bridge", "resolve", "launch"])
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__.replace("_", " "))
def test_a_helper_that_cannot_be_used(lab, role, spoil):
    directory = lab.programs()
    helper = directory / f"localproxy-{role}"
    spoil(helper)
    source = lab.lonely_source(f"127.0.0.1:{free_port()}", program=directory / "localproxy")
    assert source.wait() == 71
    assert source.find_log(rf"{re.escape(str(helper))}.*({SPOILT[spoil]})|({SPOILT[spoil]}).*{re.escape(str(helper))}")
    assert "Attempting" not in source.log


def test_a_bridge_that_is_another_program(lab):
    directory = lab.programs()
    shutil.copy("/bin/false", directory / "localproxy-bridge")
    source = lab.lonely_source(f"127.0.0.1:{free_port()}", program=directory / "localproxy")
    assert source.wait() == 71
    assert source.find_log(r"fatal.*the bridge process ended with status 1")


def test_a_net_that_always_fails(lab):
    directory = lab.programs()
    shutil.copy("/bin/false", directory / "localproxy-net")
    with plain_server(lambda connection: connection.close()) as port:
        source = lab.lonely_source(f"127.0.0.1:{port}", program=directory / "localproxy",
                           settings={"websocket": {"retry_delay_ms": 1}})
        assert source.wait(40) == 71
    assert len(re.findall(r"error.*the net process ended with status 1", source.log)) == 8
    assert source.find_log("the net process has failed 8 times in a row")


def test_a_lookup_that_always_fails(lab):
    directory = lab.programs()
    shutil.copy("/bin/false", directory / "localproxy-resolve")
    source = lab.lonely_source("somewhere.test:443", program=directory / "localproxy")
    assert source.wait() == 69
    assert source.find_log(r"error.*cannot resolve somewhere\.test: the lookup process ended with status 1")


@pytest.mark.skipif(not is_root(), reason="only a proxy that is started as root becomes another user")
def test_no_user_to_become(lab):
    source = lab.lonely_source("localhost:1", more=["--user", "nobody-has-this-name"])
    assert source.wait() == 71
    assert source.find_log(r"there is no user 'nobody-has-this-name' to become: create it")


