"""What AddressSanitizer and UndefinedBehaviorSanitizer report, in a build that has them; tests/run makes one."""

import re

# Reports of these and of LeakSanitizer. A helper's report is in the log of its monitor.
FINDING = re.compile(r"Sanitizer: |runtime error: |LeakSanitizer has encountered")


def findings(lines):
    """The lines that contain a sanitizer report."""
    return [line for line in lines if FINDING.search(line)]
