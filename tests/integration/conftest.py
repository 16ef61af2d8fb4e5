"""Integration tests: real programs through a real tunnel, on loopback."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.fixtures import lab, namespace, public_directory, sshd, stream_server, web  # noqa: E402,F401
