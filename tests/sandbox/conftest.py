"""Sandbox tests: what each process of a running tunnel may still do, according to the kernel."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from harness.fixtures import lab, namespace, stream_server  # noqa: E402,F401
