#!/usr/bin/python3
"""Checks packaging/ without building a package.

check.py units PROGRAM    systemd accepts the units; PROGRAM stands for the installed localproxy
check.py security         "systemd-analyze security" counts against the units what their comments explain, and no more
check.py user             the units, sysusers.d and the program use the same name, and systemd would create it
check.py version          the Debian changelog has the version of the tree
check.py apparmor PROGRAM...  the AppArmor profile is for these programs, the parser accepts it, and, where the kernel
                          keeps user namespaces from programs without a profile, it lets net and bridge have them
"""

import json
import os
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
# Only later versions of systemd know these; an older one says so and goes on.
LATER = ("RestartSteps", "RestartMaxDelaySec")
# What "systemd-analyze security" counts against the units: the comments there have a reason for each.
COUNTED = {
    "DeviceAllow=", "IPAddressDeny=", "PrivateNetwork=", "RootDirectory=/RootImage=", "SupplementaryGroups=",
    "RestrictAddressFamilies=~AF_(INET|INET6)", "RestrictAddressFamilies=~AF_NETLINK", "RestrictAddressFamilies=~AF_UNIX",
    "RestrictNamespaces=~ipc", "RestrictNamespaces=~mnt", "RestrictNamespaces=~net", "RestrictNamespaces=~user",
    "RestrictNamespaces=~uts", "SystemCallFilter=~@mount", "SystemCallFilter=~@privileged",
}
# Tenths, as it prints them.
MOST_EXPOSED = 2.0


def user():
    return re.search(r"option\('user', type: 'string', value: '([^']+)'",
                     (tree.ROOT / "meson_options.txt").read_text(encoding="utf-8"))[1]


def template(path):
    """What meson makes of a template, with prefix /usr."""
    text = (PACKAGING / f"{path}.in").read_text(encoding="utf-8")
    return text.replace("@bindir@", "/usr/bin").replace("@user@", user())


def unit(mode):
    return template(f"systemd/localproxy-{mode}@.service")


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
    lines = [f"{mode}: {line}" for line in done.stdout.splitlines()
             if not any(f"Unknown key '{key}'" in line or f"Unknown key name '{key}'" in line for key in LATER)]
    return lines or ([f"{mode}: systemd-analyze ended with {done.returncode}"] if done.returncode else [])


def check_units(program):
    problems = [line for mode in MODES for line in verify(mode, program)]
    if unit("source") != unit("destination").replace("destination", "source"):
        problems.append("the two units differ in more than the mode")
    return problems


def check_security():
    analyze = need("systemd-analyze")
    problems = []
    for mode in MODES:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, f"localproxy-{mode}@.service")
            path.write_text(unit(mode), encoding="utf-8")
            table, said = (subprocess.run([analyze, "security", "--offline=true", "--no-pager", "--threshold=100",
                                           *option, path], check=False, stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                           for option in (["--json=short"], []))
        if "unrecognized option" in table.stderr:
            tree.skip("this systemd-analyze cannot look at files")
        counted = {line["name"] for line in json.loads(table.stdout) if line["set"] is False and line["exposure"]}
        if counted - COUNTED:
            problems.append(f"{mode}: counted, and not explained in the unit: {sorted(counted - COUNTED)}")
        found = re.search(r"Overall exposure level for .*: ([0-9.]+)", said.stdout)
        if not found or float(found[1]) > MOST_EXPOSED:
            problems.append(f"{mode}: {found[0] if found else said.stderr}, and {MOST_EXPOSED} is the most")
    return problems


def check_user():
    problems = [f"the {mode} does not have the group {user()}" for mode in MODES
                if f"\nSupplementaryGroups={user()}\n" not in unit(mode)]
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run([need("systemd-sysusers"), "--dry-run", f"--root={root}", "-"], check=False,
                              input=template("sysusers.d/localproxy.conf"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or f"Creating user '{user()}'" not in done.stdout:
        problems.append(f"systemd-sysusers would not create {user()}: {done.returncode}, {done.stdout}")
    return problems


def check_version():
    version = re.search(r"^  version: '([^']+)'", (tree.ROOT / "meson.build").read_text(encoding="utf-8"), re.M)[1]
    first = tree.first_line(PACKAGING / "debian" / "changelog")
    return [] if first.startswith(f"localproxy ({version})") else [f"meson.build has {version}, the changelog {first}"]


def attached(profile):
    """The programs that the profile is for: its pattern, with the braces expanded."""
    found, paths = [], [re.search(r"^profile localproxy (\S+) ", profile, re.M)[1]]
    while paths:
        path = paths.pop()
        if inner := re.search(r"\{([^{}]*)\}", path):
            paths += [path[:inner.start()] + word + path[inner.end():] for word in inner[1].split(",")]
        else:
            found.append(path)
    return set(found)


def parse(profile, *options):
    """Passes a profile to AppArmor's parser; returns its complaints."""
    done = subprocess.run([need("apparmor_parser"), *options], input=profile, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [f"apparmor_parser: {done.stdout}"] if done.returncode else []


def check_enforced(profile, programs):
    """Loads the profile for the programs of the build directory, and looks at the namespaces that they get."""
    setting = pathlib.Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if not setting.exists() or setting.read_text(encoding="ascii").strip() != "1":
        print("not enforced: this kernel gives user namespaces to programs without a profile")
        return []
    if os.geteuid() != 0:
        print("not enforced: only root loads a profile")
        return []
    paths = ",".join(str(pathlib.Path(program).resolve()) for program in programs)
    profile = re.sub(r"^profile localproxy \S+ ", f"profile localproxy-check {{{paths}}} ", profile, flags=re.M)
    if problems := parse(profile, "--replace", "--skip-cache"):
        return problems
    try:
        report = subprocess.run([programs[0], "--sandbox-report"], check=False, stdout=subprocess.PIPE, text=True).stdout
    finally:
        parse(profile, "--remove")
    row = re.search(r"^namespaces +(.*)$", report, re.M)
    return [] if row and row[1].split().count("own") == 2 else [f"net and bridge got no namespaces:\n{report}"]


def check_apparmor(*programs):
    profile = (PACKAGING / "apparmor" / "localproxy").read_text(encoding="utf-8")
    names = [pathlib.Path(program).name for program in programs]
    installed = {INSTALLED} | {f"/usr/libexec/localproxy/{name}" for name in names if name != "localproxy"}
    if attached(profile) != installed:
        return [f"the profile is for {sorted(attached(profile))}, and not for {sorted(installed)}"]
    need("apparmor_parser")
    if not pathlib.Path("/etc/apparmor.d/abi/4.0").exists():
        tree.skip("this AppArmor is older than 4 and does not know userns")
    return parse(profile, "--skip-kernel-load", "--skip-read-cache", "--skip-cache") or check_enforced(profile, programs)


def main():
    what, *arguments = sys.argv[1:]
    check = {"units": check_units, "security": check_security, "user": check_user, "version": check_version,
             "apparmor": check_apparmor}[what]
    tree.finish(check(*arguments), 1)


if __name__ == "__main__":
    main()
