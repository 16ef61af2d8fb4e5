"""Where the tree, the build and its programs are; makes tests/service/service_client.py importable."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("LOCALPROXY_BUILD_DIR", ROOT / "build")).resolve()
LOCALPROXY = BUILD / "src/main/localproxy"
TUNNEL_SERVICE = BUILD / "tests/service/tunnel-service"

sys.path.insert(0, str(ROOT / "tests/service"))


def programs():
    """localproxy and its helpers."""
    return sorted(path for path in LOCALPROXY.parent.iterdir() if path.is_file() and os.access(path, os.X_OK))


def is_sanitized():
    """Whether the programs are built with AddressSanitizer."""
    return "#define LOCALPROXY_SANITIZER_BUILD 1\n" in (BUILD / "build_config.h").read_text(encoding="utf-8")
