#!/usr/bin/python3
"""Runs one pytest file as one meson test.

run_pytest.py SUITE FILE [OPTION...]: the options are pytest's. The cases go to $LOCALPROXY_JUNIT_DIR/SUITE-NAME.xml, when
that is set.
"""

import os
import pathlib
import signal
import sys

import pytest


def main():
    suite, file = sys.argv[1], pathlib.Path(sys.argv[2])
    # Whoever ran the tests with nohup has it ignored, and so would the proxies.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Write nothing into the tree.
    sys.dont_write_bytecode = True
    arguments = [str(file), "--rootdir", str(file.parent), "-p", "no:cacheprovider", "-ra", "--tb=short",
                 "--durations=5", *sys.argv[3:]]
    if directory := os.environ.get("LOCALPROXY_JUNIT_DIR"):
        name = file.stem.removeprefix("test_")
        arguments += [f"--junit-xml={directory}/{suite}-{name}.xml"]
    return pytest.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
