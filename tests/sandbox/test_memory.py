"""Secrets in the memory of running processes: where they may be, and where not one byte of them is left."""

import os
import pathlib
import re
import uuid

import pytest
from harness.lab import is_root
from harness.streams import exchange_all

pytestmark = pytest.mark.skipif(not is_root(), reason="only root may read the memory of a process that is not dumpable")

# The least that would be worth something to whoever finds it.
PIECE = 16


def regions(pid):
    """(start, end, name) of what a process can read of itself."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)", line)
        if found and found[3] not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
            yield int(found[1], 16), int(found[2], 16), found[3]


def memory_of(pid):
    """(start, name, bytes) of each region."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for start, end, name in regions(pid):
            try:
                yield start, name, os.pread(memory, end - start, start)
            except OSError:
                continue  # pages of the kernel's own
    finally:
        os.close(memory)


def pieces(secret):
    """Overlapping pieces of a secret, so that what was overwritten in part is found too."""
    data = secret.encode()
    return [data[at:at + PIECE] for at in range(0, len(data) - PIECE + 1, PIECE // 2)]


def found_in(pid, secret):
    return {name or "anonymous" for _, name, content in memory_of(pid) for piece in pieces(secret) if piece in content}


def places_of(pid, secret):
    """The addresses of its copies."""
    return [start + found.start() for start, _, content in memory_of(pid)
            for found in re.finditer(re.escape(secret.encode()), content)]


@pytest.fixture
def secrets(lab, stream_server):
    """A tunnel that has carried bytes; its source's process ids by role, and the source's two tokens."""
    client_token = str(uuid.uuid4())
    service = lab.service({"t1": ["APP"]})
    lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"})
    access_token = service.token("t1", "source")
    source = lab.source(service, "t1", None, environment={"AWSIOT_TUNNEL_CLIENT_TOKEN": client_token})
    port = int(source.wait_log(r"Listening for new connection on port (\d+)")[1])
    service.wait_connected("t1", "destination")
    exchange_all([(port, 1, 100_000, 100_000)])
    return {role: pids[0] for role, pids in source.processes().items() if pids}, (access_token, client_token)


def flags_of(pid, address):
    """What the kernel says of the mapping that an address is in (proc(5), VmFlags)."""
    inside = False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(found[1], 16) <= address < int(found[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return line.split()[1:]
    raise AssertionError(f"{address:x} is in no mapping of {pid}")


def test_the_monitor_keeps_them_where_they_are_not_swapped_dumped_or_inherited(secrets):
    """It also shows that the search finds what is there."""
    pids, tokens = secrets
    for token in tokens:
        places = places_of(pids["monitor"], token)
        assert len(places) == 1, f"{len(places)} copies"
        flags = flags_of(pids["monitor"], places[0])
        # Locked; not in a core file; zeros in a forked child.
        assert {"lo", "dd", "wf"} <= set(flags), flags


@pytest.mark.parametrize("role", ["net", "bridge", "launch"])
def test_nobody_else_has_a_piece_of_them(secrets, role):
    pids, tokens = secrets
    for token in tokens:
        assert found_in(pids[role], token) == set()
