"""From the command line to the first local connection: what is refused, and what is logged, in which order."""

import re
import socket

import pytest
from harness.lab import READY, free_ports
from harness.paths import is_sanitized
from harness.streams import exchange_all

TRY_HELP = "Try 'localproxy --help' for a list of options."
ENDPOINT = ["-e", "localhost:1"]

USAGE_ERRORS = {
    "no token": (["-s", "5555", *ENDPOINT], "the option '--access-token' is required but missing"),
    "neither region nor endpoint": (
        ["-s", "5555", "-t", "x"],
        "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"),
    "region and endpoint": (
        ["-s", "5555", "-t", "x", "-r", "us-east-1", *ENDPOINT],
        "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"),
    "no mode": (
        ["-t", "x", *ENDPOINT],
        "Must specify one of --source-listen-port/-s or --destination-app/-d or --mode"),
    "both modes": (
        ["-s", "5555", "-d", "22", "-t", "x", *ENDPOINT],
        "Must specify one and only one of --source-listen-port/-s or --destination-app/-d"),
    "unknown mode": (
        ["-m", "sideways", "-t", "x", *ENDPOINT],
        "Mode value is wrong! Allowed values are: src, dst, source, destination"),
    "mode against map": (
        ["-s", "5555", "-m", "destination", "-t", "x", *ENDPOINT],
        "-s and --mode have mismatched mode. Mode is set to destination!"),
    "unknown option": (["--no-such-option"], "--no-such-option"),
    "argument missing": (["-s"], "-s"),
    "port out of range": (["-s", "70000", "-t", "x", *ENDPOINT], "70000"),
    "port that is not a number": (["-s", "SSH=abc", "-t", "x", *ENDPOINT], "abc"),
    "the same service twice": (["-s", "SSH=5555,SSH=5556", "-t", "x", *ENDPOINT], "SSH"),
    "client token too short": (["-s", "5555", "-t", "x", "-i", "short", *ENDPOINT], "client"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_usage_errors(lab, case):
    arguments, words = USAGE_ERRORS[case]
    proxy = lab.proxy(arguments)
    assert proxy.wait() == 1
    assert words in proxy.log
    assert proxy.lines[-1] == TRY_HELP


@pytest.mark.parametrize("option", ["-h", "--help", "-V", "--version"])
def test_informational_options_are_answered_whatever_else_is_given(lab, option):
    proxy = lab.proxy([option])
    assert proxy.wait() == 0
    assert proxy.log
    expected = r"^\D*\d+\.\d+\.\d+" if option in ("-V", "--version") else r"--access-token"
    assert re.search(expected, proxy.log)


EXPECTED_LOG = [
    r"Starting proxy in source mode",
    r"Attempting to establish web socket connection with endpoint wss://localhost:{endpoint}",
    r"Resolved proxy server IP: (127\.0\.0\.1|::1)",
    r"Connected successfully with proxy server",
    r"Performing SSL handshake with proxy server",
    r"Successfully completed SSL handshake with proxy server",
    r"HTTP/1\.1 101 Switching Protocols",
    r"(?i)sec-websocket-accept: ",
    r"Web socket session ID: \S+",
    r"Web socket subprotocol selected: aws\.iot\.securetunneling-3\.0",
    r"Successfully established websocket connection with proxy server: wss://localhost:{endpoint}",
    r"Setting up web socket pings for every 5000 milliseconds",
    r"Starting web socket read loop continue reading\.\.\.",
    r"Resolved bind IP: 127\.0\.0\.1",
    r"Listening for new connection on port {port}",
]


def test_log_lines_come_in_the_order_that_scripts_wait_for(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"})
    exchange_all([(tunnel.ports["APP"], 1, 1000, 1000)])
    at = 0
    for pattern in EXPECTED_LOG:
        pattern = pattern.format(endpoint=tunnel.service.port, port=tunnel.ports["APP"])
        found = [number for number, line in enumerate(tunnel.source.lines) if re.search(pattern, line)]
        assert [number for number in found if number >= at], f"{pattern} is missing after line {at}"
        at = min(number for number in found if number >= at)
    accepted = tunnel.source.wait_log(
        rf"Accepted tcp connection on port {tunnel.ports['APP']} from (127\.0\.0\.1:\d+)")
    tunnel.source.wait_log(rf"Disconnected from: {re.escape(accepted[1])}")
    tunnel.destination.wait_log(r"Starting proxy in destination mode")
    tunnel.destination.wait_log(rf"Connected to 127\.0\.0\.1, port: {stream_server.port}")


def test_results_are_logged_at_level_4(lab, stream_server):
    tunnel = lab.tunnel({"APP": f"127.0.0.1:{stream_server.port}"}, verbosity=4)
    assert tunnel.source.find_log(r"Starting proxy in source mode")
    assert tunnel.source.find_log(r"Listening for new connection on port")


def test_silence_when_asked_for(lab):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), verbosity=0)
    service.wait_connected("t1", "source")
    assert source.stop() == 0
    assert source.log == ""


def test_a_busy_port_is_found_before_the_token_is_spent(lab):
    service = lab.service({"t1": ["APP"]})
    with socket.create_server(("127.0.0.1", 0)) as busy:
        source = lab.source(service, "t1", {"APP": busy.getsockname()[1]})
        assert source.wait() == 73
        assert str(busy.getsockname()[1]) in source.log
    assert service.status()["handshakes"] == {"accepted": 0, "refused": 0}


def test_a_source_without_a_map_picks_free_ports_and_says_which(lab):
    service = lab.service({"t1": ["SSH", "HTTP"]})
    source = lab.source(service, "t1", None)
    source.wait_log(READY)
    ports = set()
    mark = 0
    while len(ports) < 2:
        found = source.wait_log(r"Listening for new connection on port (\d+)", since=mark)
        ports.add(int(found[1]))
        mark = next(number for number, line in enumerate(source.lines) if found[0] in line) + 1
    for port in ports:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    for service_id in ("SSH", "HTTP"):
        assert source.find_log(service_id), f"the port of {service_id} is not logged"


@pytest.mark.parametrize("tunnel_services", [[], ["SSH"]], ids=["without services", "with one service"])
def test_a_port_without_a_service_id(lab, stream_server, tunnel_services):
    service = lab.service({"t1": tunnel_services})
    ports = free_ports([""])
    destination = lab.destination(service, "t1", {"": f"127.0.0.1:{stream_server.port}"})
    source = lab.source(service, "t1", ports)
    destination.wait_log(READY)
    source.wait_log(rf"Listening for new connection on port {ports['']}\b")
    exchange_all([(ports[""], 1, 10_000, 10_000)])


@pytest.mark.parametrize("mapped", [["SSH"], ["SSH", "HTTP", "DB"], ["SSH", "DB"]],
                         ids=["too few", "too many", "others"])
def test_services_that_do_not_match_are_an_error(lab, mapped):
    service = lab.service({"t1": ["SSH", "HTTP"]})
    source = lab.source(service, "t1", free_ports(mapped))
    assert source.wait() == 76
    assert source.find_log(r"(?i)service")


def test_a_bind_address(lab, stream_server):
    service = lab.service({"t1": ["APP"]})
    lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"})
    ports = free_ports(["APP"])
    source = lab.source(service, "t1", ports, more=["-b", "127.0.0.3"])
    source.wait_log(r"Resolved bind IP: 127\.0\.0\.3")
    source.wait_log(rf"Listening for new connection on port {ports['APP']}\b")
    socket.create_connection(("127.0.0.3", ports["APP"]), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports["APP"]), timeout=5)


def test_the_endpoint_may_come_from_the_environment(lab):
    service = lab.service({"t1": ["APP"]})
    source = lab.proxy(["-s", f"APP={free_ports(['APP'])['APP']}", "-c", lab.ca_directory(service)],
                       token=service.token("t1", "source"),
                       environment={"AWSIOT_TUNNEL_ENDPOINT": f"localhost:{service.port}"})
    source.wait_log(READY)


@pytest.fixture
def own_name():
    """A name of this machine that is not localhost, for an address of loopback."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = ""
    if name == "localhost" or not address.startswith("127."):
        pytest.skip(f"the name of this machine, {name}, is not one of loopback")
    return name, address


@pytest.mark.parametrize("where", ["bind address", "map"])
def test_a_name_to_listen_on_is_looked_up_before_anything_else(lab, own_name, where):
    name, address = own_name
    service = lab.service({"t1": ["APP"]})
    port = free_ports(["APP"])["APP"]
    source = lab.source(service, "t1", {"APP": port if where == "bind address" else f"{name}:{port}"},
                        more=["-b", name] if where == "bind address" else ())
    source.wait_log(rf"Resolved bind IP: {re.escape(address)}$")
    source.wait_log(rf"Listening for new connection on port {port}\b")
    socket.create_connection((address, port), timeout=10).close()
    assert source.find_log(r"resolve: sandbox: uid \d+ .*" + ("NO SECCOMP" if is_sanitized() else "seccomp filter"))


@pytest.mark.parametrize("arguments", [["-b", "no-such-name.invalid"], []])
def test_an_unknown_name_to_listen_on(lab, arguments):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", {"APP": 5555 if arguments else "no-such-name.invalid:5555"}, more=arguments)
    assert source.wait() == 73
    assert "cannot resolve no-such-name.invalid" in source.log
    assert ("-b: " if arguments else "-s: ") in source.log
    assert service.status()["handshakes"]["accepted"] == 0
