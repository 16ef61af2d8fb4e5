"""systemd-nspawn with this machine's own /usr: a container without a download. It has the network of the caller."""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile

from . import paths

NSPAWN = "/usr/bin/systemd-nspawn"
# System calls that systemd-nspawn must be told to allow: Debian 12's list predates the first one, Debian 13's has it.
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
MEMORY_LOCKS = "@memlock"
# What programs look for in /etc.
_FROM_ETC = ("passwd", "group", "nsswitch.conf", "hosts", "ld.so.cache")
_LINKS = ("bin", "sbin", "lib", "lib64")
_DIRECTORIES = ("usr", "etc", "tmp", "proc", "sys", "dev", "run", "var", "root")

# Container names are unique in the machine.
_numbers = itertools.count(1)


def why_impossible():
    """Why containers cannot run here; "" when they can."""
    if os.getuid() != 0:
        return "only root may start containers"
    if not os.path.exists(NSPAWN):
        return "systemd-container is not installed"
    try:
        with tempfile.TemporaryDirectory(prefix="localproxy-container-") as name:
            probe = subprocess.run([*Container(pathlib.Path(name)).command, "/bin/true"], stdin=subprocess.DEVNULL,
                                   capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "systemd-nspawn does not come to an end here"
    return "" if probe.returncode == 0 else f"no containers here: {probe.stderr.strip()}"


class Container:
    """directory: files for the programs inside, which see it at the same path. calls: groups of system
    calls that are allowed besides nspawn's own; without LANDLOCK among them, Landlock is refused."""

    def __init__(self, directory, calls=(LANDLOCK, MEMORY_LOCKS)):
        self._directory = directory
        self._calls = calls

    def _root(self):
        """A new root directory, which only this container uses."""
        root = pathlib.Path(tempfile.mkdtemp(prefix="root-", dir=self._directory))
        root.chmod(0o755)
        for name in _DIRECTORIES:
            (root / name).mkdir()
        for name in _LINKS:
            (root / name).symlink_to(f"usr/{name}")
        for name in _FROM_ETC:
            shutil.copy(pathlib.Path("/etc") / name, root / "etc" / name)
        return root

    @property
    def command(self):
        """The prefix of a command line, which becomes the container's first process; SIGTERM is passed on to it."""
        root = self._root()
        return [NSPAWN, "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--kill-signal=SIGTERM",
                f"--directory={root}", f"--machine=lp-{os.getpid()}-{next(_numbers)}",
                "--bind-ro=/usr", f"--bind-ro={self._directory}", f"--bind-ro={paths.LOCALPROXY.parent}",
                "--setenv=AWSIOT_TUNNEL_ACCESS_TOKEN",
                *([] if LANDLOCK in self._calls else [f"--system-call-filter=~{LANDLOCK}"]),
                *([f"--system-call-filter={' '.join(self._calls)}"] if self._calls else [])]
