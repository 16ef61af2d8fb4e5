"""Each failure is logged with its leg, its address and a remedy, and the run ends with the right exit status."""

import ast
import pathlib
import re
import socket
import ssl
import subprocess
import warnings

import pytest
from harness.dns_server import DnsServer
from harness.lab import READY, free_ports, is_root
from harness.paths import ROOT
from harness.ports import free_port
from harness.sockets import ended_without_a_byte, make_close_reset, plain_server
from harness.wait import until

# Every cause of every exit status, and the test that produces it.
EXIT_STATUSES = {
    0: {"SIGTERM, SIGINT": "test_end.test_sigterm_and_sigint_end_the_run",
        "a second signal": "test_end.test_a_second_signal_does_not_wait",
        "a close frame": "test_reconnect.test_a_close_frame_ends_the_run_with_success",
        "the tunnel was closed": "test_reconnect.test_close_tunnel_ends_both_with_success",
        "another proxy took over": "test_reconnect.test_another_proxy_with_the_same_tokens_replaces_the_first",
        "a question": "test_start.test_informational_options_are_answered_whatever_else_is_given"},
    1: {"command line": "test_start.test_usage_errors",
        "configuration": "test_failures.test_a_broken_settings_file"},
    69: {"not resolved": "test_failures.test_a_name_that_does_not_exist",
         "not connected": "test_failures.test_a_service_that_refuses_connections",
         "no common TLS": "test_failures.test_a_server_with_old_tls_versions",
         "5xx": "test_failures.test_a_service_that_always_answers_503",
         "4xx of a web proxy": "test_web_proxy.test_a_refusal_is_final_and_gives_the_reason"},
    71: {"helper missing, replaced": "test_helpers.test_a_helper_that_cannot_be_used",
         "helper cannot start": "test_helpers.test_a_bridge_that_is_another_program",
         "helper fails again and again": "test_helpers.test_a_net_that_always_fails",
         "bridge lost": "test_end.test_the_bridge_is_killed",
         "no user to become": "test_helpers.test_no_user_to_become"},
    73: {"busy": "test_failures.test_a_busy_port",
         "privileged": "test_failures.test_a_privileged_port_as_an_ordinary_user",
         "not of this machine": "test_failures.test_an_address_of_another_machine"},
    76: {"protocol error": "test_failures.test_a_protocol_error_without_reconnecting",
         "services do not match": "test_failures.test_services_that_do_not_match"},
    77: {"4xx": "test_upgrade.test_a_refusal_is_final_and_gives_the_reason",
         "unknown token": "test_upgrade.test_an_unknown_token_is_refused"},
}
ONCE = {"websocket": {"connect_retry_count": 0}}
GIVEN_UP = r"given up after 1 tr(y|ies) to connect"


def test_every_exit_status_has_its_tests():
    table = re.findall(r"^\| (\d+) \| \S", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(status) for status in table] == list(EXIT_STATUSES)
    for file, test in (name.split(".") for ways in EXIT_STATUSES.values() for name in ways.values()):
        tree = ast.parse((pathlib.Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8"))
        assert test in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], f"{file}.{test}"


def test_a_broken_settings_file(lab):
    path = lab.directory / "broken.json"
    path.write_text("{", encoding="ascii")
    proxy = lab.proxy(["-s", "5555", "-e", "localhost:1", "--settings-json", path], token="unused")
    assert proxy.wait() == 1
    assert proxy.find_log(r"broken\.json.*not JSON")


# ---- resolving ----

# By default libc asks a silent server twice, for five seconds each.
QUICK = "options timeout:1 attempts:1"


@pytest.fixture
def dns(lab, namespace):
    """A DNS server in a network of its own, dns.net."""
    net = namespace(resolver=QUICK)
    net.add_address("10.9.0.1/24")
    server = lab.use(net.run(DnsServer, {"tunnel.test": ["127.0.0.1"], "empty.test": []}))
    server.net = net
    return server


def test_a_name_that_does_not_exist(lab, dns):
    source = lab.lonely_source("nowhere.test:443", inside=dns.net)
    assert source.wait() == 69
    assert source.find_log(r"error.*cannot resolve nowhere\.test: Name or service not known .*-e or -r")
    assert source.find_log(GIVEN_UP)
    assert "nowhere.test" in dns.queries


def test_a_name_without_an_address(lab, dns):
    source = lab.lonely_source("empty.test:443", inside=dns.net)
    assert source.wait() == 69
    assert source.find_log(r"error.*cannot resolve empty\.test: No address associated with hostname")


@pytest.mark.parametrize("how", ["fail", "silence"])
def test_a_name_server_that_recovers(lab, dns, how):
    service = lab.service({"t1": ["APP"]}, inside=dns.net)
    dns.how = how
    source = lab.source(service, "t1", free_ports(["APP"]), at=f"tunnel.test:{service.port}", inside=dns.net)
    source.wait_log(r"error.*cannot resolve tunnel\.test: Temporary failure in name resolution")
    dns.how = "answer"
    source.wait_log(r"Resolved proxy server IP: 127\.0\.0\.1")
    source.wait_log(READY)


def test_an_answer_too_long_for_a_datagram(lab, dns):
    """libc asks again over TCP, which the sandbox has to allow."""
    dns.how = "truncate"
    service = lab.service({"t1": ["APP"]}, inside=dns.net)
    source = lab.source(service, "t1", free_ports(["APP"]), at=f"tunnel.test:{service.port}", inside=dns.net)
    source.wait_log(READY)
    assert dns.tcp_queries > 0


def test_a_local_service_whose_name_does_not_exist(lab, dns, stream_server):
    service = lab.service({"t1": ["APP"]}, inside=dns.net)
    lab.destination(service, "t1", {"APP": f"db.nowhere:{stream_server.port}"}, inside=dns.net,
                    settings={"tcp": {"connection_retry_count": 1}}).wait_log(READY)
    ports = free_ports(["APP"])
    source = lab.source(service, "t1", ports, inside=dns.net)
    source.wait_log("Listening for new connection")
    with dns.net.run(socket.create_connection, ("127.0.0.1", ports["APP"]), timeout=20) as client:
        assert ended_without_a_byte(client)
    destination = lab.proxies[0]
    destination.wait_log(rf"error.*cannot connect to the local service at db\.nowhere:{stream_server.port}: "
                         r"cannot resolve db\.nowhere: Name or service not known; given up after 1 try")


# ---- connecting ----

def test_a_service_that_refuses_connections(lab):
    port = free_port()
    source = lab.lonely_source(f"127.0.0.1:{port}")
    assert source.wait() == 69
    assert source.find_log(rf"error.*cannot connect to the service: 127\.0\.0\.1:{port}: .*Connection refused")
    assert source.find_log(GIVEN_UP)


def test_every_address_of_a_name_is_in_the_error(lab):
    port = free_port()
    source = lab.lonely_source(f"localhost:{port}")
    assert source.wait() == 69
    assert source.find_log(rf"cannot connect to the service: 127\.0\.0\.1:{port}: .*refused; \[::1\]:{port}: \S")


def test_the_number_of_tries_is_as_requested(lab):
    source = lab.lonely_source(f"127.0.0.1:{free_port()}",
                       settings={"websocket": {"connect_retry_count": 3, "retry_delay_ms": 1}})
    assert source.wait() == 69
    assert source.log.count("Attempting to establish web socket connection") == 4
    assert source.find_log("given up after 4 tries to connect")


@pytest.mark.parametrize("address, words", [("10.9.0.1", "Network is unreachable"), ("[2001:db8::1]", "unreachable"),
                                            ("10.8.0.1", "No route to host"), ("10.7.0.1", "Permission denied")])
def test_a_network_that_cannot_be_reached(lab, namespace, address, words):
    net = namespace()
    net.ip("route", "add", "unreachable", "10.8.0.0/24")
    net.ip("route", "add", "prohibit", "10.7.0.0/24")
    source = lab.lonely_source(f"{address}:443", inside=net)
    assert source.wait() == 69
    assert source.find_log(rf"error.*cannot connect to the service: {re.escape(address)}:443: .*{words}")


def test_silence_has_an_end_on_each_leg(lab, namespace):
    """Three long waits at the same time: for a name, for the connection, for the TLS handshake."""
    net = namespace(resolver="options timeout:30 attempts:1")
    dns = lab.use(net.run(DnsServer, {}, how="silence"))
    net.add_address("10.9.0.1/24")
    net.add_black_hole("10.9.0.9")
    nameless = lab.lonely_source("tunnel.test:443", inside=net)
    to_missing = lab.lonely_source("10.9.0.9:443", inside=net)
    held = []
    with plain_server(held.append) as port:
        to_silence = lab.lonely_source(f"127.0.0.1:{port}")
        assert to_missing.wait(40) == 69
        assert to_missing.find_log(r"cannot connect to the service: 10\.9\.0\.9:443: no answer within 15 seconds")
        assert to_silence.wait(40) == 69
        assert to_silence.find_log(rf"error.*127\.0\.0\.1:{port} gives no answer to the TLS handshake")
    assert held
    assert nameless.wait(40) == 69
    assert nameless.find_log(r"cannot resolve tunnel\.test: no answer from the name servers within 15 seconds")
    assert "tunnel.test" in dns.queries


# ---- TLS ----

def test_a_server_that_does_not_speak_tls(lab):
    def serve(connection):
        with connection:
            connection.recv(4096)
            connection.sendall(b"220 mail.example.com ESMTP\r\n")

    with plain_server(serve) as port:
        source = lab.lonely_source(f"127.0.0.1:{port}")
        assert source.wait() == 69
        assert source.find_log(rf"error.*TLS handshake with 127\.0\.0\.1:{port}: .*does not speak TLS")


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_handshake_that_is_cut(lab, how):
    def serve(connection):
        connection.recv(4096)
        # Half of a server's first record.
        connection.sendall(b"\x16\x03\x03\x00\x40\x02\x00\x00")
        if how == "reset":
            make_close_reset(connection)
        connection.close()

    with plain_server(serve) as port:
        source = lab.lonely_source(f"127.0.0.1:{port}")
        assert source.wait() == 69
        words = {"closed": "the connection was closed", "reset": "reset by peer"}[how]
        assert source.find_log(rf"error.*TLS handshake with 127\.0\.0\.1:{port}: .*{words}")


def test_a_server_with_old_tls_versions(lab):
    key, certificate = lab.directory / "key.pem", lab.directory / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    # Python rightly warns about both.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    versions = []

    def serve(connection):
        try:
            context.wrap_socket(connection, server_side=True).close()
            versions.append("agreed")
        except OSError as error:
            versions.append(str(error))

    with plain_server(serve) as port:
        source = lab.lonely_source(f"127.0.0.1:{port}", more=["-k"])
        assert source.wait() == 69
        assert source.find_log(rf"error.*TLS handshake with 127\.0\.0\.1:{port}: .*protocol version")
        until(lambda: versions, "the server has seen the client's version")
    assert "agreed" not in versions


# ---- the upgrade ----

def test_a_refusal_names_the_session(lab):
    service = lab.service({"t1": ["APP"]})
    service.control("fault", kind="status", status=403, body="Invalid access token: no such thing")
    source = lab.source(service, "t1", free_ports(["APP"]), verbosity=4)
    assert source.wait() == 77
    session = source.find_log(r"Web socket session ID: (\S+)")
    assert session and session[1] != "(none"
    assert source.find_log(r"fatal.*the service refused the connection: HTTP/1\.1 403 \S+.*: "
                           r"Invalid access token: no such thing\. .*new token")


def test_the_last_word_is_said_at_the_lowest_level(lab):
    service = lab.service({"t1": ["APP"]})
    service.control("fault", kind="status", status=403, body="no")
    source = lab.source(service, "t1", free_ports(["APP"]), verbosity=1)
    assert source.wait() == 77
    assert len(source.lines) == 1
    assert source.find_log(r"fatal.*the service refused the connection")


def test_a_service_that_always_answers_503(lab):
    service = lab.service({"t1": ["APP"]})
    service.control("fault", kind="status", status=503, body="come back later", next=2)
    source = lab.source(service, "t1", free_ports(["APP"]), verbosity=4,
                        settings={"websocket": {"connect_retry_count": 1}})
    assert source.wait() == 69
    assert len(re.findall(r"error.*HTTP/1\.1 503 .*: come back later", source.log)) == 2
    assert len(re.findall(r"Web socket session ID: [^(\s]+", source.log)) == 2
    assert source.find_log("given up after 2 tries to connect")


# ---- services ----

MISMATCHES = {
    "too few": (["SSH", "HTTP"], ["SSH"]),
    "too many": (["SSH"], ["SSH", "HTTP"]),
    "another": (["SSH"], ["HTTP"]),
    "one other": (["SSH", "HTTP"], ["SSH", "DB"]),
    "case": (["SSH"], ["ssh"]),
    "none named of several": (["SSH", "HTTP"], [""]),
    "named of none": ([], ["SSH"]),
    "several of none": ([], ["SSH", "HTTP"]),
}


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("case", MISMATCHES)
def test_services_that_do_not_match(lab, side, case):
    has, given = MISMATCHES[case]
    service = lab.service({"t1": has})
    proxy = getattr(lab, side)(service, "t1", free_ports(given))
    assert proxy.wait() == 76
    option = {"source": "-s", "destination": "-d"}[side]

    def named(ids):
        return re.escape(", ".join(name or "(one without an id)" for name in ids or [""]))

    assert proxy.find_log(rf"fatal.*services do not match: the tunnel has {named(has)}; "
                          rf"{option} gives {named(given)}\.")


def test_a_services_directory_without_the_services_of_the_tunnel(lab):
    service = lab.service({"t1": ["SSH"]})
    directory = lab.make_directory("services")
    (directory / "others.ini").write_text("DB = 5432\n", encoding="ascii")
    arguments = ["-m", "destination", "--config-dir", directory,
                 "-e", f"localhost:{service.port}", "-c", lab.ca_directory(service)]
    destination = lab.proxy(arguments, token=service.token("t1", "destination"))
    assert destination.wait() == 76
    assert destination.find_log(r"fatal.*the tunnel has SSH; -d gives none\. Give .* as in -d SSH=PORT")


def test_a_protocol_error_without_reconnecting(lab):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]),
                        settings={"websocket": {"reconnect_on_data_error": False}})
    source.wait_log(READY)
    # A text frame.
    service.control("inject_raw", tunnel="t1", side="source", hex="8101" + "78")
    assert source.wait() == 76
    assert source.find_log(r"fatal.*text")


# ---- local ports ----

def test_a_busy_port(lab):
    service = lab.service({"t1": ["APP"]})
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        source = lab.source(service, "t1", {"APP": port})
        assert source.wait() == 73
        assert source.find_log(rf"cannot listen on 127\.0\.0\.1:{port}: .*Address already in use.*choose another port")


def test_an_address_of_another_machine(lab):
    port = free_port()
    # TEST-NET-1 (RFC 5737) belongs to no machine.
    source = lab.lonely_source("localhost:1", more=["-b", "192.0.2.1"], settings=ONCE)
    assert source.wait() == 73
    assert source.find_log(r"cannot listen on 192\.0\.2\.1:\d+: .*this machine does not have that address")
    source = lab.proxy(["-s", f"192.0.2.1:{port}", "-e", "localhost:1"], token="unused")
    assert source.wait() == 73
    assert source.find_log(rf"cannot listen on 192\.0\.2\.1:{port}: ")


def test_a_privileged_port_as_an_ordinary_user(lab):
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))
    if first <= 1:
        pytest.skip("every user may bind every port here")
    user = {"user": "nobody", "program": lab.programs() / "localproxy"} if is_root() else {}
    source = lab.proxy(["-s", first - 1, "-e", "localhost:1"], token="unused", **user)
    assert source.wait() == 73
    assert source.find_log(rf"cannot listen on 127\.0\.0\.1:{first - 1}: .*Permission denied.*below {first} need root")
