"""Where the tree, the build and its programs are; makes tests/cloud/service_client.py importable."""

import atexit
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("LOCALPROXY_BUILD_DIR", ROOT / "build")).resolve()


def _programs_in(directory):
    return sorted(path for path in directory.iterdir() if path.is_file() and os.access(path, os.X_OK))


def _readable_by_all(directory):
    """The directory of the programs, or a copy when root's tests start them as users who cannot reach it."""
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in (directory, *directory.parents)):
        return directory
    copy = pathlib.Path(tempfile.mkdtemp(prefix="localproxy-programs-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for program in _programs_in(directory):
        shutil.copy(program, copy)
    return copy


LOCALPROXY = _readable_by_all(BUILD / "src/main") / "localproxy"
TUNNEL_SERVICE = BUILD / "tests/cloud/tunnel-service"

sys.path.insert(0, str(ROOT / "tests/cloud"))


def programs():
    """localproxy and its helpers."""
    return _programs_in(LOCALPROXY.parent)


def is_sanitized():
    """Whether the programs are built with AddressSanitizer."""
    return "#define LOCALPROXY_SANITIZER_BUILD 1\n" in (BUILD / "build_config.h").read_text(encoding="utf-8")
