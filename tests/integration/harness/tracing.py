"""How a proxy is started when its system calls are to be recorded: tests/sandbox/record-calls sets the variable."""

import os
import pathlib
import uuid

STRACE = "/usr/bin/strace"
# Names the folder that gets a file a proxy; every user that a proxy runs as must be able to write there.
VARIABLE = "LOCALPROXY_TRACE_DIR"


def command(program, user=None):
    """What starts a program; user: whose it shall be, when it is traced.

    strace is a grandchild in a session of its own: the proxy remains the caller's child, with the process id that it
    would have. Arguments are numbers, as a filter sees them, but for those that tell which program is executed.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return [str(program)]
    return [STRACE, "-DDD", "-f", "-qq", "-e", "signal=none", "-X", "raw", "-e",
            "raw=!execve,execveat",
            *(["-u", user] if user else []), "-o", str(pathlib.Path(folder) / uuid.uuid4().hex), "--", str(program)]


def is_on():
    return VARIABLE in os.environ


def is_written(folder):
    """Some strace still writes there: it outlives what it traced by a moment."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if text.startswith(STRACE.encode()) and str(folder).encode() in text:
            return True
    return False
