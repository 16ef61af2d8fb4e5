"""Tokens are not visible: not on a command line, not in an environment, not in any log."""

import pathlib
import uuid

import pytest
from harness.lab import READY, endpoint, free_ports
from harness.processes import command_line


def everything_about(pid):
    """What /proc shows about a process; b"" for a file that may not be read."""
    contents = [("cmdline", "\0".join(command_line(pid)).encode())]
    try:
        contents.append(("environ", pathlib.Path(f"/proc/{pid}/environ").read_bytes()))
    except PermissionError:
        pass
    return contents


@pytest.mark.parametrize("given", ["argument", "long argument", "one word", "environment"])
def test_no_token_in_proc(lab, given):
    service = lab.service({"t1": ["APP"]})
    token, client_token = service.token("t1", "source"), str(uuid.uuid4())
    arguments = {
        "argument": ["-t", token, "-i", client_token],
        "long argument": ["--access-token", token, "--client-token", client_token],
        "one word": [f"--access-token={token}", f"--client-token={client_token}"],
        "environment": [],
    }[given]
    environment = {
        "AWSIOT_TUNNEL_ACCESS_TOKEN": token, "AWSIOT_TUNNEL_CLIENT_TOKEN": client_token,
    } if given == "environment" else {}
    source = lab.proxy(["-s", f"APP={free_ports(['APP'])['APP']}", "-e", endpoint(service),
                        "-c", lab.ca_directory(service), "-v", 6, *arguments],
                       name="source", environment=environment)
    source.secrets = [token, client_token]
    source.wait_log(READY)
    pids = [pid for pids in source.processes().values() for pid in pids]
    assert len(pids) == 4
    for pid in pids:
        for name, content in everything_about(pid):
            assert token.encode() not in content, f"the access token is in /proc/{pid}/{name}"
            assert client_token.encode() not in content, f"the client token is in /proc/{pid}/{name}"
    if "argument" in given or given == "one word":
        source.wait_log(r"(?i)warn.*AWSIOT_TUNNEL_ACCESS_TOKEN")


def test_no_token_in_the_most_detailed_log(lab, stream_server):
    """Every test ends with a search for tokens in the logs; this one makes the logs as detailed as possible."""
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, verbosity=6)
    assert tunnel.source.secrets and tunnel.destination.secrets
    assert not tunnel.source.leaked_secrets()


def test_no_token_in_the_log_of_a_refusal(lab):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), verbosity=6, token="AQGAAXi-this-is-not-a-token-of-ours")
    assert source.wait() == 77
    assert not source.leaked_secrets()
