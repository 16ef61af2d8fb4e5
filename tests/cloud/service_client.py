"""Starts a tunnel-service and drives it through its control socket; for tests and scripts.

    with Service(binary, tunnels={"t1": ["SSH", "HTTP"]}) as service:
        token = service.token("t1", "source")
        service.wait_connected("t1", "source")
        service.control("kick", tunnel="t1", side="source", how="rst")
"""

import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import time

START_SECONDS = 20
STOP_SECONDS = 10
# Longer than any "wait", so that the service answers before the socket times out.
CONTROL_SECONDS = 150


class Service:
    """One running tunnel-service.

    tunnels: name -> list of service ids (empty: a tunnel that was opened without services).
    directory: where the service keeps its files; a temporary one, removed by stop(), by default.
    listen: "ADDR:PORT" texts; 127.0.0.1 and a free port by default.

    port: the first listening port. ca_file, ca_dir: for the client's -c. directory: pathlib.Path.
    log_file: what the service wrote, breaches included.
    """

    def __init__(self, binary_path, tunnels=None, directory=None, listen=None):
        self._process = None
        self._own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="tunnel-service-"))
        self.ca_file = str(self.directory / "ca.pem")
        self.ca_dir = str(self.directory / "ca")
        self.log_file = self.directory / "service.log"
        self.port = 0
        command = [str(binary_path), "--dir", str(self.directory), "--log", str(self.log_file), "--until-eof"]
        for address in listen or []:
            command += ["--listen", address]
        for name, services in (tunnels or {}).items():
            command += ["--tunnel", name + ("=" + ",".join(services) if services else "")]
        # The pipe stays open as long as this process lives, so a service never outlives its test.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.port = self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        seen = b""
        while b"\n" not in seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise RuntimeError("tunnel-service: not ready in time")
            piece = os.read(self._process.stdout.fileno(), 4096)
            if not piece:
                raise RuntimeError(f"tunnel-service: ended at start, status {self._process.wait()}")
            seen += piece
        word, port = seen.decode().splitlines()[0].split()
        if word != "ready":
            raise RuntimeError(f"tunnel-service: said {seen!r}")
        return int(port)

    @property
    def pid(self):
        return self._process.pid

    def token(self, tunnel, side):
        """The current access token of one side ("source" or "destination")."""
        return (self.directory / f"{tunnel}.{side}.token").read_text(encoding="ascii")

    def control(self, command, **args):
        """Runs one command of the control socket; RuntimeError with the service's error when it refuses."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(CONTROL_SECONDS)
            # Through a descriptor: a socket path is limited to 107 characters, which a deep directory uses up.
            directory_fd = os.open(self.directory, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{directory_fd}/control.sock")
            finally:
                os.close(directory_fd)
            connection.sendall(json.dumps({"command": command, **args}).encode() + b"\n")
            reply = b""
            while not reply.endswith(b"\n"):
                piece = connection.recv(65536)
                if not piece:
                    raise RuntimeError(f"{command}: the service closed the control socket")
                reply += piece
        answer = json.loads(reply)
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']}")
        return answer

    def status(self, tunnel=None):
        """The whole status, or one tunnel's."""
        everything = self.control("status")
        return everything if tunnel is None else everything["tunnels"][tunnel]

    def wait_connected(self, tunnel, side, timeout=20):
        """Returns when a proxy of that side has been upgraded; RuntimeError on timeout."""
        return self.control("wait", tunnel=tunnel, side=side, state="connected", timeout_ms=int(timeout * 1000))

    def wait_gone(self, tunnel, side, timeout=20):
        """Returns when no proxy of that side is connected; RuntimeError on timeout."""
        return self.control("wait", tunnel=tunnel, side=side, state="gone", timeout_ms=int(timeout * 1000))

    def breaches(self, tunnel=None):
        """The breaches for which the service closed proxies: "SIDE of TUNNEL: reason", oldest first."""
        texts = self.control("status")["breaches"]
        return [text for text in texts if tunnel is None or f" of {tunnel}: " in text]

    def log_text(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """Ends the service; returns its exit status. May be called again."""
        process = self._process
        if process is None:
            return None
        self._process = None
        if process.poll() is None:
            process.terminate()
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdin.close()
        process.stdout.close()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        return status
