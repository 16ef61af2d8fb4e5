"""The ways to carry a TCP connection that are compared: each is started, carries to one local service, and ends."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time

from harness import processes
from harness.lab import as_map
from harness.paths import BUILD, LOCALPROXY
from harness.ports import free_port
from measure import Failed, pin

LOAD = BUILD / "tests" / "bench" / "bench-load"
PUMP = BUILD / "tests" / "bench" / "bench-pump"
START_SECONDS = 30


def listens(port):
    """Whether a connection to a port of 127.0.0.1 is accepted."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_listening(port, what):
    deadline = time.monotonic() + START_SECONDS
    while not listens(port):
        if time.monotonic() > deadline:
            raise Failed(f"{what} does not listen")
        time.sleep(0.0005)


class Helper:
    """One of the benchmark's own programs, or anything that says "ready" and ends with its standard input."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        words = self.process.stdout.readline().split()
        if not words or words[0] != "ready":
            self.stop()
            raise Failed(f"{' '.join(map(str, command))} did not get ready")
        self.port = int(words[1]) if len(words) > 1 else 0
        self.pid = self.process.pid

    def stop(self):
        """Returns what it still said."""
        return self.process.communicate()[0]


class Subject:
    """port: where clients connect. ends: "near", the clients' end, and "far", the service's, each {role: pid}; perhaps
    "relay". start_seconds: from starting the near end until it listened. Failed: it does not start."""

    name = ""

    def __init__(self, lab, target):
        self.lab = lab
        self.target = target
        self.port = target
        self.ends = {"near": {}, "far": {}}
        self.start_seconds = 0.0
        self._started = []

    def run(self, command, **options):
        log = open(self.lab.directory / f"{self.name}-{len(self._started)}.log", "ab")
        with log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd="/", **options)
        self._started.append(process)
        return process.pid

    def pids(self, *ends):
        return [pid for end in ends or ("near", "far") for pid in self.ends.get(end, {}).values()]

    def pin(self):
        """Each end to a core of its own, and the relay to a third, if there is one: a core that is slower than the other
        slows the sending end in one direction and the receiving end in the other."""
        cores = sorted(os.sched_getaffinity(0))
        for core, end in zip(cores, ("near", "far", "relay")):
            for pid in self.pids(end):
                pin(pid, core)

    def shaped(self, _shape):
        """While it is entered, the service cuts what it relays like this, if there is a service."""
        return contextlib.nullcontext()

    def answers(self):
        """Whether one round trip succeeds."""
        command = [LOAD, "echo", self.port, 64, 0]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True)
        return not json.loads(done.stdout)["broken"]

    def check(self):
        if not self.answers():
            raise Failed("it answers no more")

    def stop(self):
        for process in reversed(self._started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Direct(Subject):
    name = "direct"


class Pump(Subject):
    name = "pump"

    def __init__(self, lab, target):
        super().__init__(lab, target)
        certificate, key = certificate_of(lab)
        self._far = Helper([PUMP, "server", target, certificate, key])
        began = time.monotonic()
        self._near = Helper([PUMP, "client", self._far.port])
        wait_listening(self._near.port, "bench-pump")
        self.start_seconds = time.monotonic() - began
        self.port = self._near.port
        self.ends = {"near": {"pump": self._near.pid}, "far": {"pump": self._far.pid}}

    def stop(self):
        self._near.stop()
        self._far.stop()


class Stunnel(Subject):
    name = "stunnel"

    def __init__(self, lab, target):
        super().__init__(lab, target)
        certificate, key = certificate_of(lab)
        middle, self.port = free_port(), free_port()
        far = self._run(f"cert = {certificate}\nkey = {key}\naccept = 127.0.0.1:{middle}\n"
                        f"connect = 127.0.0.1:{target}\n", "far")
        wait_listening(middle, "stunnel")
        began = time.monotonic()
        near = self._run(f"client = yes\naccept = 127.0.0.1:{self.port}\nconnect = 127.0.0.1:{middle}\n", "near")
        wait_listening(self.port, "stunnel")
        self.start_seconds = time.monotonic() - began
        self.ends = {"near": {"stunnel": near}, "far": {"stunnel": far}}

    def _run(self, service, name):
        path = self.lab.directory / f"stunnel-{name}.conf"
        no_delay = "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
        path.write_text(f"foreground = yes\npid =\n{no_delay}[bench]\n{service}", encoding="ascii")
        return self.run(["stunnel", path])


class Proxies(Subject):
    """A service, a source and a destination. services: how many; clients use the first, others are ports[1:]."""

    name = "localproxy"
    program = LOCALPROXY

    def __init__(self, lab, target, services=1, settings=None):
        super().__init__(lab, target)
        names = [f"S{number}" for number in range(services)]
        self._service = lab.service({"t1": names})
        try:
            self._start(names, settings)
        except (Failed, RuntimeError) as error:
            self.stop()
            raise Failed(f"it does not start: {error}") from error

    def _start(self, names, settings):
        lab = self.lab
        self._arguments = ["-e", f"localhost:{self._service.port}", "-c", lab.ca_directory(self._service),
                           *(lab.settings(**settings) if settings else [])]
        self.ports = [free_port() for _ in names]
        self.port = self.ports[0]
        far = self._run("destination", ["-d", as_map({name: f"127.0.0.1:{self.target}" for name in names})])
        self._service.wait_connected("t1", "destination")
        began = time.monotonic()
        near = self._run("source", ["-s", as_map(dict(zip(names, self.ports)))])
        for port in self.ports:
            wait_listening(port, self.name)
        self.start_seconds = time.monotonic() - began
        self._service.wait_connected("t1", "source")
        self.ends = {"near": roles_of(near), "far": roles_of(far), "relay": {"service": self._service.pid}}

    def _run(self, side, arguments):
        token = self._service.token("t1", side)
        # With a client token, which is some text of this length, an access token is good for more than one connection.
        return self.run([self.program, "-i", side.ljust(32, "-"), *arguments, *self._arguments],
                        env={"AWSIOT_TUNNEL_ACCESS_TOKEN": token, "PATH": os.environ["PATH"], "HOME": "/"})

    @contextlib.contextmanager
    def shaped(self, shape):
        if shape is None:
            yield
            return
        self._service.control("split", **shape)
        try:
            yield
        finally:
            self._service.control("split", mode="none")

    def reconnect(self, side):
        """Cuts the connection of one side, and waits for the next. A close frame would end the proxy."""
        self._service.control("kick", tunnel="t1", side=side, how="rst")
        self._service.wait_connected("t1", side)

    def breaches(self):
        return self._service.breaches()

    def stop(self):
        super().stop()
        breaches = self.breaches()
        self._service.stop()
        if breaches:
            raise SystemExit(f"bench: the protocol was broken: {breaches[0]}")


def peer_program():
    """LOCALPROXY_PEER: a program, or a build directory of another localproxy."""
    given = os.environ.get("LOCALPROXY_PEER", "")
    inside = pathlib.Path(given) / "src/main/localproxy"
    return inside if given and inside.exists() else given


class Peer(Proxies):
    """Another program with the same command line."""

    name = "peer"
    program = peer_program()

    def breaches(self):
        return []


def roles_of(pid):
    """Role -> pid of everything that belongs to a proxy."""
    roles = {"monitor": pid}
    for child in processes.children(pid):
        role = processes.role(child) or str(child)
        # A look-up ends by itself.
        if role != "resolve":
            roles[role] = child
    return roles


def certificate_of(lab):
    """A self-signed certificate and its key."""
    certificate, key = lab.directory / "bench-cert.pem", lab.directory / "bench-key.pem"
    if not key.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
    return certificate, key
