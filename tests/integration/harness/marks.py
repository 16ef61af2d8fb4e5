"""Marks for tests that cannot run everywhere; pytest prints the reasons."""

import pytest

from .paths import is_sanitized


def not_with_sanitizers(reason):
    return pytest.mark.skipif(is_sanitized(), reason=f"build with sanitizers: {reason}")
