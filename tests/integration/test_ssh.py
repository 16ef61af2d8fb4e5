"""ssh and scp through the tunnel: a real client and a real server, 100 MB in both directions."""

import hashlib
import os
import subprocess

import pytest

SIZE = 100 * 1024 * 1024
TIMEOUT = 120


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command, **options):
    done = subprocess.run(command, check=False, capture_output=True, stdin=options.pop("stdin", subprocess.DEVNULL),
                          timeout=TIMEOUT, **options)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')}"
    return done.stdout


@pytest.fixture
def tunnel(lab, sshd):
    return lab.tunnel({"SSH": f"127.0.0.1:{sshd.port}"})


@pytest.fixture
def big_file(lab):
    path = lab.directory / "big"
    with path.open("wb") as file:
        for _ in range(SIZE // (1024 * 1024)):
            file.write(os.urandom(1024 * 1024))
    return path


def test_a_command_runs_at_the_far_end(tunnel, sshd):
    assert run(sshd.ssh(tunnel.ports["SSH"], "echo through; echo $((6 * 7))")) == b"through\n42\n"


def test_the_status_of_a_command_comes_back(tunnel, sshd):
    assert subprocess.run(sshd.ssh(tunnel.ports["SSH"], "exit 3"), stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                          check=False).returncode == 3


def test_standard_input_and_output_of_a_command(tunnel, sshd, big_file):
    with big_file.open("rb") as file:
        summed = run(sshd.ssh(tunnel.ports["SSH"], "sha256sum"), stdin=file)
    assert summed.split()[0].decode() == digest(big_file)


def test_scp_to_the_far_end(tunnel, sshd, big_file, lab):
    copy = lab.directory / "copy"
    run(sshd.scp(tunnel.ports["SSH"], big_file, f"far:{copy}"))
    assert digest(copy) == digest(big_file)


def test_scp_from_the_far_end(tunnel, sshd, big_file, lab):
    copy = lab.directory / "copy"
    run(sshd.scp(tunnel.ports["SSH"], f"far:{big_file}", copy))
    assert digest(copy) == digest(big_file)
