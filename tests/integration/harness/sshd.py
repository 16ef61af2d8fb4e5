"""A throwaway sshd on loopback, and the ssh and scp command lines that trust it and nothing else."""

import os
import pathlib
import pwd
import subprocess

from .ports import answers, free_port
from .wait import until

SSHD = "/usr/sbin/sshd"
# The name under which known_hosts has the key of the sshd at the far end of the tunnel.
HOST_ALIAS = "behind-the-tunnel"

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
UsePAM {use_pam}
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp
"""

# Only this sshd knows the client's key, and the client trusts no other server.
CLIENT_CONFIG = """\
Host {alias}
  HostName 127.0.0.1
  HostKeyAlias {alias}
  User {user}
  IdentityFile {directory}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {directory}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
"""


def _password_is_locked():
    """Whether sshd without PAM turns the user away, even with a key."""
    try:
        fields = pathlib.Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    except PermissionError:
        return False  # then sshd cannot see it either
    return any(line.startswith(f"{_me().pw_name}:!") for line in fields)


def _me():
    return pwd.getpwuid(os.getuid())


def why_impossible():
    """Why sshd cannot let this user in, or "" when it can."""
    if not os.path.exists(SSHD):
        return "openssh-server is not installed"
    if os.path.basename(_me().pw_shell) in ("nologin", "false"):
        return f"the user {_me().pw_name} has no login shell"
    return ""


class Sshd:
    """An sshd that lets the caller in with a key made for it."""

    def __init__(self, directory, own_session=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", self.directory / key],
                           check=True, stdin=subprocess.DEVNULL)
        key_type, key, _ = (self.directory / "host_key.pub").read_text(encoding="ascii").split()
        (self.directory / "known_hosts").write_text(f"{HOST_ALIAS} {key_type} {key}\n", encoding="ascii")
        config = self.directory / "sshd_config"
        config.write_text(
            CONFIG.format(port=self.port, directory=self.directory, use_pam="yes" if _password_is_locked() else "no"),
            encoding="utf-8")
        self._client_config = self.directory / "ssh_config"
        self._client_config.write_text(
            CLIENT_CONFIG.format(alias=HOST_ALIAS, user=_me().pw_name, directory=self.directory), encoding="utf-8")
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # root's sshd changes its root to it
        self.log_file = self.directory / "sshd.log"
        self._process = subprocess.Popen([SSHD, "-D", "-f", config, "-E", self.log_file],
                                         stdin=subprocess.DEVNULL, start_new_session=own_session)
        try:
            until(lambda: self._process.poll() is not None or answers(self.port), "sshd answers")
            if self._process.poll() is not None:
                raise AssertionError(f"sshd ended at once:\n{self.log_file.read_text(encoding='utf-8')}")
        except BaseException:
            self.stop()
            raise

    def ssh(self, port, *command):
        """The ssh command line that reaches this sshd through a local port."""
        return ["ssh", "-F", str(self._client_config), "-p", str(port), HOST_ALIAS, *command]

    def scp(self, port, source, target):
        """The scp command line; a path of the far side begins with "far:"."""
        def place(path):
            return str(path).replace("far:", f"{HOST_ALIAS}:", 1)
        return ["scp", "-F", str(self._client_config), "-q", "-P", str(port), place(source), place(target)]

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
