"""A whole run under strace, compared with the policies: a new libc's new call is reported by its name."""

import os
import pathlib
import signal
import stat
import subprocess

import calls
import pytest
from harness import tracing
from harness.lab import READY_SOURCE, is_root
from harness.paths import BUILD
from harness.streams import StreamServer, exchange_all
from harness.wait import until

ROLES = ("monitor", "launch", "net", "bridge")
COMPARE = BUILD / "tests/unit/sandbox/unit-sandbox"


def why_impossible():
    if not is_root():
        return "only root may trace processes that are not dumpable"
    if not pathlib.Path(tracing.STRACE).exists():
        return "strace is not installed"
    probe = subprocess.run([tracing.STRACE, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"strace cannot trace here: {probe.stderr.strip()}"


@pytest.fixture
def traces(lab, monkeypatch):
    """The directory for the traces of every proxy that is started from now on."""
    if reason := why_impossible():
        pytest.skip(reason)
    if tracing.is_on():
        pytest.skip("this run is being recorded")
    directory = lab.make_directory("traces", 0o777)
    monkeypatch.setenv(tracing.VARIABLE, str(directory))
    return directory


def run_of_everything(lab):
    """Bytes both ways over a UNIX socket and TCP, counters, a reload of the token, an end: what every run may do."""
    server = lab.use(StreamServer())
    directory = lab.make_directory("sockets", 0o777)
    tokens = lab.make_directory("tokens")
    service = lab.service({"t1": ["TCP", "UNIX"]})
    token = tokens / "token"
    token.write_text(service.token("t1", "source"), encoding="ascii")
    token.chmod(0o644)
    target = f"127.0.0.1:{server.port}"
    destination = lab.destination(service, "t1", {"TCP": target, "UNIX": target})
    path = directory / "in.sock"
    source = lab.source(service, "t1", {"TCP": 0, "UNIX": path}, token=None, more=["--access-token-file", token])
    port = int(source.wait_log(READY_SOURCE.format(port=r"(\d+)"))[1])
    service.wait_connected("t1", "destination")
    for end in (port, str(path)):
        exchange_all([(end, seed, 200_000, 200_000) for seed in range(3)])
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert source.counters()[1] == 6
    mark = source.mark()
    source.signal(signal.SIGHUP)
    source.wait_log("Successfully established websocket connection", since=mark)
    for proxy in (source, destination):
        assert proxy.stop() == 0, proxy.log


def test_every_call_has_its_rule(lab, traces):
    try:
        run_of_everything(lab)
    finally:
        for proxy in lab.proxies:
            proxy.kill()
        until(lambda: not tracing.is_written(traces), "the traces are complete")
        made = calls.made_below(traces)
        record = lab.directory / "calls.txt"
        record.write_text("".join(calls.as_line(call) + "\n" for call in sorted(made)), encoding="utf-8")
        done = subprocess.run([COMPARE, "--gtest_filter=*RecordedCallsTest.NoCallLacksARule*"],
                              env={**os.environ, "LOCALPROXY_CALLS": str(record)}, capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout
    for role in ROLES:
        assert sum(call[0] == role for call in made) > 10, f"hardly any call of {role} was recorded"
