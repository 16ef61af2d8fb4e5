"""The demonstration behind tests/demo: sets everything up, fetches through the tunnel, shows the processes."""

import os
import pwd
import re
import shlex
import signal
import subprocess
import sys

from harness import processes
from harness.http_server import WebServer
from harness.lab import Lab
from harness.sshd import Sshd, why_impossible

PAGE = b"Hello from the far end of the tunnel.\n"
TIMEOUT = 30
ROLES = ("monitor", "launch", "net", "bridge")

PICTURE = """\
   curl, ssh                                                        web server, sshd
       |                                                                   |
   +---+----------- source -----------+        +----------- destination ---+---+
   | bridge  <--->  net  <------------+--TLS-->|  net  <--->  bridge           |
   |    \\            /                |   |    |     \\            /            |
   |        monitor                   |   |    |        monitor                |
   +----------------------------------+   |    +-------------------------------+
                                 tunnel-service
                       (stands in for the cloud, port {port})

   net parses what comes from the network, and can connect to nothing.
   monitor connects, and parses nothing that comes from a peer.
   bridge moves bytes between sockets that it was handed.
"""


class Failed(Exception):
    """The demonstration did not show what it should."""


def title(text):
    print(f"\n== {text}\n", flush=True)


def run(command):
    """Prints a command line, runs it, prints and returns its output."""
    print(f"   $ {shlex.join(str(word) for word in command)}", flush=True)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end within {TIMEOUT} s") from None
    print("".join(f"     {line}\n" for line in done.stdout.decode(errors="replace").splitlines()), flush=True)
    if done.returncode:
        raise Failed(f"{command[0]} ended with status {done.returncode}")
    return done.stdout


def user_name(uid):
    try:
        return pwd.getpwuid(int(uid)).pw_name
    except KeyError:
        return uid


def landlock_of(proxy):
    """Role -> what the process logged about Landlock, which the kernel does not show in /proc."""
    found = {}
    for line in proxy.lines:
        if match := re.search(r"sandbox: uid", line):
            role = next((role for role in (*processes.ROLES, "monitor") if role in line[:match.start()]), "monitor")
            abi = re.search(r"Landlock ABI (\d+)", line)
            found[role] = f"ABI {abi[1]}" if abi else "none"
    return found


def show_processes(proxies):
    row = "   {:<12} {:<8} {:>7}  {:<18} {:<8} {:<10} {:<17} {:<17} {}"
    print(row.format("proxy", "process", "pid", "uid", "Seccomp", "NoNewPrivs", "CapEff", "CapBnd", "Landlock"))
    for proxy in proxies:
        by_role = proxy.processes()
        landlock = landlock_of(proxy)
        for role in ROLES:
            for pid in by_role[role]:
                status = processes.status(pid)
                uid = status["Uid"].split()[0]
                print(row.format(proxy.name.split()[0], role, pid, f"{uid} ({user_name(uid)})", status["Seccomp"],
                                 status["NoNewPrivs"], status["CapEff"], status["CapBnd"],
                                 landlock.get(role, "not said")))
    print("\n   Seccomp 2: a system call filter is in force. NoNewPrivs 1: no program that they could run gives them\n"
          "   any privilege. Landlock is what each process reported: the kernel does not show it in /proc.")


class Demo:
    def __init__(self, lab):
        self.lab = lab
        content = lab.make_directory("web")
        (content / "index.html").write_bytes(PAGE)
        self.web = lab.use(WebServer(content))
        self.sshd = None
        targets = {"HTTP": f"127.0.0.1:{self.web.port}"}
        if reason := why_impossible():
            print(f"   no ssh in this demonstration: {reason}")
        else:
            self.sshd = lab.use(Sshd(lab.directory / "sshd", own_session=True))
            targets["SSH"] = f"127.0.0.1:{self.sshd.port}"
        self.tunnel = lab.tunnel(targets)

    def curl(self):
        return ["curl", "--noproxy", "*", "-sS", "--fail", f"http://127.0.0.1:{self.tunnel.ports['HTTP']}/"]

    def show_setting(self):
        tunnel = self.tunnel
        print(PICTURE.format(port=tunnel.service.port))
        for proxy in (tunnel.destination, tunnel.source):
            print(f"   $ AWSIOT_TUNNEL_ACCESS_TOKEN=... {shlex.join(proxy.process.args)}\n")

    def transfer(self):
        if run(self.curl()) != PAGE:
            raise Failed("the page is not the one of the web server")
        if self.sshd:
            said = run(self.sshd.ssh(self.tunnel.ports["SSH"],
                                     "echo this shell came through the tunnel; id -un; uname -sr"))
            if b"through the tunnel" not in said:
                raise Failed("the shell did not answer")

    def show_what_to_try(self):
        print("   " + shlex.join(self.curl()))
        if self.sshd:
            print("   " + shlex.join(self.sshd.ssh(self.tunnel.ports["SSH"])))
        net = self.tunnel.source.pid_of("net")
        print(f"   kill -9 {net}        net of the source: look how it is replaced, then fetch again")
        print(f"   ls -l /proc/{net}/fd      (as root) all that the process with the parsers can reach")
        print(f"   grep -E 'Seccomp|Cap|Uid' /proc/{net}/status")


def follow(proxies):
    """Prints the log lines as they come, until a proxy ends or Ctrl-C."""
    marks = {proxy: proxy.mark() for proxy in proxies}
    while all(proxy.process.poll() is None for proxy in proxies):
        for proxy in proxies:
            now = proxy.mark()
            for line in proxy.lines[marks[proxy]:now]:
                print(f"   {proxy.name.split()[0]:<12} {line}", flush=True)
            marks[proxy] = now
        signal.sigtimedwait((), 0.2)
    raise Failed("a proxy ended by itself")


def main():
    once = "--once" in sys.argv[1:]
    # SIGTERM takes everything down, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab(own_session=True, quick_retries=False)
    status = 0
    try:
        title("Starting the service, a web server, an sshd and two proxies on loopback")
        if os.getuid() == 0:
            print("   started as root: the proxies become another user before they reach any network\n")
        demo = Demo(lab)
        demo.show_setting()
        title("Through the tunnel")
        demo.transfer()
        title("The processes")
        show_processes((demo.tunnel.source, demo.tunnel.destination))
        if not once:
            title("What to try next, in another terminal; Ctrl-C ends all of it")
            demo.show_what_to_try()
            title("Logs from now on")
            follow((demo.tunnel.source, demo.tunnel.destination))
    except KeyboardInterrupt:
        print()
    except (Failed, AssertionError, RuntimeError) as error:
        print(f"\n{lab.logs()}\ndemo: FAILED: {error}", file=sys.stderr)
        status = 1
    for fault in lab.stop():
        print(f"demo: FAILED: {fault}", file=sys.stderr)
        status = 1
    title("Everything is down" + ("" if status else "; all went well"))
    return status


if __name__ == "__main__":
    sys.exit(main())
