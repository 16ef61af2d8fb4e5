"""Certificates for web proxies and for their clients."""

import pathlib
import shutil
import subprocess

from .ports import free_port

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]


class Authority:
    """A certificate authority for web proxies: directory has a server's certificate.pem and key.pem, roots the root
    certificates of this authority and of the service."""

    def __init__(self, lab, service, names="DNS:localhost,IP:127.0.0.1"):
        self.directory = lab.make_directory(f"authority-{free_port()}")
        self._make("root", "/CN=Proxy Authority", ["-addext", "keyUsage=critical,keyCertSign"])
        self._issue("certificate", "/CN=a web proxy", ["-addext", f"subjectAltName={names}"])
        (self.directory / "certificate-key.pem").rename(self.directory / "key.pem")
        self.roots = lab.make_directory(f"roots-{free_port()}")
        shutil.copy(self.directory / "root.pem", self.roots / "proxy.pem")
        shutil.copy(pathlib.Path(service.ca_dir) / "ca.pem", self.roots / "service.pem")
        for path in self.roots.iterdir():
            path.chmod(0o644)

    def client(self, key=None):
        """The files of a client's certificate and of its key, which only their owner may read."""
        self._issue("client", "/CN=a client", ["-addext", "extendedKeyUsage=clientAuth"], key or EC)
        return self.directory / "client.pem", self.directory / "client-key.pem"

    def _issue(self, name, subject, more, key=None):
        self._make(name, subject, [*more, "-addext", "basicConstraints=critical,CA:FALSE", "-CA",
                                   self.directory / "root.pem", "-CAkey", self.directory / "root-key.pem"], key)

    def _make(self, name, subject, more, key=None):
        subprocess.run(["openssl", "req", "-x509", *(key or EC), "-nodes", "-days", "2", "-subj", subject,
                        "-keyout", self.directory / f"{name}-key.pem", "-out", self.directory / f"{name}.pem", *more],
                       check=True, capture_output=True)
