"""A private network for one test: a network namespace with its own addresses, routes, hosts file and name servers.

    with Namespace(nameserver=True) as net:
        net.add_address("10.9.0.1/24")
        listener = net.run(socket.create_server, ("10.9.0.1", 0))   # a socket of that network
        lab.source(..., inside=net)                                 # a proxy that sees nothing else
"""

import ctypes
import itertools
import os
import pathlib
import shutil
import subprocess
import threading

DNS_ADDRESS = "127.0.0.53"
# The far end of the cable accepts frames for this address but has no such address: packets to it are lost.
NOBODY = "02:00:00:00:00:01"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def why_impossible():
    """Why namespaces cannot be made here; "" when they can."""
    if os.getuid() != 0:
        return "only root may make network namespaces"
    name = f"lp-probe-{os.getpid()}"
    probe = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        return f"no network namespaces here: {probe.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


class Namespace:
    """Loopback is up; v0 is a cable that leads nowhere. ipv4, ipv6: the families that loopback has.

    resolver: further lines of its resolv.conf, whose name server is DNS_ADDRESS."""

    def __init__(self, ipv4=True, ipv6=True, resolver=""):
        self.name = f"lp-{os.getpid()}-{next(_numbers)}"
        self._directory = pathlib.Path("/etc/netns") / self.name
        self._directory.mkdir(parents=True)
        self.write("resolv.conf", f"nameserver {DNS_ADDRESS}\n{resolver}\n")
        self.write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        self.write("hosts", "")
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            if not ipv6:
                self.run(pathlib.Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text, "1", encoding="ascii")
            self.ip("link", "set", "lo", "up")
            if not ipv4:
                self.ip("addr", "del", "127.0.0.1/8", "dev", "lo")
            self.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
            for end in ("v0", "v1"):
                self.ip("link", "set", end, "up")
        except BaseException:
            self.stop()
            raise

    @property
    def command(self):
        """The prefix of a command line that runs in here, with its hosts file and name servers."""
        return ["ip", "netns", "exec", self.name]

    def ip(self, *arguments):
        subprocess.run(["ip", "-n", self.name, *arguments], check=True)

    def add_address(self, address):
        """Adds an address of this network, such as "10.9.0.1/24", to the cable."""
        self.ip("addr", "add", address, "dev", "v0", *(["nodad"] if ":" in address else []))

    def add_black_hole(self, address):
        """Adds an address, in one of the cable's networks, that exists and never answers."""
        self.ip("neigh", "add", address, "lladdr", NOBODY, "dev", "v0", "nud", "permanent")

    def write(self, name, text):
        """Writes a file of /etc for programs that are started with `command` from now on."""
        (self._directory / name).write_text(text, encoding="ascii")

    def run(self, function, *arguments, **options):
        """Calls function in this network: the sockets, threads and processes that it makes belong there."""
        outcome = []

        def call():
            with open(f"/run/netns/{self.name}", "rb") as net:
                if _libc.setns(net.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            outcome.append(function(*arguments, **options))

        def guarded():
            try:
                call()
            except BaseException as error:  # pylint: disable=broad-except
                failure.append(error)

        failure = []
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return outcome[0]

    def stop(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        shutil.rmtree(self._directory, ignore_errors=True)
