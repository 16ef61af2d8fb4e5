"""However a localproxy is started, its processes end up in the same sandbox, and say so truthfully."""

import os
import pathlib
import shutil
import subprocess

import pytest
from harness import processes
from harness.lab import is_root
from harness.paths import BUILD, LOCALPROXY, ROOT
from harness.streams import exchange_all
from test_status import NO_CAPABILITY, each_process

PYTHON = "/usr/bin/python3"
# Runs a program in a user namespace that has every id as it is, and grants no further one (user_namespaces(7)).
WITHOUT_NAMESPACES = """
import ctypes, os, sys
ready, go = os.pipe(), os.pipe()
target = os.getpid()
if os.fork() == 0:
    os.read(ready[0], 1)
    for name in ("uid_map", "gid_map"):
        open(f"/proc/{target}/{name}", "w").write("0 0 4294967295")
    os.write(go[1], b"x")
    os._exit(0)
assert ctypes.CDLL(None).unshare(0x10000000) == 0
os.write(ready[1], b"x")
os.read(go[0], 1)
os.wait()
open("/proc/sys/user/max_user_namespaces", "w").write("0")
os.execv(sys.argv[1], sys.argv[1:])
"""
SIGNALS = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP])
os.execv(sys.argv[1], sys.argv[1:])
"""


class Prefix:
    """What stands in front of a command."""

    def __init__(self, *command):
        self.command = list(command)


def shell(text):
    return {"inside": Prefix("/bin/sh", "-c", f'{text}; exec "$@"', "sh")}


# How it is started: options of harness.Proxy.
WAYS = {
    "as it is": {},
    "by another user": {"user": "nobody"},
    "without user namespaces": {"inside": Prefix(PYTHON, "-c", WITHOUT_NAMESPACES)},
    "with signals blocked and ignored": {"inside": Prefix(PYTHON, "-c", SIGNALS)},
    "without standard input": shell("exec <&-"),
    "with descriptors left open": shell("exec 7</etc/passwd 9<>/dev/null"),
    "with an odd umask": shell("umask 0777"),
    "with few descriptors": shell("ulimit -n 64"),
    "with core files": shell("ulimit -c unlimited"),
    "without memory to lock": shell("ulimit -l 0"),
    "with variables that change libraries": {"environment": {
        "LD_BIND_NOW": "1", "LD_LIBRARY_PATH": "/tmp", "MALLOC_ARENA_MAX": "64", "GLIBC_TUNABLES": "glibc.malloc.check=3",
        "OPENSSL_CONF": "/nonexistent", "SSLKEYLOGFILE": "/tmp/localproxy-keys", "RES_OPTIONS": "debug",
        "HOSTALIASES": "/etc/passwd", "TZ": "/etc/passwd"}},
}
ROOT_ONLY = ("by another user", "without user namespaces")


def expect_sandboxed(tunnel):
    for side, role, pid in each_process(tunnel):
        status, who = processes.status(pid), f"{role} of the {side}"
        assert {name: status[name] for name in ("Seccomp", "NoNewPrivs", "Threads", "TracerPid")} == {
            "Seccomp": "2", "NoNewPrivs": "1", "Threads": "1", "TracerPid": "0"}, who
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert status[name] == NO_CAPABILITY, who
        assert "0" not in status["Uid"].split() + status["Gid"].split(), who
        assert status["SigBlk"] == "0" * 16 or role == "monitor", f"{who} blocks {status['SigBlk']}"
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], f"{who}: {core}"
        if is_root():
            assert pathlib.Path(f"/proc/{pid}/environ").read_bytes() == b"" or role == "monitor", who


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("user", "net", "mnt", "ipc", "uts")}


def expect_true_words(proxy):
    """What the log says of namespaces, and what the kernel says."""
    starter = namespaces(proxy.pid)
    for role in ("launch", "net", "bridge"):
        pid = proxy.pid_of(role)
        line = proxy.find_log(rf" {role}: sandbox: (.*)")[1]
        own = namespaces(pid)
        different = {name for name in own if own[name] != starter[name]}
        if "own user, network, mount, ipc and uts namespaces" in line:
            assert role != "launch" and different == set(own), line
            assert os.listdir(f"/proc/{pid}/root/") == [name for name in os.listdir(f"/proc/{pid}/fdinfo")], line
        else:
            assert different == set(), line
            assert role == "launch" or "no namespaces (" in line, line


@pytest.mark.parametrize("way", list(WAYS))
def test_all_processes_are_in_their_sandboxes(lab, stream_server, way):
    if way in ROOT_ONLY and not is_root():
        pytest.skip("only root can start it so")
    options = WAYS[way]
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, **options)
    exchange_all([(tunnel.ports["APP"], seed, 50_000, 50_000) for seed in range(2)])
    expect_sandboxed(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        if is_root():
            expect_true_words(proxy)
        if way == "without user namespaces":
            assert proxy.find_log(r"net: sandbox: .*no namespaces \(No space left on device\)"), proxy.log
        if way == "without memory to lock":
            # Root may lock as much as it likes, as long as it is root.
            assert is_root() or proxy.find_log("written to swap space, since it cannot be locked"), proxy.log
        if way == "with descriptors left open" and is_root():
            for role in ("launch", "net", "bridge"):
                held = processes.descriptors(proxy.pid_of(role)).values()
                assert "/etc/passwd" not in held
            assert "/etc/passwd" not in processes.descriptors(proxy.pid).values()
        assert proxy.stop() == 0, proxy.log
    assert not pathlib.Path("/tmp/localproxy-keys").exists()


def container(*command, system_calls=True):
    """A command inside systemd-nspawn, on this system's /usr and an empty root."""
    nspawn = shutil.which("systemd-nspawn")
    if not is_root() or nspawn is None:
        pytest.skip("needs root and systemd-nspawn (Debian: systemd-container)")
    binds = [f"--bind-ro={path}" for path in (ROOT, BUILD, "/etc/passwd", "/etc/group", "/etc/ssl", "/etc/hosts")]
    more = ["--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
    base = [nspawn, "--quiet", "--register=no", "--keep-unit", "--as-pid2", "--directory=/", "--volatile=yes", *binds]
    probe = subprocess.run([*base, "/bin/true"], capture_output=True, text=True, timeout=60, check=False)
    if probe.returncode != 0:
        pytest.skip(f"systemd-nspawn does not work here: {probe.stderr.strip()}")
    return subprocess.run([*base, *(more if system_calls else []),
                           f"--setenv=LOCALPROXY_BUILD_DIR={BUILD}", *map(str, command)],
                          capture_output=True, text=True, timeout=100, check=False, stdin=subprocess.DEVNULL)


def test_in_a_container():
    done = container(PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "tests/sandbox/test_status.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout and "skipped" not in done.stdout, done.stdout


def test_in_a_container_that_keeps_landlock_from_it():
    refused = container(LOCALPROXY, "--sandbox-report", system_calls=False)
    if refused.returncode == 0:
        pytest.skip("this systemd-nspawn lets Landlock's system calls through")
    assert refused.returncode == 71
    assert "--sandbox=no-landlock" in refused.stdout + refused.stderr
    without = container(LOCALPROXY, "--sandbox-report", "--sandbox=no-landlock", system_calls=False)
    assert without.returncode == 0
    assert without.stdout.count(" NO ") + without.stdout.count(" NO\n") >= 5, without.stdout


def test_root_that_can_become_nobody_does_not_go_on():
    if not is_root() or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    done = subprocess.run(["setpriv", "--bounding-set", "-all", str(LOCALPROXY), "--sandbox-report"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 71
    assert "Operation not permitted" in done.stderr
    assert done.stdout == ""
