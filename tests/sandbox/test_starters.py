"""Ways to start localproxy: as another user, with some capabilities, in namespaces and containers, with descriptors
closed. In each, a tunnel carries bytes, and every process is fully confined and logs the truth about itself."""

import dataclasses
import grp
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess

import pytest
from confined import (NO_CAPABILITY, Expected, check_limits, check_log, check_namespaces, check_not_dumpable,
                      check_processes, check_proxy, check_root_directory, check_status, each_process)
from harness import container, processes, starters
from harness.dns_server import DnsServer
from harness.lab import READY, READY_SOURCE, Tunnel, free_ports, is_root
from harness.ports import answers
from harness.starters import Starter
from harness.streams import exchange_all
from harness.wait import until

USER = "_localproxy"
# An ordinary user that every system has.
ANOTHER = "daemon"
SET_ID = "nobody"  # whose rights a program has
NO_SPACE, NOT_PERMITTED = "unshare: No space left on device", "unshare: Operation not permitted"
# PR_CAPBSET_DROP.
DROP_BOUND = 24
SET_IDS = f"{1 << 6 | 1 << 7:016x}"  # CAP_SETGID and CAP_SETUID


def ids_of(user):
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def setpriv(*arguments):
    return Starter("/usr/bin/setpriv", *arguments)


def prlimit(*arguments):
    return Starter("/usr/bin/prlimit", *arguments)


def env(*arguments):
    return Starter("/usr/bin/env", *arguments)


@dataclasses.dataclass
class Way:
    """inside: the prefix of localproxy's command line. starter: the user who starts it, root by default. becomes: the
    user of the processes in the end. The others are as for Expected."""

    inside: Starter = None
    starter: str = None
    becomes: str = USER
    more: tuple = ()
    bounding: str = NO_CAPABILITY
    not_granted: str = ""
    moved: tuple = ()
    landlock: bool = True

    def __post_init__(self):
        if self.starter is not None:
            self.becomes = self.starter
            self.bounding = None

    @property
    def options(self):
        return {"inside": self.inside, "user": self.starter, "more": self.more}

    @property
    def expected(self):
        return Expected(ids_of(self.becomes), self.bounding, self.not_granted, self.moved, self.landlock)


AS_ROOT = {
    "root with --user": Way(becomes=ANOTHER, more=("--user", ANOTHER)),
    "root without inheritable capabilities": Way(setpriv("--inh-caps=-all")),
    # Without CAP_SETPCAP the bounding set stays; no-new-privs makes it moot.
    "root with two capabilities": Way(setpriv("--bounding-set=-all,+setuid,+setgid"), bounding=SET_IDS),
    "an ordinary user": Way(starter=ANOTHER),
    "no further namespaces, an ordinary user": Way(
        Starter(*starters.no_namespaces_by_limit().command, "/usr/bin/setpriv", f"--reuid={ANOTHER}",
                f"--regid={ANOTHER}", "--clear-groups"),
        becomes=ANOTHER, not_granted=NO_SPACE, moved=("user",), bounding=None),
    "namespaces refused, root": Way(starters.no_namespaces_by_filter(), not_granted=NOT_PERMITTED),
    "namespaces refused, an ordinary user": Way(starters.no_namespaces_by_filter(), starter=ANOTHER,
                                                not_granted=NOT_PERMITTED),
    # As under Ubuntu's AppArmor: unshare() succeeds, but grants no capabilities.
    "namespaces without capabilities, root": Way(starters.without_calls("chroot=EPERM"),
                                                 not_granted="chroot: Operation not permitted"),
    "namespaces without capabilities, an ordinary user": Way(
        starters.without_calls("chroot=EPERM"), starter=ANOTHER, not_granted="chroot: Operation not permitted"),
    "a bounding set that stays, root": Way(
        starters.without_calls(f"prctl:{DROP_BOUND}=EPERM"), bounding=None,
        not_granted="capability bounding set: Operation not permitted"),
    "a bounding set that stays, an ordinary user": Way(
        starters.without_calls(f"prctl:{DROP_BOUND}=EPERM"), starter=ANOTHER,
        not_granted="capability bounding set: Operation not permitted"),
    "ambient capabilities": Way(
        setpriv(f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups", "--inh-caps=+net_bind_service,+sys_admin",
                "--ambient-caps=+net_bind_service,+sys_admin"), becomes=ANOTHER, bounding=None),
    "all permissions left by the umask": Way(starters.shell('umask 0; exec "$@"')),
    "no Landlock": Way(more=("--sandbox=no-landlock",), landlock=False),
    "signals ignored": Way(env("--ignore-signal")),
    "signals blocked": Way(env("--block-signal")),
}


def carry(tunnel):
    exchange_all([(tunnel.ports["APP"], seed, 100_000, 100_000) for seed in range(4)])


def stop_both(tunnel):
    """SIGTERM works, whatever disposition the starter left."""
    for proxy in (tunnel.source, tunnel.destination):
        assert proxy.stop() == 0, proxy.name


@pytest.mark.parametrize("how", AS_ROOT)
def test_started_by_root(lab, stream_server, how):
    if not is_root():
        pytest.skip("only root can start it in this way")
    way = AS_ROOT[how]
    expected = way.expected
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, **way.options)
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        check_proxy(proxy, expected)
    stop_both(tunnel)


def test_started_in_a_network_namespace(lab, namespace):
    """With a name that a resolve process looks up; another resolve, which waits for an answer, is inspected."""
    network = namespace()
    names = network.run(DnsServer, {"tunnel.test": ["127.0.0.1"]})
    lab.use(names)
    service = lab.service({"t1": ["APP"]}, inside=network)
    # ip netns gives a program that it starts mounts of its own too.
    expected = Expected(ids_of(USER), NO_CAPABILITY, moved=("net", "mnt"))
    source = lab.source(service, "t1", free_ports(["APP"]), at=f"tunnel.test:{service.port}", inside=network)
    source.wait_log(READY_SOURCE.format(port=r"\d+"))
    check_processes(source, expected)
    check_log(source, expected, also=["resolve"])
    names.how = "silence"
    other = lab.source(service, "t1", free_ports(["APP"]), name="without an answer", at="silent.test:443",
                       inside=network)
    # Its filter proves nothing: it has one from the launch process.
    other.wait_log(r"resolve: sandbox: ")
    other.pid_of("resolve")
    pids = {role: found[0] for role, found in other.processes().items() if found and role != "net"}
    assert set(pids) == {"monitor", "launch", "bridge", "resolve"}
    for role, pid in pids.items():
        who = f"{role} {other.name}"
        check_status(pid, who, role, expected)
        check_limits(pid, who, role)
        check_not_dumpable(pid, who)
    check_namespaces(pids, other.name, expected)
    check_root_directory(pids, other.name, expected)


@pytest.fixture
def containers(lab):
    """containers(calls=...): what a proxy runs inside of; skips where there can be none."""
    if reason := container.why_impossible():
        pytest.skip(reason)
    return lambda **options: container.Container(lab.directory, **options)


IN_A_CONTAINER = ("pid", "cgroup", "mnt", "ipc", "uts")


CANNOT_LOCK = r"warn.*cannot be locked"


@pytest.mark.parametrize("locks", [True, False], ids=["memory can be locked", "it cannot"])
def test_started_in_a_container(lab, stream_server, containers, locks):
    """As its first process, which receives only the signals that it handles."""
    calls = [container.LANDLOCK, *([container.MEMORY_LOCKS] if locks else [])]
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=containers(calls=calls))
    carry(tunnel)
    expected = Expected(ids_of(USER), NO_CAPABILITY, moved=IN_A_CONTAINER)
    for proxy in (tunnel.source, tunnel.destination):
        assert proxy.monitor != proxy.pid
        check_proxy(proxy, expected)
        assert bool(proxy.find_log(CANNOT_LOCK)) != locks
    stop_both(tunnel)


def test_a_container_without_landlock(lab, containers):
    """The start is refused before the token is used, with a remedy."""
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), inside=containers(calls=[]))
    assert source.wait() == 71
    assert source.find_log(r"fatal.*Landlock.*--sandbox=no-landlock")
    assert service.status()["handshakes"] == {"accepted": 0, "refused": 0}


def test_a_container_without_landlock_when_that_is_allowed(lab, stream_server, containers):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=containers(calls=[]),
                        more=["--sandbox=no-landlock"])
    carry(tunnel)
    expected = Expected(ids_of(USER), NO_CAPABILITY, moved=IN_A_CONTAINER, landlock=False)
    for proxy in (tunnel.source, tunnel.destination):
        assert proxy.find_log(r"warn.*running without Landlock")
        check_proxy(proxy, expected)
    stop_both(tunnel)


@pytest.mark.parametrize("starter", [None, ANOTHER], ids=["root", "an ordinary user"])
def test_a_low_limit_on_locked_memory_is_raised_as_far_as_it_may_be(lab, stream_server, starter):
    if not is_root():
        pytest.skip("only root can start it in this way")
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=prlimit("--memlock=0:65536"), user=starter)
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        assert not proxy.find_log(CANNOT_LOCK)
        locked = processes.status(proxy.pid_of("net"))["VmLck"]
        assert locked != "0 kB"


# What cannot work, and the error.
REFUSED = {
    "root without a capability": (Way(setpriv("--bounding-set=-all")), r"fatal.*root cannot become .* CAP_SETUID"),
    "hardly a descriptor": (Way(prlimit("--nofile=8:8")), r"fatal.*(Too many open files|descriptors)"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_cannot_work_is_refused_before_the_token_is_used(lab, how):
    if not is_root():
        pytest.skip("only root can start it in this way")
    way, words = REFUSED[how]
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), **way.options)
    assert source.wait() == 71
    assert source.find_log(words), source.log
    assert service.status()["handshakes"] == {"accepted": 0, "refused": 0}


PRIVILEGED = {
    "set-user-ID": lambda program: (shutil.chown(program, SET_ID), program.chmod(0o4755)),
    "set-group-ID": lambda program: (shutil.chown(program, group=grp.getgrgid(pwd.getpwnam(SET_ID).pw_gid).gr_name), program.chmod(0o2755)),
    "a file capability": lambda program: subprocess.run(["setcap", "cap_net_bind_service+ep", program], check=True),
}


@pytest.mark.parametrize("how", PRIVILEGED)
def test_a_program_with_more_rights_than_its_caller_refuses_to_start(lab, how):
    if not is_root():
        pytest.skip("only root can give a program other rights")
    program = lab.programs() / "localproxy"
    PRIVILEGED[how](program)
    done = subprocess.run(["setpriv", f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups", program, "--version"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (71, ""), done.stderr
    assert "must not be set-user-ID or set-group-ID, nor have file capabilities" in done.stderr


# How 0, 1 and 2 are opened when the starter left them closed, as in /proc/PID/fdinfo: for the wrong direction, so
# that their use fails.
READING, WRITING = 0o0, 0o1
CLOSED = {"0, 1 and 2": ('exec "$@" <&- >&- 2>&-', {0: WRITING, 1: READING, 2: READING}),
          "2": ('exec "$@" 2>&-', {2: READING}),
          "0": ('exec "$@" <&-', {0: WRITING})}


def opened_for(pid, number):
    lines = pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("flags:")).split()[1], 8) & 0o3


@pytest.mark.parametrize("which", CLOSED)
def test_closed_standard_descriptors(lab, stream_server, which):
    """Their numbers are not reused: a log line in a channel or in the tunnel would be a breach."""
    if not is_root():
        pytest.skip("only root may see the descriptors of a process that is not dumpable")
    line, expected = CLOSED[which]
    service = lab.service({"t1": ["APP"]})
    ports = free_ports(["APP"])
    inside = starters.shell(line)
    proxies = [lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"}, inside=inside),
               lab.source(service, "t1", ports, inside=inside)]
    for side in ("source", "destination"):
        service.wait_connected("t1", side)
    until(lambda: answers(ports["APP"]), "the source listens")
    exchange_all([(ports["APP"], seed, 100_000, 100_000) for seed in range(4)])
    for proxy in proxies:
        found = processes.descriptors(proxy.pid)
        assert {number: found[number] for number in expected} == dict.fromkeys(expected, "/dev/null")
        assert {number: opened_for(proxy.pid, number) for number in expected} == expected
        check_processes(proxy, Expected(ids_of(USER), NO_CAPABILITY))
        assert proxy.stop() == 0


@pytest.mark.parametrize("how", ["--block-signal=CHLD", "--ignore-signal=CHLD", "--default-signal=CHLD"])
def test_the_end_of_a_helper_is_noticed(lab, stream_server, how):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=env(how))
    service = tunnel.service
    before = service.status()["handshakes"]["accepted"]
    mark = tunnel.source.mark()
    os.kill(tunnel.source.pid_of("net"), signal.SIGKILL)
    tunnel.source.wait_log(r"the net process was killed by SIGKILL", since=mark)
    tunnel.source.wait_log(READY, since=mark)
    assert service.status()["handshakes"]["accepted"] == before + 1
    carry(tunnel)
    os.kill(tunnel.source.pid_of("launch"), signal.SIGKILL)
    assert tunnel.source.wait() == 71
    assert tunnel.source.find_log("the launch process was killed by SIGKILL")


def low_port():
    """A free port below those that every user may bind."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))
    for port in random.sample(range(600, 1024), 424):
        if port >= first:
            continue
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    pytest.skip(f"no free port below {first}")
    return 0


def test_a_privileged_port(lab, stream_server):
    """An ambient capability binds it, and is gone from every process afterwards."""
    if not is_root():
        pytest.skip("only root can hand out a capability")
    user = [f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups"]
    ambient = ["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"]
    service = lab.service({"t1": ["APP"]})
    ports = {"APP": low_port()}
    without = lab.source(service, "t1", ports, name="without", inside=setpriv(*user))
    assert without.wait() == 73
    source = lab.source(service, "t1", ports, inside=setpriv(*user, *ambient))
    destination = lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"})
    Tunnel(lab, "t1", service, source, destination, ports).wait_up()
    exchange_all([(ports["APP"], 1, 100_000, 100_000)])
    check_proxy(source, Expected(ids_of(ANOTHER)))
    assert source.stop() == 0


OPENSSL_CONFIG = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = it
[it]
MaxProtocol = TLSv1.2
"""
# This shows that the file would have an effect.
PROBE = "import ssl; print(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).maximum_version.name)"


def test_no_variable_reaches_a_helper(lab, stream_server):
    if not is_root():
        pytest.skip("only root may see the environment of a process that is not dumpable")
    directory = lab.make_directory("environment", 0o777)
    config, keys, aliases = directory / "openssl.cnf", directory / "keys", directory / "aliases"
    config.write_text(OPENSSL_CONFIG, encoding="ascii")
    aliases.write_text("localhost elsewhere.invalid\n", encoding="ascii")
    probe = subprocess.run(["/usr/bin/python3", "-c", PROBE], env={"OPENSSL_CONF": str(config)}, capture_output=True,
                           text=True, check=True)
    assert probe.stdout.strip() == "TLSv1_2"
    preloaded = "libutil.so.1"
    environment = {"LD_PRELOAD": preloaded, "LD_LIBRARY_PATH": str(directory), "MALLOC_ARENA_MAX": "1",
                   "GLIBC_TUNABLES": "glibc.malloc.perturb=85", "OPENSSL_CONF": str(config),
                   "SSLKEYLOGFILE": str(keys), "RES_OPTIONS": "timeout:1", "HOSTALIASES": str(aliases),
                   "LOCALDOMAIN": "invalid"}
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, environment=environment)
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        for role, pid in each_process(proxy):
            variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
            # The monitor keeps its starter's environment; this shows that there was something to inherit.
            assert (b"OPENSSL_CONF" in variables) == (role == "monitor"), role
            assert (preloaded in maps) == (role == "monitor"), role
            assert role == "monitor" or not variables.strip(b"\0"), role
        assert proxy.find_log("TLS: TLSv1.3")
    assert not keys.exists()
    stop_both(tunnel)


@pytest.mark.skipif(not is_root(), reason="only root may see the descriptors of a process that is not dumpable")
def test_descriptors_that_the_starter_left_open_are_not_inherited(lab, stream_server):
    left_open = starters.shell('exec 5</etc/passwd 7</etc/passwd 9</etc/passwd; exec "$@"')
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=left_open)
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        for role, pids in proxy.processes().items():
            for pid in pids:
                assert "/etc/passwd" not in processes.descriptors(pid).values(), role
