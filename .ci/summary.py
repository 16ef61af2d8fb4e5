#!/usr/bin/python3
"""Counts the test cases in the result files of `meson test` and pytest, and prints "N passed, N failed".

A test program that reports its cases counts with each of them: gtest through meson's testlog.junit.xml, pytest through
the junit file of the same name in --cases. Any other test is one case. A program that failed without saying which
case did (it crashed, or took too long) adds one failure. Skipped cases are neither passed nor failed; they are
listed with their reasons. The exit status is 0 when something passed and nothing failed.

Next to the counts of a suite stands the sum of the times of its tests, several of which may have run at once. --steps
adds the elapsed time of each step of the run.
"""

import argparse
import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

# The results that meson gives to a test that went well.
GOOD = ("OK", "EXPECTEDFAIL")
SKIPPED = "SKIP"

Case = collections.namedtuple("Case", "suite name outcome reason")


def cases_of(suite, element):
    """The cases below an element of a junit file."""
    for case in element.iter("testcase"):
        name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield Case(suite, name, "failed", "")
        elif skipped is not None or case.get("status") == "notrun":
            reason = (skipped.get("message") or skipped.text or "") if skipped is not None else "disabled"
            yield Case(suite, name, "skipped", " ".join(reason.split()))
        else:
            yield Case(suite, name, "passed", "")


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def gtest_cases(suite, test_name, junit):
    """The cases of one gtest program: meson puts a test's name in front of those of its gtest suites."""
    prefix = f"{test_name.split(':')[0]}.{test_name}."
    for element in junit.iter("testsuite"):
        if element.get("name", "").startswith(prefix):
            yield from cases_of(suite, element)


def read_meson(directory, junit_directory, label, seconds):
    """All cases of one `meson test`; adds the time of their tests to `seconds`, by suite."""
    log = directory / "testlog.json"
    if not log.exists():
        return [Case(label or "tests", "meson test left no log", "failed", "")]
    junit_file = directory / "testlog.junit.xml"
    junit = xml.parse(junit_file).getroot() if junit_file.exists() else xml.Element("testsuites")
    found = []
    for line in log.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        # "PROJECT:SUITE / NAME"
        group, _, name = test["name"].rpartition(" / ")
        suite = label or group.rpartition(":")[2] or "tests"
        seconds[suite] += test["duration"]
        pytest_file = junit_directory / f"{suite}-{name}.xml"
        if pytest_file.exists():
            cases = list(cases_of(suite, xml.parse(pytest_file).getroot()))
        else:
            cases = list(gtest_cases(suite, test["name"], junit))
        if test["result"] in GOOD and not cases:
            cases = [Case(suite, name, "passed", "")]
        elif test["result"] == SKIPPED and not cases:
            cases = [Case(suite, name, "skipped", last_line(test.get("stdout", "") + test.get("stderr", "")))]
        elif test["result"] not in (*GOOD, SKIPPED) and all(case.outcome != "failed" for case in cases):
            cases.append(Case(suite, f"{name}: {test['result']}", "failed", ""))
        found += cases
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, help="with testlog.json and testlog.junit.xml")
    parser.add_argument("--cases", type=pathlib.Path, required=True, help="the directory of pytest's junit files")
    parser.add_argument("--also", action="append", default=[], metavar="LABEL=DIRECTORY")
    parser.add_argument("--steps", type=pathlib.Path, help="a file with a line for each: SECONDS NAME")
    parser.add_argument("--passed", action="append", default=[], metavar="NAME", help="one more case")
    parser.add_argument("--failed", action="append", default=[], metavar="NAME", help="one more case")
    arguments = parser.parse_args()

    seconds = collections.Counter()
    cases = read_meson(arguments.directory, arguments.cases, None, seconds)
    for also in arguments.also:
        label, _, directory = also.partition("=")
        cases += read_meson(pathlib.Path(directory), arguments.cases, label, seconds)
    cases += [Case("build", name, "passed", "") for name in arguments.passed]
    cases += [Case("build", name, "failed", "") for name in arguments.failed]
    return report(cases, seconds, read_steps(arguments.steps) if arguments.steps else [])


def read_steps(path):
    """(name, seconds) of each step."""
    steps = [line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(name, int(number)) for number, name in steps]


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def report(cases, seconds, steps):
    counts = collections.Counter((case.suite, case.outcome) for case in cases)
    for suite in dict.fromkeys(case.suite for case in cases):
        print(f"{suite:12} {counts[suite, 'passed']:5} passed {counts[suite, 'failed']:5} failed"
              f" {counts[suite, 'skipped']:5} skipped   {clock(seconds[suite]):>6} min")
    for case in cases:
        if case.outcome == "skipped":
            print(f"skipped: {case.suite}: {case.name}: {case.reason}")
    for case in cases:
        if case.outcome == "failed":
            print(f"FAILED: {case.suite}: {case.name}")
    for name, number in [*steps, ("all of it", sum(number for _, number in steps))] if steps else []:
        print(f"time: {clock(number):>6} min  {name}")
    passed = sum(case.outcome == "passed" for case in cases)
    failed = sum(case.outcome == "failed" for case in cases)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
