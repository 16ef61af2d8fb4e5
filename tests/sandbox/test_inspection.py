"""No other process of the same user can look into a process of a run at any moment, from its start on."""

import pwd
import shutil
import subprocess
import sys

import pytest
from harness.dns_server import DnsServer
from harness.lab import is_root
from harness.paths import BUILD
from harness.ports import free_port
from harness.sockets import plain_server
from harness.starters import Starter

USER = "daemon"  # an ordinary user that every system has
TRIES = 3
AGAIN_AND_AGAIN = {"websocket": {"connect_retry_count": -1, "retry_delay_ms": 100}}

# Opens the memory of each new process of localproxy as soon as it can, until its standard input ends. Who has it open can
# read it even when the process is no longer dumpable.
SPY = r"""
import os, select, sys
before, caught = set(os.listdir("/proc")), {}
print("ready", flush=True)
while not select.select([0], [], [], 0)[0]:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or pid in before or pid in caught: continue
        try:
            with open(f"/proc/{pid}/mem", "rb"), open(f"/proc/{pid}/cmdline", "rb") as line:
                caught[pid] = f"{os.getsid(int(pid))}:{os.path.basename(line.read().split(bytes(1))[0]).decode()}"
        except OSError: pass
print(" ".join(caught.values()))
"""


class Spy:
    """A program of a user that watches for processes of localproxy."""

    def __init__(self, user):
        self.process = subprocess.Popen([sys.executable, "-B", "-S", "-c", SPY], user=user,
                                        group=pwd.getpwnam(user).pw_gid, extra_groups=[], cwd="/", text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def caught(self, session):
        """The programs of a session whose memory it has got at; other tests may run beside this one."""
        return [each for each in self.process.communicate()[0].split() if each.startswith(f"{session}:localproxy")]


@pytest.fixture
def installed(lab):
    """localproxy in an installation."""
    if not is_root():
        pytest.skip("only root can install programs that their user cannot read")
    if shutil.which("meson") is None:
        pytest.skip("meson, which installs them, is not there")
    directory = lab.make_directory("installation")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", directory], check=True)
    return next(directory.glob("**/bin/localproxy"))


@pytest.mark.parametrize("user", [None, USER], ids=["root", "an ordinary user"])
def test_no_process_is_open_when_it_starts(lab, installed, user):
    """Three runs, of which each starts net again and again. The spy is the user of its helpers."""
    for _ in range(TRIES):
        spy = Spy(user or "_localproxy")
        with plain_server(lambda connection: connection.close()) as port:
            source = lab.lonely_source(f"127.0.0.1:{port}", settings=AGAIN_AND_AGAIN, program=installed, user=user,
                                      own_session=True)
            for _ in range(TRIES):
                source.wait_log("net: sandbox: ", since=source.mark())
            source.stop()
        assert not spy.caught(source.pid), source.log


def test_the_monitor_is_closed_while_a_name_of_b_is_looked_up(lab, namespace):
    """It has the token by then. This program is one that its user can read."""
    network = namespace()
    lab.use(network.run(DnsServer, {}, how="silence"))
    as_user = ("/usr/bin/setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
    source = lab.proxy(["-s", free_port(), "-b", "here.test", "-e", "localhost:1", "-v", 5], token="unused",
                       inside=Starter(*network.command, *as_user))
    source.wait_log("resolve: sandbox: ")
    look = subprocess.run([*as_user, "/usr/bin/head", "-c", "1", f"/proc/{source.monitor}/environ"],
                          capture_output=True, text=True, check=False)
    assert look.returncode != 0 and "Permission denied" in look.stderr
    source.kill()
