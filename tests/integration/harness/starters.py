"""Ways of starting a program: what goes in front of its command line. Each ends by becoming the program, whose process
id is then that of what was started."""

import pathlib
import sys

# By its text: another user may not be able to read the tree.
_WITHOUT = [sys.executable, "-B", "-S", "-c",
            pathlib.Path(__file__).with_name("without_namespaces.py").read_text(encoding="utf-8")]


class Starter:
    """As Proxy(inside=...) wants it."""

    def __init__(self, *command):
        self.command = list(command)


def shell(text):
    """A line of sh that ends with `exec "$@"` and more."""
    return Starter("/bin/sh", "-c", text, "sh")


def no_namespaces_by_limit():
    """In a user namespace with all ids of the system in which no further one can be made. Needs root."""
    return Starter(*_WITHOUT, "limit")


def no_namespaces_by_filter():
    """Under a system call filter that refuses them, as RestrictNamespaces= of systemd does."""
    return Starter(*_WITHOUT, "filter")
