"""Packages of a Debian suite and architecture, independent of the machine's own package management: nothing is
installed, no package script runs, and root is not needed."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Directories that Debian's base-files replaces with links; packages of Debian 12 still have files in them.
MERGED = ("bin", "sbin", "lib", "lib64")


class Failed(Exception):
    """A package could not be fetched."""


def cache():
    named = os.environ.get("LOCALPROXY_MATRIX_CACHE")
    return pathlib.Path(named) if named else pathlib.Path.home() / ".cache/localproxy-matrix"


def call(command, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command[:4]))} ... failed:\n{done.stdout[-2000:]}")
    return done.stdout


def unpack(package, where):
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as source:
        call(["tar", "-C", where, "--keep-directory-symlink", "--no-same-owner", "-xf", "-"], stdin=source.stdout)
    if source.returncode:
        raise Failed(f"{package} is no package")


class Archive:
    """One suite for one architecture, in its own directory of the cache."""

    def __init__(self, suite, arch):
        self._home = cache() / f"{suite}-{arch}"
        self._suite = suite
        self._arch = arch
        self._home.mkdir(parents=True, exist_ok=True)

    def _apt(self, *words, program="apt-get"):
        return call([program, *words], env={**os.environ, "APT_CONFIG": str(self._home / "apt.conf"), "LC_ALL": "C"})

    def _update(self):
        """Fetches the package lists, once per cache."""
        configuration = self._home / "apt.conf"
        if configuration.exists():
            return
        mirror = os.environ.get("LOCALPROXY_MATRIX_MIRROR", "http://deb.debian.org/debian")
        for part in ("state/lists/partial", "cache/archives/partial", "etc"):
            (self._home / part).mkdir(parents=True, exist_ok=True)
        (self._home / "state/status").touch()
        (self._home / "etc/sources.list").write_text(
            f"deb [signed-by={KEYRING}] {mirror} {self._suite} main\n", encoding="utf-8")
        pending = self._home / "apt.conf.new"
        pending.write_text(
            f'Dir::State "{self._home}/state";\nDir::State::status "{self._home}/state/status";\n'
            f'Dir::Cache "{self._home}/cache";\nDir::Etc::sourcelist "{self._home}/etc/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\nDir::Etc::preferencesparts "/dev/null";\n'
            f'APT::Architecture "{self._arch}";\nAPT::Architectures {{ "{self._arch}"; }};\n'
            'APT::Install-Recommends "false";\nAPT::Sandbox::User "";\nDebug::NoLocking "true";\n'
            # The lists of a frozen mirror have expired; they are still signed.
            'Acquire::Languages "none";\nAcquire::Check-Valid-Until "false";\n', encoding="utf-8")
        call(["apt-get", "-q", "update"], env={**os.environ, "APT_CONFIG": str(pending), "LC_ALL": "C"})
        pending.rename(configuration)

    def _locked(self):
        lock = open(self._home / "lock", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._update()
        return lock

    def _download(self, names):
        """Downloads the packages and all their dependencies; returns the files."""
        wanted = [str(pathlib.Path(name).resolve()) if name.endswith(".deb") else name for name in names]
        self._apt("-q", "-y", "--download-only", "install", *wanted)
        listed = self._apt("-q", "-y", "--print-uris", "--reinstall", "--simulate", "install", *wanted)
        archives = self._home / "cache/archives"
        files = []
        for line in listed.splitlines():
            words = line.split()
            if words[:1] == ["Inst"]:
                files.append(self._file(archives, words[1], words[2].strip("([")))
        return files + [pathlib.Path(name) for name in wanted if name.endswith(".deb")]

    def _file(self, archives, name, version):
        name = name.partition(":")[0]
        found = list(archives.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
        return found[0] if found else None

    def root(self, names):
        """A directory with the unpacked packages, made once for each set of packages."""
        with self._locked():
            files = [file for file in self._download(names) if file]
            key = hashlib.sha256("\n".join(f"{file.name} {file.stat().st_size}" for file in files).encode())
            for file in files:
                if not file.is_relative_to(self._home):
                    key.update(file.read_bytes())
            where = self._home / "roots" / key.hexdigest()[:16]
            if where.exists():
                return where
            pending = where.with_suffix(".new")
            shutil.rmtree(pending, ignore_errors=True)
            for name in MERGED:
                (pending / "usr" / name).mkdir(parents=True)
                (pending / name).symlink_to(f"usr/{name}")
            for file in files:
                unpack(file, pending)
            pending.rename(where)
            return where

    def kernel(self, package):
        """The image of a kernel, from its package or from the one that a metapackage depends on."""
        with self._locked():
            if package.endswith(".deb"):
                file = pathlib.Path(package)
            else:
                file = self._kernel_file(package)
            where = self._home / "kernels" / file.stem
            if not where.exists():
                pending = where.with_suffix(".new")
                shutil.rmtree(pending, ignore_errors=True)
                pending.mkdir(parents=True)
                unpack(file, pending)
                pending.rename(where)
            found = sorted((where / "boot").glob("vmlinu*-*"))
            if not found:
                raise Failed(f"{file} has no kernel")
            return found[0]

    def _kernel_file(self, package):
        depends = self._apt("depends", package, program="apt-cache")
        real = [line.split()[1] for line in depends.splitlines()
                if line.strip().startswith("Depends: linux-image-") and "<" not in line]
        name = real[0].partition(":")[0] if real else package
        known = list((self._home / "cache/archives").glob(f"{name}_*.deb"))
        if not known:
            call(["apt-get", "-q", "download", name], cwd=self._home / "cache/archives",
                 env={**os.environ, "APT_CONFIG": str(self._home / "apt.conf"), "LC_ALL": "C"})
            known = list((self._home / "cache/archives").glob(f"{name}_*.deb"))
        return known[0]
