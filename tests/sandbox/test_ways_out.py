"""Code that runs inside resolve cannot reach programs of this machine, which would run something for it: a name service
module is that code here."""

import contextlib
import re
import socket
import subprocess
import threading

import pytest
from harness.dns_server import DnsServer
from harness.layout import Layout
from harness.netns import DNS_ADDRESS
from harness.ports import free_port
from harness.starters import Starter

USER = "daemon"  # an ordinary user that every system has
AGENT = "/srv/agent.sock"
NSCD = "/run/nscd/socket"
RESOLVED = "/run/systemd/resolve/io.systemd.Resolve"
AVAHI = "/run/avahi-daemon/socket"
# The line of nsswitch.conf, and sockets of resolvers that run: machines on which a look-up needs no UNIX socket. The name
# server has one of the addresses of systemd-resolved.
MACHINES = {
    "no local resolver": ("files attack dns", []),
    "a resolver that is not asked": ("files attack dns", [RESOLVED, AVAHI]),
    "a resolver that does not run": ("files attack mdns resolve dns", []),
    "systemd-resolved, which DNS asks": ("files attack resolve [!UNAVAIL=return] dns", [RESOLVED]),
    "avahi, and no name in .local": ("files attack mdns4_minimal [NOTFOUND=return] dns", [AVAHI]),
}

# Tries to talk to an agent as soon as libc loads it, and says with what error it ends.
MODULE = r"""
#include <errno.h>
#include <nss.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static int error_of(long returned) { return returned < 0 ? errno : 0; }
static int ask_agent(void) {
  struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "AGENT"};
  int agent = socket(AF_UNIX, SOCK_STREAM, 0);
  if (agent < 0 || connect(agent, (struct sockaddr*)&to, sizeof to) != 0) return errno;
  return error_of(write(agent, "run this", 8));
}
__attribute__((constructor)) static void attack(void) {
  char text[80];
  int agent = ask_agent(), routes = error_of(socket(AF_NETLINK, SOCK_RAW, 0));
  int size = snprintf(text, sizeof text, "agent: %d, routes: %d\n", agent, routes);
  if (write(2, text, size) < 0) return;
}
enum nss_status _nss_attack_gethostbyname4_r(void) { return NSS_STATUS_NOTFOUND; }
"""
EAFNOSUPPORT = 97


@pytest.fixture
def layout(lab, namespace):
    net = namespace()
    made = Layout(lab.make_directory("system"), net)
    made.write("/etc/resolv.conf", f"nameserver {DNS_ADDRESS}\n")
    lab.use(net.run(DnsServer, {"tunnel.test": ["127.0.0.1"]}))
    return made


def listening(layout, inside):
    """A program that everybody may connect to, such as an agent."""
    path = layout.path(inside)
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o777)
    listener.listen()
    listener.settimeout(0)
    return listener


def attack(lab, layout, hosts):
    """Makes libc load the module."""
    libraries = layout.path("/opt/vendor/lib")
    libraries.mkdir(parents=True)
    text = lab.directory / "module.c"
    text.write_text(MODULE.replace("AGENT", AGENT), encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,libnss_attack.so.2", "-o", libraries / "libnss_attack.so.2",
                    text], check=True)
    layout.write("/etc/ld.so.conf.d/vendor.conf", "/opt/vendor/lib\n")
    layout.run("ldconfig", "-i", "-X")
    layout.write("/etc/nsswitch.conf", f"passwd: files\ngroup: files\nhosts: {hosts}\n")


def look_up(lab, layout, user=None):
    """The log of a run that looks up a name."""
    as_user = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    source = lab.lonely_source(f"tunnel.test:{free_port()}", inside=Starter(*layout.command, *as_user))
    assert source.wait() == 69
    assert source.find_log(r"Resolved proxy server IP: 127\.0\.0\.1$"), source.log
    return source.log


def visitors(listener):
    """How many have connected."""
    count = 0
    while True:
        try:
            listener.accept()[0].close()
            count += 1
        except BlockingIOError:
            return count


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("user", [None, USER], ids=["root", "an ordinary user"])
def test_resolve_reaches_no_program_of_its_user(lab, layout, user, machine):
    hosts, sockets = MACHINES[machine]
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(listening(layout, AGENT))
        for path in sockets:
            stack.enter_context(listening(layout, path))
        attack(lab, layout, hosts)
        log = look_up(lab, layout, user)
        said = re.search(r"resolve: agent: (\d+), routes: (\d+)$", log, re.MULTILINE)
        assert said, log
        assert [int(error) for error in said.groups()] == [EAFNOSUPPORT, EAFNOSUPPORT]
        assert visitors(agent) == 0


@pytest.mark.parametrize("user", [None, USER], ids=["root", "an ordinary user"])
def test_nscd_is_asked_where_it_runs(lab, layout, user):
    asked = threading.Event()

    def serve(nscd):
        with contextlib.suppress(OSError):
            while True:
                # Without an answer libc goes on to DNS.
                nscd.accept()[0].close()
                asked.set()

    with listening(layout, NSCD) as nscd:
        nscd.settimeout(None)
        thread = threading.Thread(target=serve, args=[nscd], daemon=True)
        thread.start()
        look_up(lab, layout, user)
        nscd.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert asked.is_set()
