#!/usr/bin/python3
"""Checks packaging/ without building a package.

check.py units PROGRAM    systemd accepts the units; PROGRAM stands for the installed localproxy
check.py user             the units, sysusers.d and the program name the same user, and systemd would create it
check.py version          the Debian changelog has the version of the tree
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lint"))
import tree  # pylint: disable=wrong-import-position

PACKAGING = tree.ROOT / "packaging"
INSTALLED = "/usr/bin/localproxy"
MODES = ("source", "destination")


def unit(mode):
    return (PACKAGING / "systemd" / f"localproxy-{mode}@.service").read_text(encoding="utf-8")


def need(tool):
    """The path of a tool; the check is skipped where it is missing."""
    return shutil.which(tool) or tree.skip(f"{tool} is not installed")


def verify(mode, program):
    """systemd's complaints about an instance of a unit."""
    text = unit(mode)
    if f"\nExecStart={INSTALLED} " not in text:
        return [f"{mode}: ExecStart is not {INSTALLED}"]
    with tempfile.TemporaryDirectory() as directory:
        # The program has to exist, but is not installed here.
        path = pathlib.Path(directory, f"localproxy-{mode}@.service")
        path.write_text(text.replace(INSTALLED, str(pathlib.Path(program).resolve())), encoding="utf-8")
        instance = path.with_name(f"localproxy-{mode}@check.service")
        done = subprocess.run([need("systemd-analyze"), "verify", "--man=no", instance], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # Unknown options produce lines, but no failure.
    lines = [f"{mode}: {line}" for line in done.stdout.splitlines()]
    return lines or ([f"{mode}: systemd-analyze ended with {done.returncode}"] if done.returncode else [])


def check_units(program):
    problems = [line for mode in MODES for line in verify(mode, program)]
    if unit("source") != unit("destination").replace("destination", "source"):
        problems.append("the two units differ in more than the mode")
    return problems


def check_user():
    user = re.search(r"option\('user', type: 'string', value: '([^']+)'",
                     (tree.ROOT / "meson_options.txt").read_text(encoding="utf-8"))[1]
    problems = [f"the {mode} does not run as {user}" for mode in MODES if f"\nUser={user}\n" not in unit(mode)]
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run([need("systemd-sysusers"), "--dry-run", f"--root={root}",
                               PACKAGING / "sysusers.d" / "localproxy.conf"], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or f"Creating user '{user}'" not in done.stdout:
        problems.append(f"systemd-sysusers would not create {user}: {done.returncode}, {done.stdout}")
    return problems


def check_version():
    version = re.search(r"^  version: '([^']+)'", (tree.ROOT / "meson.build").read_text(encoding="utf-8"), re.M)[1]
    first = tree.first_line(PACKAGING / "debian" / "changelog")
    return [] if first.startswith(f"localproxy ({version})") else [f"meson.build has {version}, the changelog {first}"]


def main():
    what, *arguments = sys.argv[1:]
    check = {"units": check_units, "user": check_user, "version": check_version}[what]
    tree.finish(check(*arguments), 1)


if __name__ == "__main__":
    main()
