"""Sets up what a test needs and takes it down again: services, proxies, whole tunnels.

At the end of every test a Lab checks for what must never happen: a process left behind, a token in a log, a
proxy that broke the protocol, a sanitizer report.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

from . import paths  # noqa: F401 (the next import needs it)
from .ports import free_port
from .proxy import Proxy
from .sanitizers import findings
from .wait import until

from service_client import Service  # isort: skip

VERBOSITY = 5
# Milliseconds; the default suits a service with millions of clients.
FIRST_RETRY = 200
READY_SOURCE = r"Listening for new connection on port {port}\b"
READY = r"Successfully established websocket connection with proxy server"


def endpoint(service):
    """The argument of -e for a service, or for anything else that listens on a loopback port."""
    return f"localhost:{service.port}"


class Tunnel:
    """A service, and a proxy on either side of one of its tunnels. ports: service id -> the source's port."""

    def __init__(self, lab, name, service, source, destination, ports):
        self.lab = lab
        self.name = name
        self.service = service
        self.source = source
        self.destination = destination
        self.ports = ports

    def wait_up(self, source_since=0, destination_since=0, timeout=30):
        """Waits until both sides are connected and the source accepts connections; since: as for Proxy.wait_log()."""
        self.destination.wait_log(READY, timeout, destination_since)
        for port in self.ports.values():
            self.source.wait_log(READY_SOURCE.format(port=port), timeout, source_since)
        self.service.wait_connected(self.name, "source", timeout)
        self.service.wait_connected(self.name, "destination", timeout)


class Lab:
    """Starts things; stop() ends them, newest first, and reports what was wrong with any of them."""

    def __init__(self, own_session=False, quick_retries=True):
        self._stack = contextlib.ExitStack()
        self._own_session = own_session
        self._services = []
        self.proxies = []
        self.may_breach = False  # set by a test that makes a proxy break the protocol
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="localproxy-lab-"))
        # A proxy that is started as root becomes another user, who must be able to read its certificates.
        self.directory.chmod(0o755)
        self._quick_retries = quick_retries
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)

    def settings(self, **groups):
        """The option for settings such as tcp={"connection_retry_count": 1}, on top of those that all proxies here get."""
        proxy = {"websocket": {"retry_delay_ms": FIRST_RETRY}} if self._quick_retries else {}
        for group, values in groups.items():
            proxy[group] = {**proxy.get(group, {}), **values}
        if not proxy:
            return []
        text = json.dumps({"tunneling": {"proxy": proxy}})
        path = self.directory / f"settings-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
        # An earlier proxy may be reading it.
        if not path.exists():
            path.write_text(text, encoding="utf-8")
        return ["--settings-json", path]

    def use(self, thing):
        """Takes ownership of something with stop(); returns it."""
        self._stack.callback(thing.stop)
        return thing

    def use_socket(self, opened):
        """Takes ownership of a socket with close(); returns it."""
        self._stack.callback(opened.close)
        return opened

    def make_directory(self, name, mode=0o755):
        path = self.directory / name
        path.mkdir()
        path.chmod(mode)
        return path

    def service(self, tunnels, listen=None, inside=None):
        """A running stand-in service: {"t1": ["SSH", "HTTP"]}. inside: a Namespace to run it in."""
        start = inside.run if inside else lambda function, *arguments, **more: function(*arguments, **more)
        service = self.use(start(Service, paths.TUNNEL_SERVICE, tunnels=tunnels, listen=listen))
        self._services.append(service)
        return service

    def ca_directory(self, service):
        """A copy of the service's certificate authority that every user can read."""
        copy = self.directory / f"ca-{service.port}"
        if not copy.exists():
            shutil.copytree(service.ca_dir, copy)
            copy.chmod(0o755)
            for path in copy.iterdir():
                path.chmod(0o644)
        return copy

    def programs(self):
        """A copy of the programs in a separate directory that every user can read."""
        directory = self.make_directory("programs")
        for program in paths.programs():
            shutil.copy(program, directory / program.name)
            (directory / program.name).chmod(0o755)
        return directory

    def lonely_source(self, at, settings=None, more=(), **options):
        """A source that tries once to reach a service that does not exist."""
        settings = settings or {"websocket": {"connect_retry_count": 0}}
        return self.proxy(["-s", free_port(), "-e", at, "-v", VERBOSITY, *self.settings(**settings), *more],
                          token="unused", **options)

    def proxy(self, arguments, **options):
        """A Proxy with exactly these arguments."""
        proxy = Proxy(arguments, **{"own_session": self._own_session, **options})
        self.proxies.append(proxy)
        return proxy

    def _side(self, side, service, tunnel, arguments, verbosity, more, options):
        """options: through, at (the argument of -e), settings (as for settings()); the others are Proxy's."""
        at = options.pop("at", None) or endpoint(options.pop("through", service))
        fixed = ["-e", at, "-c", self.ca_directory(service), "-v", verbosity,
                 *self.settings(**options.pop("settings", {}))]
        options = {"name": f"{side} of {tunnel}", "token": service.token(tunnel, side), **options}
        return self.proxy([*arguments, *fixed, *more], **options)

    def source(self, service, tunnel, ports, verbosity=VERBOSITY, more=(), **options):
        """A source proxy: ports is {"SSH": 2222}, or None for -m source. through: a Relay in front of the service."""
        mapping = ["-m", "source"] if ports is None else ["-s", as_map(ports)]
        return self._side("source", service, tunnel, mapping, verbosity, more, options)

    def destination(self, service, tunnel, targets, verbosity=VERBOSITY, more=(), **options):
        """A destination proxy: targets is {"SSH": "127.0.0.1:22"} or {"SSH": 22}."""
        return self._side("destination", service, tunnel, ["-d", as_map(targets)], verbosity, more, options)

    def tunnel(self, targets, verbosity=VERBOSITY, **options):
        """A tunnel with a service and both proxies, connected and ready."""
        service = self.service({"t1": list(targets)})
        ports = free_ports(targets)
        destination = self.destination(service, "t1", targets, verbosity, **options)
        source = self.source(service, "t1", ports, verbosity, **options)
        tunnel = Tunnel(self, "t1", service, source, destination, ports)
        tunnel.wait_up()
        return tunnel

    def _faults(self):
        for proxy in self.proxies:
            try:
                proxy.stop()
                until(lambda p=proxy: not p.left_behind(), f"all processes of {proxy.name} are gone", 5)
            except AssertionError as error:
                yield str(error)
            proxy.kill()
            for line in proxy.leaked_secrets():
                yield f"{proxy.name} logged a token: {line}"
            for line in findings(proxy.lines):
                yield f"a sanitizer reported about {proxy.name}: {line}"
        for service in self._services:
            try:
                if not self.may_breach:
                    yield from service.breaches()
            except OSError:
                pass  # stopped by the test

    def stop(self):
        """Ends everything; returns the problems, one a line."""
        try:
            return list(self._faults())
        finally:
            for proxy in self.proxies:
                proxy.kill()
            self._stack.close()

    def logs(self):
        """All logs, for a report."""
        parts = [f"---- log of {proxy.name} ----\n{proxy.log}" for proxy in self.proxies]
        for service in self._services:
            with contextlib.suppress(OSError):
                parts.append(f"---- log of the service ----\n{service.log_text()}")
        return "\n".join(parts)


def free_ports(services):
    """A free port for each service."""
    return {service: free_port() for service in services}


def as_map(entries):
    """{"SSH": 22, "HTTP": 80} as "SSH=22,HTTP=80"; an entry "" has no name."""
    return ",".join(f"{name}={value}" if name else str(value) for name, value in entries.items())


def is_root():
    return os.getuid() == 0
