"""Runs the acceptance in one environment."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LINE = re.compile(r"^(ok|not ok|skip) ([\w-]+)(?:: (.*))?$")
OUTCOMES = {"ok": "passed", "not ok": "failed", "skip": "skipped"}
SECONDS = 300
# A userland builds twice.
COMMAND_SECONDS = 3000
# The caller's variables that a step may see.
PASSED_ON = ("PATH", "HOME", "LOCALPROXY_MATRIX_CACHE", "LOCALPROXY_MATRIX_MIRROR")
LAST_LINES = 40


@dataclasses.dataclass
class Cell:
    outcome: str
    reason: str = ""


def why_impossible(environment):
    """What this machine lacks for it; empty: nothing."""
    if environment.needs in ("root", "yama") and os.geteuid() != 0:
        return "needs root"
    if environment.needs == "guest" and not (HERE / "guest").exists():
        return "there is no tests/matrix/guest"
    if environment.needs == "yama" and not pathlib.Path("/proc/sys/kernel/yama").exists():
        return "this kernel has no Yama"
    return ""


def script(environment):
    """A shell script that makes the environment and executes the acceptance in it."""
    lines = ["set -e", "ip link set lo up", *environment.before]
    return "\n".join([*lines, f'exec {environment.run_as} "$TOOLS/acceptance"'])


def command(environment):
    # No process outlives its cell, however that ends.
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
             "--kill-child", "--mount-proc"]
    if environment.command:
        return [*alone, *map(str, environment.command)]
    return [*alone, "--net", "/bin/sh", "-c", script(environment)]


def variables(environment, programs, work):
    """The variables of the acceptance."""
    told = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    told.update({"TOOLS": str(programs), "WORK": str(work), "TMPDIR": str(work), "MATRIX_PROGRAMS": str(programs),
                 "MATRIX_TOOLS": str(programs), "MATRIX_LOGS": str(work / "logs"), **environment.variables})
    told["MATRIX_WITHIN"] = environment.within.replace("$TOOLS", str(programs))
    return told


def parse(environment, output, status):
    """The result of each step. A step without a line has failed."""
    found = {}
    for line in output.splitlines():
        if match := LINE.match(line):
            found[match[2]] = Cell(OUTCOMES[match[1]], match[3] or "")
    others = [line for line in output.splitlines() if not LINE.match(line)]
    last = others[-1] if others else f"the acceptance ended with status {status}"
    missing = Cell("failed", f"was not reached: {last}")
    return {step: found.get(step, missing) for step in environment.steps}


def run(environment, programs):
    """The cells of one environment, by step, and the logs when something failed."""
    if reason := why_impossible(environment):
        return {step: Cell("skipped", reason) for step in environment.steps}, ""
    limit = COMMAND_SECONDS if environment.command else SECONDS
    work = pathlib.Path(tempfile.mkdtemp(prefix="localproxy-cell."))
    work.chmod(0o1777)
    try:
        with subprocess.Popen(command(environment), env=variables(environment, programs, work),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", start_new_session=True) as process:
            try:
                output, _ = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                output = process.communicate()[0] + f"\nnot done within {limit} s\n"
        logs = work / "logs"
        text = logs.read_text(encoding="utf-8", errors="replace") if logs.exists() else ""
        return parse(environment, output, process.returncode), "\n".join(text.splitlines()[-LAST_LINES:])
    finally:
        shutil.rmtree(work, ignore_errors=True)
