"""One running localproxy: starts it, collects its log, waits for lines, finds its processes, ends it."""

import contextlib
import datetime
import os
import pwd
import re
import signal
import subprocess
import threading
import time

from . import processes, tracing
from .paths import LOCALPROXY
from .wait import until

TOKEN_VARIABLE = "AWSIOT_TUNNEL_ACCESS_TOKEN"
COUNTERS = r"counters: (\d+) connections open, (\d+) since the start, (\d+) bytes into the tunnel, (\d+) bytes out"
# Variables that a proxy may need; it inherits no others, so the caller's environment cannot change what it does.
KEPT_VARIABLES = ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS")


def log_time(line):
    """When a log line was written, in seconds since some moment."""
    text = re.match(r"\[(\S+)Z\]", line)[1]
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f").timestamp()


class Proxy:
    """A localproxy with the given arguments.

    name: its name in reports. token: its access token, passed in the environment.
    environment: further variables. directory: where it runs, "/" by default, so that no ./config is found.
    own_session: Ctrl-C at the terminal does not reach it. stdin: bytes for its standard input, at most 4 KiB.
    program: another copy of localproxy. user: who runs it, when the caller is root. inside: a Namespace or Container
    to run it in, or a Starter; its command goes in front. stdout, stderr: descriptors, whose text is not in log.
    """

    def __init__(self, arguments, name="proxy", token=None, environment=None, directory="/", own_session=False,
                 stdin=None, program=LOCALPROXY, user=None, inside=None, stdout=subprocess.PIPE,
                 stderr=subprocess.STDOUT):
        self.name = name
        self.lines = []
        self._news = threading.Condition()
        self._ended = False
        variables = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        variables.update(environment or {})
        self.secrets = [text for key, text in variables.items() if key.startswith("AWSIOT_TUNNEL_") and "TOKEN" in key]
        if token is not None:
            variables[TOKEN_VARIABLE] = token
            self.secrets.append(token)
        command = [*(inside.command if inside else []), *tracing.command(program, user), *map(str, arguments)]
        # strace runs as root and switches to the user itself.
        user = None if tracing.is_on() else user
        self.process = subprocess.Popen(
            command, env=variables, cwd=directory, start_new_session=own_session, user=user,
            group=pwd.getpwnam(user).pw_gid if user else None, extra_groups=[] if user else None,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, stdout=stdout,
            stderr=stderr)
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        # Every process of this proxy that was ever seen.
        self.seen_pids = {self.process.pid}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout or ():
            with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def monitor(self):
        """The process id of localproxy itself, which in a container is not the process that was started."""
        for pid in (self.pid, *processes.children(self.pid)):
            if os.path.basename(processes.command_line(pid)[0]) == "localproxy":
                return pid
        return self.pid

    @property
    def log(self):
        with self._news:
            return "\n".join(self.lines)

    def mark(self):
        """The number of log lines so far; for wait_log(since=...)."""
        with self._news:
            return len(self.lines)

    def find_log(self, pattern, since=0):
        """The first match of a regular expression in a log line, or None."""
        with self._news:
            return next((found for line in self.lines[since:] if (found := re.search(pattern, line))), None)

    def wait_log(self, pattern, timeout=20.0, since=0):
        """Waits for a log line that matches and returns the match; AssertionError when none comes."""
        deadline = time.monotonic() + timeout
        with self._news:
            looked_at = since
            while True:
                for line in self.lines[looked_at:]:
                    if found := re.search(pattern, line):
                        return found
                looked_at = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"did not within {timeout:g} s"
                    raise AssertionError(f"{self.name} {why}, without logging {pattern!r}:\n" + "\n".join(self.lines))
                self._news.wait(left)

    def counters(self):
        """The counters that SIGUSR1 logs: connections open, opened ever, bytes into the tunnel, bytes out of it."""
        mark = self.mark()
        self.signal(signal.SIGUSR1)
        return [int(number) for number in self.wait_log(COUNTERS, since=mark).groups()]

    def processes(self):
        """Role -> process ids: {"monitor": [..], "launch": [..], "net": [..], "bridge": [..], "resolve": [..]}."""
        monitor = self.monitor
        found = {"monitor": [monitor] if processes.is_alive(monitor) else [], **{role: [] for role in processes.ROLES}}
        for child in processes.children(self.pid):
            self.seen_pids.add(child)
            if role := processes.role(child):
                found[role].append(child)
        return found

    def pid_of(self, role, timeout=20.0):
        """The one process of a role; waits until there is exactly one."""
        until(lambda: len(self.processes()[role]) == 1, f"{self.name} has one {role} process", timeout)
        return self.processes()[role][0]

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=20.0):
        """Waits for the end; returns the exit status, negative for a signal."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {timeout:g} s:\n{self.log}") from None
        # With a limit: a process that was left behind keeps the pipe open, and is reported elsewhere.
        self._reader.join(5)
        return status

    def stop(self, timeout=20.0):
        """SIGTERM, unless it has ended; returns the exit status."""
        if self.process.poll() is None:
            self.processes()
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def left_behind(self):
        """The processes that once belonged to this proxy and still live."""
        return sorted(pid for pid in self.seen_pids if processes.is_alive(pid))

    def kill(self):
        """Kills what is left."""
        if self.process.poll() is None:
            self.processes()
        for pid in self.left_behind():
            # The end of the first one ends others.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def leaked_secrets(self):
        """Log lines that have a token in them; there must be none at any level."""
        with self._news:
            return [line for line in self.lines if any(secret in line for secret in self.secrets)]
