"""What is left in the memory of a process when it ends: nothing of a token or a key, nothing of the bytes that it
carried.

The process is stopped at its exit, where its memory can still be read, and then continues.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
import uuid

import pytest
from harness import squid as squids
from harness.authority import EC, RSA, Authority
from harness.lab import READY, is_root
from harness.memory import found_in, memory_of, pieces
from harness.relay import Relay
from harness.wait import until

pytestmark = pytest.mark.skipif(not is_root(), reason="only root may trace a process that is not dumpable")

# <sys/ptrace.h>
PTRACE_CONT = 7
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEEXIT = 0x40
PTRACE_EVENT_EXIT = 6
WALL = 0x40000000  # __WALL: also tracees that are not children

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data):
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


class LastWords:
    """Stops a process when it exits."""

    def __init__(self, pid):
        self.pid = pid
        ptrace(PTRACE_SEIZE, pid, PTRACE_O_TRACEEXIT)

    def wait(self):
        """Waits until it stops at its exit; other stops are passed through."""
        until(self._is_there, f"{self.pid} ends")

    def _is_there(self):
        pid, status = os.waitpid(self.pid, WALL | os.WNOHANG)
        if pid == 0:
            return False
        assert os.WIFSTOPPED(status), f"it ended without an exit: {status:#x}"
        if status >> 16 == PTRACE_EVENT_EXIT:
            return True
        number = os.WSTOPSIG(status)
        ptrace(PTRACE_CONT, self.pid, 0 if number == signal.SIGTRAP else number)
        return False

    def let_go(self):
        ptrace(PTRACE_DETACH, self.pid, 0)


class Carried:
    """A tunnel that has carried two texts, one each way; and its secrets."""

    def __init__(self, lab):
        self.texts = [f"what goes up {uuid.uuid4()}", f"what comes down {uuid.uuid4()}"]
        self.listener = lab.use_socket(socket.create_server(("127.0.0.1", 0)))
        target = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.service = lab.service({"t1": ["APP"]})
        self.relay = lab.use(Relay(self.service.port))
        self.destination = lab.destination(self.service, "t1", {"APP": target}, through=self.relay)
        self.source = lab.source(self.service, "t1", None, through=self.relay)
        port = int(self.source.wait_log(r"Listening for new connection on port (\d+)")[1])
        self.service.wait_connected("t1", "destination")
        self.client = lab.use_socket(socket.create_connection(("127.0.0.1", port), timeout=20))
        self.client.sendall(self.texts[0].encode())
        self.local = lab.use_socket(self.listener.accept()[0])
        self.local.settimeout(20)
        assert self.local.recv(1000).decode() == self.texts[0]
        self.local.sendall(self.texts[1].encode())
        assert self.client.recv(1000).decode() == self.texts[1]

    def side_of(self, proxy):
        return "source" if proxy is self.source else "destination"

    def secrets(self, proxy):
        return [*proxy.secrets, *self.texts]


@pytest.fixture
def carried(lab):
    return Carried(lab)


def end_by_signal(carried, proxy):
    # There is nothing to drain.
    carried.client.close()
    carried.local.close()
    proxy.signal(signal.SIGTERM)


def end_by_the_service(carried, proxy):
    carried.service.control("close", tunnel="t1")


def end_by_a_breach(carried, proxy):
    carried.service.control("inject", tunnel="t1", side=carried.side_of(proxy), hex="0002ffff")


def end_by_loss(carried, proxy):
    carried.relay.cut()


ENDS = {"a signal": end_by_signal, "the service closes the tunnel": end_by_the_service,
        "the connection is lost": end_by_loss, "the service breaks the protocol": end_by_a_breach}


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("end", list(ENDS))
def test_net_leaves_nothing_in_its_memory(carried, side, end):
    proxy = getattr(carried, side)
    net = LastWords(proxy.pid_of("net"))
    ENDS[end](carried, proxy)
    net.wait()
    left = {secret: found for secret in carried.secrets(proxy) if (found := found_in(net.pid, secret))}
    net.let_go()
    assert not left


def test_the_monitor_leaves_no_token_in_its_memory(carried):
    monitor = LastWords(carried.source.pid)
    carried.client.close()
    carried.source.signal(signal.SIGTERM)
    monitor.wait()
    left = [secret for secret in carried.secrets(carried.source) if found_in(monitor.pid, secret)]
    monitor.let_go()
    assert not left


# ---- the key of a client certificate ----

def parts_of_key(path, certificate):
    """What nobody may find of a private key: pieces of its file, and of its secret numbers as the file has them and as
    OpenSSL computes with them, the other way round. The public key, which the certificate has too, is no secret."""
    lines = [line for line in path.read_text(encoding="ascii").splitlines() if not line.startswith("-")]
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], check=True, capture_output=True,
                          text=True).stdout
    names = "priv|privateExponent|prime1|prime2|exponent1|exponent2|coefficient"
    blocks = re.findall(rf"^(?:{names}):\n((?: +[0-9a-f:]+\n)+)", text, re.MULTILINE)
    numbers = [bytes.fromhex(re.sub(r"[^0-9a-f]", "", block)).lstrip(b"\0") for block in blocks]
    assert len(lines) > 2 and numbers
    secrets = [*lines, *numbers, *(number[::-1] for number in numbers)]
    public = certificate.read_bytes()
    return [piece for secret in secrets for piece in pieces(secret) if piece not in public]


def has_any(pid, parts):
    return [part for _, _, content in memory_of(pid) for part in parts if part in content]


@pytest.mark.parametrize("kind", [EC, RSA], ids=["EC", "RSA"])
def test_nothing_of_a_client_key_is_left(lab, kind):
    """net forgets it once the web proxy has seen the certificate, the monitor when it ends; others never have it."""
    if reason := squids.why_impossible():
        pytest.skip(reason)
    service = lab.service({"t1": ["APP"]})
    authority = Authority(lab, service)
    certificate, key = authority.client(kind)
    squid = lab.use(squids.Squid(lab.directory / "squid", tls=authority.directory,
                                 clients=authority.directory / "root.pem"))
    source = lab.source(service, "t1", None, environment={"https_proxy": f"https://localhost:{squid.port}"},
                        more=["-c", authority.roots, "--proxy-cert", certificate, "--proxy-key", key])
    source.wait_log(r"Listening for new connection on port \d+")
    parts = parts_of_key(key, certificate)
    assert has_any(source.pid, parts), "the search finds nothing where the key is"
    for role in ("net", "bridge", "launch"):
        assert not has_any(source.pid_of(role), parts), role
    mark = source.mark()
    for name, end in (("net", lambda: service.control("kick", tunnel="t1", side="source", how="rst")),
                      ("monitor", lambda: source.signal(signal.SIGTERM))):
        process = LastWords(source.pid_of(name))
        end()
        process.wait()
        left = has_any(process.pid, parts)
        process.let_go()
        assert not left, name
        source.wait_log(READY if name == "net" else "stopping", since=mark)
