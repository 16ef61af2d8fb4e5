#!/usr/bin/python3
"""Runs as root inside the container of try-in-container, on a booted system that has the package.

Sets up a source and a destination as packaging/README.md says, against the stand-in service, checks what systemd and the
kernel report about them, and purges the package. Prints a line for each thing seen, "all seen" at the end; anything else
is an AssertionError, or a failed command with its output.
"""

import grp
import os
import pathlib
import pwd
import socket
import stat
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "cloud")]
from harness import processes  # pylint: disable=wrong-import-position
from harness.ports import answers, free_port  # pylint: disable=wrong-import-position
from harness.wait import until  # pylint: disable=wrong-import-position
from service_client import Service  # pylint: disable=wrong-import-position

ETC = pathlib.Path("/etc/localproxy")
USER = "_localproxy"
SOURCE = "localproxy-source@operator"
DESTINATION = "localproxy-destination@device"
TUNNEL = "t1"
# Any client token will do; with one in the configuration a restart can use the same access token again.
CLIENT_TOKENS = {"source": "5a" * 16, "destination": "de" * 16}
# Those of systemd's DynamicUser=.
DYNAMIC_USERS = range(61184, 65520)
# What net and bridge have of their own.
NAMESPACES = ("user", "net", "mnt", "ipc", "uts")
# <linux/capability.h>
CAP_NET_BIND_SERVICE = 10
# A monitor with a tunnel has these two at all times.
HELPERS = ["bridge", "launch", "net"]
TIMEOUT = 60


def run(*command, check=True, text="", **variables):
    """The output of a command, including standard error; text is its input, variables are added to the environment."""
    done = subprocess.run([str(word) for word in command], check=False, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, env={**os.environ, **variables})
    assert done.returncode == 0 or not check, f"{command} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def seen(text):
    print(f"seen: {text}")


def show(unit, name):
    return run("systemctl", "show", "--property", name, "--value", unit).strip()


def journal(unit):
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "--output=cat", "--unit", unit)


def write(path, text, mode, group="root"):
    path.write_text(text, encoding="utf-8")
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    path.chmod(mode)


def monitor(unit):
    return int(show(unit, "MainPID"))


def helpers(unit):
    """Role -> process of the helpers of a unit."""
    return {processes.role(pid): pid for pid in processes.children(monitor(unit))}


def everything(unit):
    return [monitor(unit), *helpers(unit).values()]


def wait_serving(unit):
    until(lambda: sorted(helpers(unit)) == HELPERS, f"{unit} has its helpers", TIMEOUT)


class Machine:
    """Both ends of a tunnel and an sshd, on this machine."""

    def __init__(self, service):
        self.service = service
        self.port = free_port()
        write(ETC / "ca.pem", pathlib.Path(service.ca_file).read_text(encoding="ascii"), 0o644)
        self.configure("device", "destination", "destination-app = SSH=22")
        self.configure("operator", "source", f"source-listen-port = SSH={self.port}")

    def configure(self, name, mode, services):
        write(ETC / f"{name}.conf", f"proxy-endpoint = localhost:{self.service.port}\ncafile = {ETC}/ca.pem\n"
              f"client-token = {CLIENT_TOKENS[mode]}\n{services}\n", 0o640, USER)
        self.write_token(name, mode)

    def write_token(self, name, mode):
        run("install", "-m", "600", "/dev/stdin", ETC / f"{name}.token", text=self.service.token(TUNNEL, mode))

    def ssh(self):
        """Runs a command at the far end; the port answers once the source listens."""
        until(lambda: answers(self.port), "the source listens", TIMEOUT)
        for side in ("source", "destination"):
            self.service.wait_connected(TUNNEL, side, TIMEOUT)
        said = run("ssh", "-i", "/root/.ssh/key", "-p", self.port, "-o", "StrictHostKeyChecking=no",
                   "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes",
                   "root@127.0.0.1", "echo through $((6 * 7)); echo $SSH_CONNECTION")
        assert said.startswith("through 42\n127.0.0.1 ") and said.endswith(" 127.0.0.1 22\n"), said


def prepare_ssh():
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/key")
    pathlib.Path("/root/.ssh/authorized_keys").write_bytes(pathlib.Path("/root/.ssh/key.pub").read_bytes())
    until(lambda: answers(22), "the system's sshd answers", TIMEOUT)


def see_installation():
    me = pwd.getpwnam(USER)
    assert 0 < me.pw_uid < 1000 and me.pw_shell == "/usr/sbin/nologin", me
    status = ETC.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, me.pw_gid, 0o750), status
    assert run("localproxy", "--version").strip()
    programs = [pathlib.Path("/usr/bin/localproxy"), *pathlib.Path("/usr/libexec/localproxy").iterdir()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in programs] == [0o711] * 5, programs
    assert "/usr/share/man/man1/localproxy.1.gz" in run("dpkg", "-L", "localproxy").split("\n")
    seen("the system user and /etc/localproxy, for root and its group, and programs that nobody else can read")


def see_examples():
    for mode in ("source", "destination"):
        run("install", "-m", "640", "-g", USER, f"/usr/share/doc/localproxy/examples/{mode}.conf", ETC / "example.conf")
        said = run("localproxy", "-m", mode, "--config", ETC / "example.conf", "--check",
                   AWSIOT_TUNNEL_ACCESS_TOKEN="not-used")
        assert "data.tunneling.iot.eu-west-1.amazonaws.com" in said and "SSH" in said, said
        (ETC / "example.conf").unlink()
    seen("the examples are configurations")


def see_ssh(machine):
    run("systemctl", "start", DESTINATION, SOURCE)
    machine.ssh()
    seen("ssh through the tunnel between the two units")


def see_confinement(unit, bounding="0" * 16):
    wait_serving(unit)
    uid = processes.status(monitor(unit))["Uid"].split()[0]
    assert int(uid) in DYNAMIC_USERS, uid
    for pid in everything(unit):
        status = processes.status(pid)
        assert status["Uid"].split() == [uid] * 4, status
        expected = {"Seccomp": "2", "NoNewPrivs": "1", "CapEff": "0" * 16, "CapPrm": "0" * 16, "CapAmb": "0" * 16}
        found = {name: status[name] for name in expected}
        assert found == expected, f"{unit}, {status['Name']}: {found}"
        # A process with its own user namespace could empty it there.
        assert status["CapBnd"] in (bounding, "0" * 16), f"{unit}, {status['Name']}: {status['CapBnd']}"
    for pid in (monitor(unit), helpers(unit)["net"]):
        locked = processes.status(pid)["VmLck"]
        assert int(locked.split()[0]) > 0, f"{unit}: a token of {pid} may be written to swap space: {locked}"
    lines = [line for line in journal(unit).splitlines() if "sandbox: uid" in line]
    for role in ("monitor", *HELPERS):
        assert any(line.startswith(f"{role}: ") and "Landlock ABI" in line for line in lines), lines
    seen(f"{unit}: four processes as user {uid}, Seccomp 2, NoNewPrivs 1, no capability, Landlock, locked memory")


def namespaces(pid):
    return [os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES]


def see_separation():
    """The sandbox of the unit leaves the processes theirs, and keeps the two tunnels apart."""
    for unit in (SOURCE, DESTINATION):
        ours = helpers(unit)
        for role in ("net", "bridge"):
            shared = set(namespaces(monitor(unit))) & set(namespaces(ours[role]))
            assert not shared, f"{unit}: {role} shares {shared} with the monitor"
            # Their root is a directory of the kernel with the numbers of their own descriptors.
            assert all(name.isdigit() for name in os.listdir(f"/proc/{ours[role]}/root/")), f"{unit}: root of {role}"
        mounts = pathlib.Path(f"/proc/{monitor(unit)}/mountinfo").read_text(encoding="utf-8").splitlines()
        proc = [line for line in mounts if " /proc " in line and " - proc " in line][-1]
        assert proc.endswith("hidepid=invisible,subset=pid"), proc
        # In a user namespace of the unit, even root of it is nobody outside.
        assert os.readlink(f"/proc/{monitor(unit)}/ns/user") != os.readlink("/proc/1/ns/user")
    users = {processes.status(monitor(unit))["Uid"] for unit in (SOURCE, DESTINATION)}
    assert len(users) == 2, users
    seen("a user for each tunnel; net and bridge with namespaces and an empty root of their own inside those of the unit")


def see_journal():
    for unit, mode in ((SOURCE, "source"), (DESTINATION, "destination")):
        assert f"Starting proxy in {mode} mode" in journal(unit).splitlines(), journal(unit)
        # The lines carry journal priorities, so errors can be filtered by them.
        assert "Starting proxy" not in run("journalctl", "--no-pager", "--unit", unit, "--priority", "warning")
    everything_said = run("journalctl", "--no-pager", "--output=export")
    for name in ("operator", "device"):
        assert (ETC / f"{name}.token").read_text(encoding="ascii") not in everything_said
    seen("log lines with their levels in the journal, and no token")


def see_reload(machine):
    before = monitor(SOURCE), helpers(SOURCE)["net"]
    run("systemctl", "reload", SOURCE)
    until(lambda: helpers(SOURCE).get("net", before[1]) != before[1], "a new net after the reload", TIMEOUT)
    machine.ssh()
    assert monitor(SOURCE) == before[0]
    seen("reload connects again, in the same monitor")


def see_counters():
    run("systemctl", "kill", "--signal=USR1", "--kill-whom=main", SOURCE)
    until(lambda: "counters: " in journal(SOURCE), "counters in the journal", TIMEOUT)
    seen("counters in the journal")


def see_upgrade(machine):
    """dpkg treats the same version as an upgrade: it replaces the files."""
    before = monitor(SOURCE), monitor(DESTINATION), os.stat("/usr/bin/localproxy").st_ino
    run("dpkg", "--install", "/root/localproxy.deb")
    assert os.stat("/usr/bin/localproxy").st_ino != before[2]
    assert (monitor(SOURCE), monitor(DESTINATION)) == before[:2]
    machine.ssh()
    see_reload(machine)
    seen("an upgrade leaves what runs alone, and that goes on")


def see_token_file(machine):
    """The token as a file that localproxy reads itself, for a reload that reads it again."""
    token = ETC / "operator.token"
    machine.configure("operator", "source",
                      f"source-listen-port = SSH={machine.port}\naccess-token-file = {token}")
    run("chgrp", USER, token)
    token.chmod(0o640)
    run("systemctl", "restart", SOURCE)
    machine.ssh()
    token.rename(token.with_suffix(".away"))
    run("systemctl", "reload", SOURCE)
    until(lambda: f"not reloaded: cannot read the access token from '{token}'" in journal(SOURCE), "a look", TIMEOUT)
    token.with_suffix(".away").rename(token)
    see_reload(machine)
    machine.configure("operator", "source", f"source-listen-port = SSH={machine.port}")
    run("systemctl", "restart", SOURCE)
    machine.ssh()
    seen("with access-token-file, reload reads the token again")


def see_restart(machine):
    before = monitor(DESTINATION)
    run("systemctl", "restart", DESTINATION)
    assert monitor(DESTINATION) != before
    machine.ssh()
    seen("restart, and the same access token with the configured client token")


def see_automatic_restart(machine):
    wait_serving(SOURCE)
    before = monitor(SOURCE)
    os.kill(helpers(SOURCE)["bridge"], 9)
    until(lambda: int(show(SOURCE, "NRestarts")) and monitor(SOURCE) not in (0, before), "a restart", TIMEOUT)
    machine.ssh()
    seen("a lost bridge ends the run, and systemd starts another")


def see_refusal(machine):
    """A token that is no longer in force: no restart would help."""
    run("systemctl", "stop", DESTINATION)
    machine.service.control("rotate", tunnel=TUNNEL, side="destination")
    run("systemctl", "start", DESTINATION)
    until(lambda: show(DESTINATION, "ActiveState") == "failed", "the destination has failed", TIMEOUT)
    assert (show(DESTINATION, "ExecMainStatus"), show(DESTINATION, "NRestarts")) == ("77", "0")
    assert "the service refused the connection" in journal(DESTINATION)
    machine.write_token("device", "destination")
    run("systemctl", "start", DESTINATION)
    machine.ssh()
    seen("a refused token ends the unit without a restart; the new one works after a start")


def see_low_port(machine):
    """The drop-in for a port below 1024, as the unit describes it."""
    change = drop_in(SOURCE, "[Service]\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
                     "AmbientCapabilities=CAP_NET_BIND_SERVICE\nPrivateUsers=no\n")
    machine.port = 222
    machine.configure("operator", "source", "source-listen-port = SSH=222")
    run("systemctl", "restart", SOURCE)
    machine.ssh()
    see_confinement(SOURCE, bounding=f"{1 << CAP_NET_BIND_SERVICE:016x}")
    change.unlink()
    change.parent.rmdir()
    seen("a port below 1024, and the capability is gone afterwards")


def see_missing_files():
    """Without its files a unit is not restarted again and again."""
    unit = "localproxy-source@nobody"
    run("systemctl", "start", unit, check=False)
    assert f"{unit}.service: Starting requested but asserts failed." in journal(unit)
    assert show(unit, "ActiveState") == "inactive"
    write(ETC / "nobody.token", "not-used", 0o600)
    run("systemctl", "start", unit, check=False)
    until(lambda: show(unit, "ActiveState") == "failed", "a failure")
    assert (show(unit, "ExecMainStatus"), show(unit, "NRestarts")) == ("1", "0")
    assert f"{ETC}/nobody.conf" in journal(unit)
    seen("without a token nothing is started; without a configuration the unit fails once, and says which file")


def drop_in(unit, text):
    """Changes a unit until the file that this returns is removed."""
    directory = pathlib.Path(f"/etc/systemd/system/{unit}.service.d")
    directory.mkdir(exist_ok=True)
    write(directory / "try.conf", text, 0o644)
    run("systemctl", "daemon-reload")
    return directory / "try.conf"


def see_busy_port(machine):
    """A port that stays busy for longer than systemd's usual limit of restarts."""
    run("systemctl", "stop", SOURCE)
    # The test must not take minutes. Where systemd lets the delay grow, it grows up to this.
    change = drop_in(SOURCE, "[Service]\nRestartSec=100ms\nRestartMaxDelaySec=100ms\n")
    with socket.create_server(("127.0.0.1", machine.port)):
        run("systemctl", "start", SOURCE)
        until(lambda: int(show(SOURCE, "NRestarts")) > 6 or show(SOURCE, "ActiveState") == "failed",
              "seven restarts", TIMEOUT)
        assert show(SOURCE, "ActiveState") != "failed", journal(SOURCE)
    machine.ssh()
    change.unlink()
    run("systemctl", "daemon-reload")
    seen("a busy port, seven times in a row, and the unit comes up as soon as it is free")


def see_socket_file(machine):
    """The directory for UNIX sockets of the unit."""
    path = pathlib.Path("/run/localproxy/operator/ssh.sock")
    machine.configure("operator", "source", f"source-listen-port = SSH={path}")
    run("systemctl", "restart", SOURCE)
    until(path.is_socket, "the socket", TIMEOUT)
    for side in ("source", "destination"):
        machine.service.wait_connected(TUNNEL, side, TIMEOUT)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        client.connect(str(path))
        assert client.recv(4) == b"SSH-"
    machine.configure("operator", "source", f"source-listen-port = SSH={machine.port}")
    run("systemctl", "restart", SOURCE)
    assert not path.exists()
    machine.ssh()
    seen("a service with a path in the directory of the unit")


def see_stop(machine):
    pids = everything(SOURCE)
    run("systemctl", "stop", SOURCE)
    assert show(SOURCE, "ActiveState") == "inactive" and show(SOURCE, "Result") == "success"
    assert not any(processes.is_alive(pid) for pid in pids) and not answers(machine.port)
    assert "stopping: what was accepted is sent" in journal(SOURCE)
    machine.service.wait_gone(TUNNEL, "source")
    seen("stop ends in order, and leaves no process")


def leftovers():
    """Files that belong to the package by name or owner, except dpkg's lists and the test's own files."""
    named = run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/tests", ")",
                "-prune", "-o", "(", "-name", "*localproxy*", "-o", "-user", USER, "-o", "-group", USER, ")", "-print")
    brought = ["/root/localproxy.deb"]
    return [line for line in named.splitlines() if line not in brought]


def see_reinstallation():
    """A removal keeps the configurations; without them, a reinstallation makes the directory as at first."""
    run("dpkg", "--install", "/root/localproxy.deb")
    kept = ETC / "kept.conf"
    write(kept, "", 0o640, USER)
    run("dpkg", "--remove", "localproxy")
    assert kept.exists()
    kept.unlink()
    ETC.rmdir()
    run("dpkg", "--install", "/root/localproxy.deb")
    assert ETC.stat().st_gid == grp.getgrnam(USER).gr_gid
    seen("installed again, removed, installed again")


def see_purge():
    run("systemctl", "enable", DESTINATION)
    wait_serving(DESTINATION)
    pids = everything(DESTINATION)
    files = run("dpkg", "--listfiles", "localproxy").split("\n")
    assert leftovers()
    ours = [file for file in files if "localproxy" in file]
    assert len(ours) > 10, files
    run("dpkg", "--purge", "localproxy")
    assert not any(processes.is_alive(pid) for pid in pids)
    assert not [file for file in ours if os.path.lexists(file)]
    assert not leftovers(), leftovers()
    run("systemctl", "daemon-reload")
    assert "localproxy" not in run("systemctl", "list-unit-files", "--no-pager", "localproxy*", check=False)
    assert not run("dpkg-query", "--show", "--showformat=${db:Status-Status}", "localproxy", check=False) \
        .startswith(("installed", "config-files"))
    assert pwd.getpwnam(USER)
    seen("purge stops what runs and leaves nothing but the user")


def main():
    assert run("systemctl", "show", "--property=Version").strip()
    assert [name for _, name in socket.if_nameindex()] == ["lo"], "there is another network than loopback"
    see_installation()
    see_examples()
    prepare_ssh()
    with Service("/opt/tunnel-service", tunnels={TUNNEL: ["SSH"]}) as service:
        machine = Machine(service)
        see_ssh(machine)
        see_confinement(SOURCE)
        see_confinement(DESTINATION)
        see_separation()
        see_journal()
        see_reload(machine)
        see_counters()
        see_upgrade(machine)
        see_token_file(machine)
        see_restart(machine)
        see_automatic_restart(machine)
        see_busy_port(machine)
        see_socket_file(machine)
        see_refusal(machine)
        see_low_port(machine)
        see_missing_files()
        see_stop(machine)
        assert not service.breaches(), service.breaches()
        see_purge()
    see_reinstallation()
    print("all seen")


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        print(run("journalctl", "--no-pager", "--unit", "localproxy-*", check=False))
        raise
