"""Secrets in the memory of running processes: where they may be, and where no byte of them may be left."""

import uuid

import pytest
from harness.lab import is_root
from harness.memory import flags_of, found_in, places_of
from harness.streams import exchange_all

pytestmark = pytest.mark.skipif(not is_root(), reason="only root may read the memory of a process that is not dumpable")

@pytest.fixture
def secrets(lab, stream_server):
    """Of a tunnel that has carried bytes: the source's process ids by role, and its two tokens."""
    client_token = str(uuid.uuid4())
    service = lab.service({"t1": ["APP"]})
    lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"})
    access_token = service.token("t1", "source")
    source = lab.source(service, "t1", None, environment={"AWSIOT_TUNNEL_CLIENT_TOKEN": client_token})
    port = int(source.wait_log(r"Listening for new connection on port (\d+)")[1])
    service.wait_connected("t1", "destination")
    exchange_all([(port, 1, 100_000, 100_000)])
    return {role: pids[0] for role, pids in source.processes().items() if pids}, (access_token, client_token)


def test_the_monitor_keeps_them_where_they_are_not_swapped_dumped_or_inherited(secrets):
    """This also shows that the search works."""
    pids, tokens = secrets
    for token in tokens:
        places = places_of(pids["monitor"], token)
        assert len(places) == 1, f"{len(places)} copies"
        flags = flags_of(pids["monitor"], places[0])
        # Locked; not in a core file; zeros in a forked child.
        assert {"lo", "dd", "wf"} <= set(flags), flags


@pytest.mark.parametrize("role", ["net", "bridge", "launch"])
def test_no_other_process_has_a_piece_of_them(secrets, role):
    pids, tokens = secrets
    for token in tokens:
        assert found_in(pids[role], token) == set()
