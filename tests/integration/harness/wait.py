"""The only place where a test lets time pass: it polls until a condition holds."""

import time

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.05


def until(condition, what, timeout=20.0):
    """Calls condition() until its result is true, and returns that; AssertionError after timeout seconds."""
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
