"""Standard input and output as the local client of a source: ssh's ProxyCommand, pipes, and other kinds of files."""

import fcntl
import hashlib
import os
import pty
import shlex
import signal
import socket
import subprocess
import threading

import pytest
from harness import tracing
from harness.lab import READY, endpoint
from harness.paths import LOCALPROXY
from harness.wait import until

TIMEOUT = 60


class Client:
    """A source whose standard input and output are pipes to the test; its log goes to a file."""

    def __init__(self, lab, service, **options):
        self.log_file = lab.directory / "stdio.log"
        self.arguments = command(lab, service)
        self.process = subprocess.Popen(self.arguments, env=environment(service), cwd="/", **{
            "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log_file.open("wb"), **options})
        lab.use(self)

    @property
    def log(self):
        return self.log_file.read_text(encoding="utf-8")

    def wait_log(self, text):
        until(lambda: text in self.log or self.process.poll() is not None, f"the log has {text!r}", TIMEOUT)
        assert text in self.log, self.log

    def talk(self, text):
        """Sends text; returns what comes back. The input stays open: its end would end the connection."""
        writer = threading.Thread(target=self._write, args=(text,), daemon=True)
        writer.start()
        got = self.process.stdout.read()
        writer.join(TIMEOUT)
        assert self.process.wait(TIMEOUT) == 0, self.log
        return got

    def _write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def command(lab, service):
    return [*tracing.command(LOCALPROXY), "-s", "APP=-", "-e", endpoint(service), "-c",
            str(lab.ca_directory(service)), "-v", "5", *map(str, lab.settings())]


def environment(service):
    return {"AWSIOT_TUNNEL_ACCESS_TOKEN": service.token("t1", "source"), "PATH": os.environ["PATH"]}


@pytest.fixture
def service(lab):
    return lab.service({"t1": ["APP"]})


@pytest.fixture
def echo(lab, service):
    """A destination with an echo service."""
    server = lab.use(Echo())
    lab.destination(service, "t1", {"APP": server.port}).wait_log(READY)
    return server


class Echo:
    """An echo service in its own process; it ends a connection after the client's end or after "end\\n"."""

    PROGRAM = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
def serve(client):
    while data := client.recv(65536):
        client.sendall(data)
        if data.endswith(b"end\\n"):
            break
    client.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

    def __init__(self):
        self._process = subprocess.Popen(["/usr/bin/python3", "-c", self.PROGRAM], stdout=subprocess.PIPE)
        self.port = int(self._process.stdout.readline())

    def stop(self):
        self._process.kill()
        self._process.wait()


def test_ssh_by_proxy_command(lab, service, sshd):
    lab.destination(service, "t1", {"APP": f"127.0.0.1:{sshd.port}"}).wait_log(READY)
    log = lab.directory / "proxy.log"
    proxy_command = "ProxyCommand=" + shlex.join(command(lab, service)) + f" 2>{log}"
    program, *rest = sshd.ssh(22, "echo through; sha256sum")
    sent = os.urandom(5_000_000)
    done = subprocess.run([program, "-o", proxy_command, *rest], input=sent, capture_output=True, timeout=TIMEOUT,
                          env={**os.environ, **environment(service)}, check=False)
    assert done.returncode == 0, done.stderr.decode() + log.read_text(encoding="utf-8")
    assert done.stdout.decode() == f"through\n{hashlib.sha256(sent).hexdigest()}  -\n"
    # ssh ends its ProxyCommand with SIGHUP.
    service.wait_gone("t1", "source")


def test_bytes_both_ways_and_an_end_from_the_far_side(lab, service, echo):
    client = Client(lab, service)
    text = bytes(range(256)) * 40_000 + b"end\n"
    assert client.talk(text) == text


def test_the_end_of_input_ends_the_proxy(lab, service, echo):
    client = Client(lab, service)
    client.process.stdin.write(b"hello")
    client.process.stdin.flush()
    assert os.read(client.process.stdout.fileno(), 5) == b"hello"
    client.process.stdin.close()
    assert client.process.wait(TIMEOUT) == 0, client.log
    assert "the connection of standard input and output has ended" in client.log


def test_one_socket_for_both(lab, service, echo):
    """As inetd and ssh's ProxyUseFdpass pass them."""
    ours, theirs = socket.socketpair()
    client = Client(lab, service, stdin=theirs, stdout=theirs)
    theirs.close()
    ours.settimeout(TIMEOUT)
    ours.sendall(b"through a socket, end\n")
    got = b""
    while piece := ours.recv(100):
        got += piece
    assert got == b"through a socket, end\n"
    assert client.process.wait(TIMEOUT) == 0, client.log


def test_a_lost_tunnel_ends_the_proxy_with_69(lab, service, echo):
    client = Client(lab, service)
    client.process.stdin.write(b"hello")
    client.process.stdin.flush()
    assert os.read(client.process.stdout.fileno(), 5) == b"hello"
    service.control("kick", tunnel="t1", side="source", how="rst")
    assert client.process.wait(TIMEOUT) == 69, client.log
    assert "the tunnel was lost, and with it the connection of standard input and output" in client.log


def test_a_failure_before_the_first_byte_is_retried(lab, service, echo):
    service.control("fault", kind="status", status=503, body="later", next=2)
    client = Client(lab, service)
    assert client.talk(b"end\n") == b"end\n"
    assert client.log.count("503") >= 2


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_proxy(lab, service, echo, number):
    client = Client(lab, service)
    client.wait_log("Successfully established websocket connection")
    client.process.send_signal(number)
    assert client.process.wait(TIMEOUT) == 0, client.log


def test_flags_of_the_streams_are_restored(lab, service, echo):
    read, write = os.pipe()
    try:
        before = fcntl.fcntl(read, fcntl.F_GETFL)
        client = Client(lab, service, stdin=read)
        until(lambda: fcntl.fcntl(read, fcntl.F_GETFL) & os.O_NONBLOCK, "the stream is in use")
        os.write(write, b"end\n")
        assert client.process.wait(TIMEOUT) == 0, client.log
        assert fcntl.fcntl(read, fcntl.F_GETFL) == before
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(("stream", "name"), [("stdin", "standard input"), ("stdout", "standard output")])
@pytest.mark.parametrize("kind", ["file", "null"])
def test_files_are_refused(lab, service, stream, name, kind):
    path = lab.directory / "a file" if kind == "file" else "/dev/null"
    with open(path, "w+b") as file:
        client = Client(lab, service, **{stream: file})
        assert client.process.wait(TIMEOUT) == 1, client.log
    assert f"{name} must be a pipe, a socket or a terminal" in client.log
    assert service.status()["handshakes"]["accepted"] == 0


def test_a_terminal(lab, service, echo):
    ours, theirs = pty.openpty()
    try:
        client = Client(lab, service, stdin=theirs, stdout=theirs)
        os.write(ours, b"end\n")
        got = b""
        # The terminal echoes what is typed, and shows the answer.
        while got.count(b"end\r\n") < 2:
            got += os.read(ours, 100)
        assert client.process.wait(TIMEOUT) == 0, client.log
    finally:
        os.close(ours)
        os.close(theirs)
