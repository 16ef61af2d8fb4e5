"""A private squid on loopback: its own configuration, no cache, nothing shared with the system's."""

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
# The user that squid becomes when root starts it.
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
    """Why squid with TLS cannot run here; "" when it can."""
    if not os.path.exists(SQUID):
        return "squid-openssl is not installed"
    features = subprocess.run([SQUID, "-v"], capture_output=True, text=True, check=True).stdout
    return "" if "--with-openssl" in features else "the squid here cannot do TLS: squid-openssl is another package"


def password_line(user, password):
    """A line of the file that basic_ncsa_auth reads; the password is on no command line."""
    hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True,
                            check=True).stdout.strip()
    return f"{user}:{hashed}\n"


class Squid:
    """A running squid at 127.0.0.1:port.

    credentials: (user, password) that every client needs. tls: a directory with certificate.pem and key.pem.
    clients: with tls, the authority's certificate of which every client needs one. allow: False refuses every client
    with 403.
    """

    def __init__(self, directory, credentials=None, tls=None, clients=None, allow=True):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.port = free_port()
        # Squids with the default name share their memory.
        self._name = f"test{self.port}"
        self._process = None
        if tls is None:
            listen = f"http_port 127.0.0.1:{self.port}"
        else:
            for name in ("certificate.pem", "key.pem"):
                shutil.copy(tls / name, self.directory / name)
            listen = (f"https_port 127.0.0.1:{self.port} tls-cert={directory}/certificate.pem "
                      f"tls-key={directory}/key.pem")
        if clients is not None:
            shutil.copy(clients, self.directory / "clients.pem")
            listen += f" clientca={directory}/clients.pem tls-cafile={directory}/clients.pem"
        access = ANYBODY.format(verb="allow" if allow else "deny")
        if credentials:
            (self.directory / "passwords").write_text(password_line(*credentials), encoding="utf-8")
            access = WITH_PASSWORD.format(checker=PASSWORD_CHECKER, directory=directory)
        # Where ::1 is a localhost too, squid uses only that one.
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
        """Kills squid at once, with all connections: to its clients it looks like a crash or a power cut."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        self._process = None
        # Files that it removes on an orderly stop.
        for segment in SHARED_MEMORY.glob(f"{self._name}-*.shm"):
            segment.unlink()
