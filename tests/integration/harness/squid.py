"""A squid of a test's own on loopback: its own configuration, no cache, nothing of the system's."""

import os
import pathlib
import pwd
import shutil
import subprocess

from .ports import answers, free_port
from .wait import until

SQUID = "/usr/sbin/squid"
PASSWORD_CHECKER = "/usr/lib/squid/basic_ncsa_auth"
SHARED_MEMORY = pathlib.Path("/dev/shm")
# Whom squid becomes when root starts it.
SQUID_USER = "proxy"

CONFIG = """\
visible_hostname localhost
{listen}
pid_filename none
cache deny all
access_log stdio:{directory}/access.log
cache_log {directory}/cache.log
cache_store_log none
coredump_dir {directory}
icon_directory {directory}
netdb_filename none
pinger_enable off
dns_nameservers 127.0.0.1
hosts_file {directory}/hosts
shutdown_lifetime 0 seconds
workers 1
{access}
http_access deny all
"""
ANYBODY = "http_access {verb} localhost"
WITH_PASSWORD = """\
auth_param basic program {checker} {directory}/passwords
auth_param basic children 1
auth_param basic realm test
acl known proxy_auth REQUIRED
http_access allow known"""


def why_impossible():
    """Why there can be no squid with TLS here, or "" when there can."""
    if not os.path.exists(SQUID):
        return "squid-openssl is not installed"
    features = subprocess.run([SQUID, "-v"], capture_output=True, text=True, check=True).stdout
    return "" if "--with-openssl" in features else "the squid here cannot do TLS: squid-openssl is another package"


def password_line(user, password):
    """A line of the file that basic_ncsa_auth reads; the password does not pass a command line."""
    hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True,
                            check=True).stdout.strip()
    return f"{user}:{hashed}\n"


class Squid:
    """A running squid at 127.0.0.1:port.

    credentials: (user, password), without which nobody gets through. tls: the folder of a certificate and its
    key, certificate.pem and key.pem. allow: False refuses everybody with 403.
    """

    def __init__(self, directory, credentials=None, tls=None, allow=True):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.port = free_port()
        # With the default one, squids share their memory.
        self._name = f"test{self.port}"
        self._process = None
        if tls is None:
            listen = f"http_port 127.0.0.1:{self.port}"
        else:
            for name in ("certificate.pem", "key.pem"):
                shutil.copy(tls / name, self.directory / name)
            listen = (f"https_port 127.0.0.1:{self.port} tls-cert={directory}/certificate.pem "
                      f"tls-key={directory}/key.pem")
        access = ANYBODY.format(verb="allow" if allow else "deny")
        if credentials:
            (self.directory / "passwords").write_text(password_line(*credentials), encoding="utf-8")
            access = WITH_PASSWORD.format(checker=PASSWORD_CHECKER, directory=directory)
        # Where ::1 is a localhost too, squid knows that one alone.
        (self.directory / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
        self._config = self.directory / "squid.conf"
        self._config.write_text(CONFIG.format(listen=listen, access=access, directory=directory), encoding="utf-8")
        if os.getuid() == 0:
            owner = pwd.getpwnam(SQUID_USER)
            for path in (self.directory, *self.directory.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.start()

    def start(self):
        output = (self.directory / "output.log").open("ab")
        with output:
            self._process = subprocess.Popen([SQUID, "-N", "-f", str(self._config), "-n", self._name],
                                             stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            until(lambda: answers(self.port) or self._process.poll() is not None, "squid answers")
            assert self._process.poll() is None, f"squid ended at once:\n{self.log()}"
        except BaseException:
            self.stop()
            raise

    def log(self):
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in
                         sorted(self.directory.glob("*.log")))

    def requests(self):
        """Lines of the access log; squid writes one when a tunnel through it has ended."""
        path = self.directory / "access.log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def stop(self):
        """At once, and with all connections: what a crash or a power cut looks like to its users."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        self._process = None
        # What it would have removed itself, had it been asked.
        for segment in SHARED_MEMORY.glob(f"{self._name}-*.shm"):
            segment.unlink()
