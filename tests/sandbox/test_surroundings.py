"""Started where something is missing: calls that an old container's filter refuses, /proc, /dev/null, Landlock, a
writable root. It works, or one line says what is missing, and no token is used."""

import os
import re
import subprocess

import pytest
from confined import NO_CAPABILITY, Expected, check_processes, check_proxy
from harness import one_shot, processes, starters
from harness.lab import free_ports, is_root
from harness.starters import Starter, without_calls
from harness.streams import exchange_all
from test_starters import ANOTHER, USER, ids_of

pytestmark = pytest.mark.skipif(not is_root(), reason="only root can make these surroundings")

# PR_SET_MDWE.
SEAL_MEMORY = 65


def carry(tunnel):
    exchange_all([(tunnel.ports["APP"], seed, 100_000, 100_000) for seed in range(4)])


def mounted(text):
    """In its own mount namespace, after some lines of sh; "$@" is the program."""
    return Starter("/usr/bin/unshare", "--mount", "/bin/sh", "-e", "-c", f'{text}\nexec "$@"', "sh")


# Old filters answer with either.
WITHOUT_CALLS = {f"{' and '.join(calls)}: {error}": [f"{call}={error}" for call in calls]
                 for calls in (("close_range",), ("dup3",), ("close_range", "dup3", "clone3"))
                 for error in ("EPERM", "ENOSYS")}


@pytest.mark.parametrize("which", WITHOUT_CALLS)
def test_calls_with_an_alternative(lab, stream_server, which):
    inside = without_calls(*WITHOUT_CALLS[which])
    left_open = starters.shell('exec 5</etc/passwd 7</etc/passwd 9</etc/passwd; exec "$@"')
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"},
                        inside=Starter(*left_open.command, *inside.command))
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        check_proxy(proxy, Expected(ids_of(USER), NO_CAPABILITY))
        for role, pids in proxy.processes().items():
            for pid in pids:
                assert "/etc/passwd" not in processes.descriptors(pid).values(), role
        assert proxy.stop() == 0


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "EACCES"])
def test_memory_that_cannot_be_sealed(lab, stream_server, error):
    """localproxy's own filter refuses the same."""
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=without_calls(f"prctl:{SEAL_MEMORY}={error}"))
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        check_processes(proxy, Expected(ids_of(USER), NO_CAPABILITY))
        assert not proxy.find_log("no writable code")
        assert proxy.stop() == 0


def test_a_read_only_root(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, inside=mounted("mount -o remount,bind,ro /"))
    carry(tunnel)
    for proxy in (tunnel.source, tunnel.destination):
        check_proxy(proxy, Expected(ids_of(USER), NO_CAPABILITY, moved=("mnt",)))
        assert proxy.stop() == 0


NO_DEV = "mount -t tmpfs none /dev"
# What cannot work, and the error in the last line.
MISSING = {
    "no /proc": (mounted("umount -l /proc"),
                 r"fatal.*cannot read /proc/self/exe.*/proc has to be mounted.*: No such file"),
    "no /proc and no close_range": (Starter(*mounted("umount -l /proc").command,
                                            *without_calls("close_range=ENOSYS").command),
                                    r"cannot open /proc/self/fd: No such file"),
    "no /dev/null": (mounted(NO_DEV), r"cannot open /dev/null.*: No such file"),
    "no /dev/null and nothing to read from": (
        mounted(f"{NO_DEV}; exec 0<&-"), r"cannot open /dev/null: No such file"),
    "a kernel without Landlock": (
        without_calls("landlock_create_ruleset=ENOSYS"),
        r"fatal.*launch process ended with status 71: the sandbox refused: .*no Landlock.*--sandbox=no-landlock"),
    "Landlock that is switched off": (
        without_calls("landlock_create_ruleset=EOPNOTSUPP"),
        r"fatal.*launch process ended with status 71: the sandbox refused: .*lsm=.*--sandbox=no-landlock"),
    "a container that keeps Landlock away": (
        without_calls("landlock_create_ruleset=EPERM"),
        r"fatal.*launch process ended with status 71: the sandbox refused: .*filter.*--sandbox=no-landlock"),
    "no way to give a helper its descriptors": (
        without_calls("dup3=EPERM", "dup2=EPERM"),
        r"fatal.*launch process ended with status 71: localproxy-launch cannot be started: dup3: Operation not"),
    "no way to run a helper": (
        without_calls("execveat=ENOSYS"),
        r"fatal.*status 71: localproxy-launch cannot be started: execveat: Function not implemented"),
    "no system call filter": (
        without_calls("seccomp:1=ENOSYS"), r"fatal.*status 71: the sandbox refused: seccomp: Function not implemented"),
    "hardly more descriptors than that takes": (
        Starter("/usr/bin/prlimit", "--nofile=20:20"),
        r"fatal.*this process may have 20 descriptors and needs \d+: raise the limit"),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_logged(lab, what):
    inside, words = MISSING[what]
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), inside=inside)
    assert source.wait() == 71
    assert re.search(words, source.lines[-1]), source.log
    assert service.status()["handshakes"] == {"accepted": 0, "refused": 0}


def test_a_user_with_too_many_processes(lab):
    """The limit counts processes of the whole system; it does not apply to root."""
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), user=ANOTHER,
                        inside=Starter("/usr/bin/prlimit", "--nproc=1:1"))
    assert source.wait() == 71
    assert re.search(r"fatal.*cannot start localproxy-launch: Resource temporarily unavailable", source.lines[-1])


@pytest.mark.parametrize("umask", [0o022, 0o002], ids="{:03o}".format)
def test_a_tree_built_by_an_ordinary_user_runs_as_root(lab, umask):
    uid, gid = ids_of(ANOTHER)
    copies = lab.programs()
    tree = lab.make_directory("tree")
    os.chown(tree, uid, gid)
    tree.chmod(0o777 & ~umask)
    for program in copies.iterdir():
        subprocess.run(["/bin/cp", program, tree], user=uid, group=gid, extra_groups=[], umask=umask, check=True)
    assert {path.stat().st_uid for path in tree.iterdir()} == {uid}
    outcome = one_shot.run(["--sandbox-report"], program=tree / "localproxy")
    assert outcome.status == 0, str(outcome)
    assert re.search(rf"^user id( +{ids_of(USER)[0]}){{5}}$", outcome.out, re.MULTILINE), str(outcome)
