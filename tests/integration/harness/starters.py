"""Ways of starting a program: prefixes for its command line. Each ends by executing the program, which keeps the
process id of what was started."""

import pathlib
import sys

# CLONE_NEWUSER.
NEW_USER = 0x10000000


def program(name):
    """The command for a program of the harness, for users who cannot read the tree."""
    text = pathlib.Path(__file__).with_name(name).read_text(encoding="utf-8")
    return sys.executable, "-B", "-S", "-c", text


class Starter:
    """For Proxy(inside=...)."""

    def __init__(self, *command):
        self.command = list(command)


def shell(text):
    """A line of sh that ends with `exec "$@"` and more."""
    return Starter("/bin/sh", "-c", text, "sh")


def without_calls(*rules):
    """Under a system call filter that refuses some calls, as a container's does; rules: as for refused_calls.py."""
    return Starter(*program("refused_calls.py"), *rules, "--")


def no_namespaces_by_limit():
    """In a user namespace that has all ids of the system and in which no further one can be made. Needs root."""
    return Starter(*program("without_namespaces.py"))


def no_namespaces_by_filter():
    """As RestrictNamespaces= of systemd does it."""
    return without_calls(*(f"{call}:{NEW_USER:#x}/{NEW_USER:#x}=EPERM" for call in ("unshare", "clone")))
