"""Writes an initramfs (cpio "newc") from a directory and some files, all owned by root."""

import os
import pathlib
import stat

HERE = pathlib.Path(__file__).resolve().parent
# Parts of the packages that no script reads at run time. They would need memory twice.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/include", "usr/share/lintian",
            "usr/share/bash-completion", "usr/lib/udev", "usr/share/i18n", "boot")
LEFT_OUT_ANYWHERE = ("perl", "perl5", "perl-base", "gconv", "__pycache__")
USERS = """\
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
_localproxy:x:998:998::/nonexistent:/usr/sbin/nologin
user:x:1000:1000::/srv:/bin/sh
"""
GROUPS = "root:x:0:\nnogroup:x:65534:\n_localproxy:x:998:\nuser:x:1000:\n"


class Writer:
    """Writes entries one after the other, with their parents where these are missing."""

    def __init__(self, file):
        self._file = file
        self._seen = set()
        self._number = 0

    def _entry(self, name, mode, content):
        self._number += 1
        encoded = name.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._file.write(head + b"\0" * (-len(head) % 4))
        self._file.write(content + b"\0" * (-len(content) % 4))

    def directory(self, name, mode=0o755):
        if name in self._seen or not name:
            return
        self.directory(name.rpartition("/")[0])
        self._seen.add(name)
        self._entry(name, stat.S_IFDIR | mode, b"")

    def file(self, name, content, mode=0o644):
        self.directory(name.rpartition("/")[0])
        self._entry(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self.directory(name.rpartition("/")[0])
        self._seen.add(name)
        self._entry(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def end(self):
        self._entry("TRAILER!!!", 0, b"")

    def path(self, source, name):
        """Adds a file, a link, or a directory with its content, as `name`."""
        info = source.lstat()
        if stat.S_ISLNK(info.st_mode):
            self.link(name, os.readlink(source))
        elif stat.S_ISREG(info.st_mode):
            self.file(name, source.read_bytes(), stat.S_IMODE(info.st_mode))
        elif stat.S_ISDIR(info.st_mode):
            if name:
                self.directory(name, stat.S_IMODE(info.st_mode))
            for inner in sorted(source.iterdir()):
                below = f"{name}/{inner.name}".lstrip("/")
                wanted = below not in LEFT_OUT and inner.name not in LEFT_OUT_ANYWHERE
                if wanted and not below.endswith((".a", ".p")):
                    self.path(inner, below)


def write(image, root, files, script, words):
    """An initramfs of the directory `root`, with `files` ("FROM" or "FROM=TO") and a script to run with `words`."""
    with image.open("wb") as file:
        writer = Writer(file)
        writer.path(root, "")
        for name in ("proc", "sys", "dev", "run", "root", "opt", "mnt", "srv"):
            writer.directory(name)
        writer.directory("tmp", 0o1777)
        writer.directory("var/tmp", 0o1777)
        writer.file("etc/passwd", USERS.encode())
        writer.file("etc/group", GROUPS.encode())
        writer.file("etc/shadow", b"root:*:19000::::::\n", 0o600)
        writer.file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
        writer.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
        for pair in files:
            source, _, target = pair.partition("=")
            path = pathlib.Path(source).resolve()
            writer.path(path, (target or str(path)).strip("/"))
        writer.file("guest/script", script.read_bytes(), 0o755)
        writer.file("guest/words", b"".join(word.encode() + b"\0" for word in words))
        writer.file("busybox", (root / "usr/bin/busybox").read_bytes(), 0o755)
        writer.file("init", (HERE / "guest-init").read_bytes(), 0o755)
        writer.end()
