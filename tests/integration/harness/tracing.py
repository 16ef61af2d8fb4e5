"""How to start a proxy under strace: tests/sandbox/record-calls sets the variable."""

import os
import pathlib
import uuid

STRACE = "/usr/bin/strace"
# Names the directory that gets one file per proxy; every user that a proxy runs as must be able to write to it.
VARIABLE = "LOCALPROXY_TRACE_DIR"


def command(program, user=None):
    """The command that starts a program; user: who runs it, when it is traced.

    strace is a grandchild in a session of its own: the proxy remains the caller's child, with the process id that it
    would have. Arguments are numbers, as a filter sees them, except those that tell which program is executed.
    """
    directory = os.environ.get(VARIABLE)
    if not directory:
        return [str(program)]
    return [STRACE, "-DDD", "-f", "-qq", "-e", "signal=none", "-X", "raw", "-e",
            "raw=!execve,execveat",
            *(["-u", user] if user else []), "-o", str(pathlib.Path(directory) / uuid.uuid4().hex), "--", str(program)]


def is_on():
    return VARIABLE in os.environ


def is_written(directory):
    """Whether a strace still writes there: it outlives the traced process by a moment."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if text.startswith(STRACE.encode()) and str(directory).encode() in text:
            return True
    return False
