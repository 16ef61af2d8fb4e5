"""Marks for tests that cannot hold everywhere; pytest prints their reasons."""

import pytest

from .paths import is_sanitized


def not_with_sanitizers(reason):
    return pytest.mark.skipif(is_sanitized(), reason=f"build with sanitizers: {reason}")
