"""SIGHUP ends a run on a terminal, and reloads without one. SIGUSR2 always reloads."""

import contextlib
import os
import pty
import signal
import subprocess

import pytest
from harness import tracing
from harness.lab import READY, endpoint, free_ports
from harness.paths import LOCALPROXY
from harness.ports import answers
from harness.wait import until

TIMEOUT = 20
RECONNECTING = "reconnecting"
# As nohup does, which also takes the terminal away from standard output.
IGNORES_SIGHUP = "trap '' HUP; exec \"$@\""


class Session:
    """A source that leads the session of a terminal of its own."""

    def __init__(self, lab, front=()):
        self.service = lab.service({"t1": ["APP"]})
        self.port = free_ports(["APP"])["APP"]
        self.terminal, fd = pty.openpty()
        os.set_blocking(self.terminal, False)
        self._text = b""
        command = [*front, *tracing.command(LOCALPROXY), "-s", f"APP={self.port}", "-e", endpoint(self.service),
                   "-c", lab.ca_directory(self.service), "-v", 5, *lab.settings()]
        self.process = subprocess.Popen(
            list(map(str, command)), cwd="/", preexec_fn=lambda: os.login_tty(fd),
            env={"AWSIOT_TUNNEL_ACCESS_TOKEN": self.service.token("t1", "source"), "PATH": os.environ["PATH"]})
        os.close(fd)
        lab.use(self)
        self.wait_log("Listening for new connection")

    @property
    def text(self):
        """What the terminal shows. No thread reads: it would keep the terminal open."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.terminal, 65_536):
                self._text += piece
        return self._text.decode()

    def close(self):
        if self.terminal is not None:
            os.close(self.terminal)
        self.terminal = None

    def wait_log(self, text):
        until(lambda: text in self.text, f"the terminal shows {text!r}", TIMEOUT)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(TIMEOUT)
        self.close()


def hang_up(session):
    """What the kernel sends to the leader of a session when its terminal is closed."""
    session.process.send_signal(signal.SIGHUP)


def close(session):
    session.close()


@pytest.mark.parametrize("how", [hang_up, close])
def test_the_end_of_the_terminal_is_the_end_of_the_run(lab, how):
    session = Session(lab)
    how(session)
    assert session.process.wait(TIMEOUT) == 0
    assert not answers(session.port)
    session.service.wait_gone("t1", "source")


def test_a_signal_that_is_ignored_at_the_start_stays_ignored(lab):
    session = Session(lab, front=["sh", "-c", IGNORES_SIGHUP, "sh"])
    hang_up(session)
    # The reload shows that the first signal has been passed over.
    session.process.send_signal(signal.SIGUSR2)
    session.wait_log(RECONNECTING)
    assert session.process.poll() is None
    assert session.text.count(RECONNECTING) == 1


def test_sigusr2_reloads_on_a_terminal(lab):
    session = Session(lab)
    session.process.send_signal(signal.SIGUSR2)
    session.wait_log(RECONNECTING)
    until(lambda: session.service.status("t1")["source"]["upgrades"] == 2, "the source is back", TIMEOUT)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2], ids=lambda number: number.name)
def test_without_a_terminal_both_reload(lab, number):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]))
    source.wait_log(READY)
    mark = source.mark()
    source.signal(number)
    source.wait_log(RECONNECTING, since=mark)
    source.wait_log(READY, since=mark)
