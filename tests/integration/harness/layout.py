"""A file system layout for one test: the test writes its own /etc, /run and so on, in a mount namespace and in the
network of a Namespace."""

import pathlib
import shutil
import subprocess

# What programs look for in /etc.
_FROM_ETC = ("passwd", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")
_TOPS = ("etc", "run", "mnt", "opt", "srv")


class Layout:
    """For Proxy(inside=...). directory: one that every user can enter; net: a Namespace."""

    def __init__(self, directory, net):
        self._directory = directory
        self._net = net
        for top in _TOPS:
            self.path(f"/{top}").mkdir(mode=0o755)
        for name in _FROM_ETC:
            source = pathlib.Path("/etc") / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.path(f"/etc/{name}"))
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        self.write("/etc/hosts", "")

    def path(self, inside):
        """The path outside for a path inside, without following links."""
        return self._directory / inside.removeprefix("/")

    def write(self, inside, text, mode=0o644):
        """Replaces a file by renaming a new one over it, as programs that renew files do."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(text, encoding="ascii")
        new.chmod(mode)
        new.rename(path)

    def link(self, inside, target):
        """Replaces whatever is there with a link."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.symlink_to(target)
        new.rename(path)

    def run(self, *command):
        subprocess.run([*self.command, *map(str, command)], check=True)

    @property
    def command(self):
        mounts = "".join(f"mount --bind {self.path('/' + top)} /{top} && " for top in _TOPS)
        return ["nsenter", f"--net=/run/netns/{self._net.name}", "unshare", "--mount", "--propagation=private",
                "/bin/sh", "-c", mounts + 'exec "$@"', "sh"]
