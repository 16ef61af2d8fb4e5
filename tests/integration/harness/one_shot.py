"""Runs of localproxy that end by themselves: command lines that are refused, printed or only checked."""

import os
import re
import signal
import subprocess

from . import tracing
from .paths import LOCALPROXY
from .proxy import KEPT_VARIABLES
from .sanitizers import findings

TRY_HELP = "Try 'localproxy --help' for a list of options."
# Generous: on an idle machine a start takes a few milliseconds.
TIME_LIMIT = 20


class Outcome:
    """The exit status (negative for a signal), and the output."""

    def __init__(self, arguments, status, out, err, left):
        self.arguments = arguments
        self.status = status
        self.out = out
        self.err = err
        self.left = left  # some of its processes are still running

    def values(self, name):
        """For --check: the values of the lines "NAME: ..."."""
        return re.findall(rf"^{re.escape(name)}: (.*)$", self.out, re.MULTILINE)

    def __str__(self):
        return f"{self.arguments} ended with {self.status}\nout: {self.out}\nerr: {self.err}"


def run(arguments, environment=None, directory="/", stdin=b"", program=LOCALPROXY):
    """Runs it to its end. environment: its only variables, besides what every program needs. program: another copy."""
    variables = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
    variables.update(environment or {})
    # In a new session: a process that it leaves behind is still in its process group.
    with subprocess.Popen([*tracing.command(program), *map(str, arguments)], env=variables, cwd=directory,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as process:
        try:
            out, err = process.communicate(stdin, TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"{arguments} has not ended within {TIME_LIMIT} s") from None
    try:
        os.killpg(process.pid, 0)
        left = True
    except ProcessLookupError:
        left = False
    outcome = Outcome(arguments, process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), left)
    assert not findings(outcome.err.splitlines()), str(outcome)
    return outcome


def check(arguments, environment=None, directory="/", stdin=b""):
    """What --check prints for a valid command line."""
    outcome = run(["--check", *arguments], environment, directory, stdin)
    assert outcome.status == 0, str(outcome)
    assert not outcome.left, str(outcome)
    return outcome
