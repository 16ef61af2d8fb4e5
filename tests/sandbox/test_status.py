"""Every process of a running tunnel has no privileges, a filter, and no way to regain privileges."""

import pathlib
import pwd

import pytest
from harness import processes
from harness.lab import is_root
from harness.streams import exchange_all

USER = "_localproxy"
NO_CAPABILITY = "0000000000000000"
ROLES = ("monitor", "launch", "net", "bridge")


@pytest.fixture
def tunnel(lab, stream_server):
    """A tunnel that has carried bytes, so that everything that is loaded lazily is loaded."""
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    exchange_all([(tunnel.ports["APP"], seed, 100_000, 100_000) for seed in range(4)])
    return tunnel


def each_process(tunnel):
    """(side, role, pid) of all eight processes, exactly one per role."""
    found = []
    for proxy in (tunnel.source, tunnel.destination):
        by_role = proxy.processes()
        assert {role: len(pids) for role, pids in by_role.items()} == {**dict.fromkeys(ROLES, 1), "resolve": 0}
        found += [(proxy.name, role, by_role[role][0]) for role in ROLES]
    return found


def check_all(tunnel, expected):
    """expected: name of a line of /proc/PID/status -> its value."""
    for side, role, pid in each_process(tunnel):
        status = processes.status(pid)
        assert {name: status[name] for name in expected} == expected, f"{role} of the {side}"


def test_a_filter_and_no_new_privileges(tunnel):
    check_all(tunnel, {"Seccomp": "2", "NoNewPrivs": "1"})


def test_no_capability(tunnel):
    check_all(tunnel, {name: NO_CAPABILITY for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")})


def test_no_capability_can_come_back(tunnel):
    if not is_root():
        pytest.skip("an ordinary user cannot empty the bounding set; no-new-privs makes it moot")
    check_all(tunnel, {"CapBnd": NO_CAPABILITY})


def test_an_ordinary_user(tunnel):
    for side, role, pid in each_process(tunnel):
        status = processes.status(pid)
        for line in ("Uid", "Gid"):
            ids = set(status[line].split())
            assert len(ids) == 1 and "0" not in ids, f"{role} of the {side}: {line} {status[line]}"
        if is_root():
            assert status["Uid"].split()[0] == str(pwd.getpwnam(USER).pw_uid)
            assert set(status["Groups"].split()) <= set(status["Gid"].split())


def test_one_thread(tunnel):
    check_all(tunnel, {"Threads": "1"})


def test_no_core_dumps_and_for_the_helpers_no_processes_and_no_files(tunnel):
    for side, role, pid in each_process(tunnel):
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8").splitlines()
        zero = ["Max core file size"]
        if role != "launch":
            zero.append("Max processes")
        if role != "monitor":  # its standard error may be a file
            zero.append("Max file size")
        for name in zero:
            line = next(line for line in limits if line.startswith(name))
            assert line.removeprefix(name).split()[:2] == ["0", "0"], f"{role} of the {side}: {line}"


def test_no_process_of_the_same_user_can_look_inside(tunnel):
    """Not dumpable: the files of /proc/PID that show memory and descriptors belong to root."""
    for side, role, pid in each_process(tunnel):
        assert pathlib.Path(f"/proc/{pid}/environ").stat().st_uid == 0, f"{role} of the {side}"


def test_each_process_logs_its_sandbox(tunnel):
    for proxy in (tunnel.source, tunnel.destination):
        reports = [line for line in proxy.lines if "sandbox: uid" in line]
        assert len(reports) >= len(ROLES), proxy.log
        for report in reports:
            for word in ("no capabilities", "no-new-privs", "Landlock ABI", "seccomp filter"):
                assert word in report
            assert "uid 0 " not in report


def test_root_needs_a_user_to_become(lab):
    if not is_root():
        pytest.skip("only root becomes somebody else")
    proxy = lab.proxy(["-s", "5555", "-e", "localhost:1", "-v", 5, "--user", "no-such-user"], token="unused")
    assert proxy.wait() != 0
    assert proxy.find_log("no-such-user")
    assert not proxy.find_log("Attempting to establish")


def test_root_does_not_become_root(lab):
    if not is_root():
        pytest.skip("only root becomes somebody else")
    proxy = lab.proxy(["-s", "5555", "-e", "localhost:1", "-v", 5, "--user", "root"], token="unused")
    assert proxy.wait() != 0
    assert not proxy.find_log("Attempting to establish")
