"""Precedence of the places that can set an option: command line, --config, environment, settings JSON, defaults.

A table has, for each option, a value for every place that can set it; the pairs are made from that. --check shows which
value won.
"""

import itertools
import json
import re
import shlex
import subprocess
import uuid

import pytest
from harness import one_shot
from harness.paths import LOCALPROXY

# From the strongest to the weakest.
PLACES = ("command line", "--config", "environment", "credential", "settings", "default")
TOKEN = "AQGAAXhLJeSVxMTIzNDU2Nzg5"
CLIENT_TOKENS = {place: str(uuid.UUID(int=number)) + "-" * number for number, place in enumerate(PLACES[:3], 1)}


def of_region(region):
    return f"data.tunneling.iot.{region}.amazonaws.com, port 443"


class Row:
    """One option. line: the name of --check's line. says: place -> what is written there (arguments, lines of the
    file, variables, or settings) and the resulting value. needs: arguments that every run has."""

    def __init__(self, line, needs, **says):
        self.line = line
        self.needs = needs
        self.says = {place.replace("_", " ").replace("config", "--config"): value for place, value in says.items()}
        assert set(self.says) <= set(PLACES)


SOURCE = ["-r", "us-east-1", "-s", "0"]
PEM = "".join(f"-----BEGIN {label}-----\nQUJD\n-----END {label}-----\n" for label in ("CERTIFICATE", "PRIVATE KEY"))
PIN = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
DESTINATION = ["-r", "us-east-1", "-d", "22"]
SETTINGS = {"a": {"tcp": {"max_active_connections": 7}}, "b": {"tcp": {"max_active_connections": 8}}}

ROWS = {
    "region": Row(
        "endpoint", ["-s", "0"],
        command_line=(["-r", "us-east-1"], of_region("us-east-1")),
        config=("region = us-west-2", of_region("us-west-2")),
        environment=({"AWSIOT_TUNNEL_REGION": "eu-west-1"}, of_region("eu-west-1"))),
    "proxy-endpoint": Row(
        "endpoint", ["-s", "0"],
        command_line=(["-e", "one.example"], "one.example, port 443"),
        config=("proxy-endpoint = two.example:444", "two.example, port 444"),
        environment=({"AWSIOT_TUNNEL_ENDPOINT": "three.example"}, "three.example, port 443")),
    "region over endpoint": Row(
        "endpoint", ["-s", "0"],
        command_line=(["-r", "us-east-1"], of_region("us-east-1")),
        config=("proxy-endpoint = two.example", "two.example, port 443"),
        environment=({"AWSIOT_TUNNEL_REGION": "eu-west-1"}, of_region("eu-west-1"))),
    "endpoint over region": Row(
        "endpoint", ["-s", "0"],
        command_line=(["-e", "one.example"], "one.example, port 443"),
        config=("region = us-west-2", of_region("us-west-2")),
        environment=({"AWSIOT_TUNNEL_ENDPOINT": "three.example"}, "three.example, port 443")),
    "endpoint over the format": Row(
        "endpoint", ["-s", "0"],
        command_line=(["-e", "one.example"], "one.example, port 443"),
        settings=({"endpoint_format": "%s.example:8443"}, None)),
    "access-token": Row(
        "access token", SOURCE,
        command_line=(["-t", TOKEN], "25 characters (--access-token)"),
        config=(f"access-token = {TOKEN}", "25 characters (--config '{tmp}/options.ini', line 1: access-token)"),
        environment=({"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}, "25 characters (AWSIOT_TUNNEL_ACCESS_TOKEN)"),
        credential=({"CREDENTIALS_DIRECTORY": "{tmp}"},
                    "25 characters ($CREDENTIALS_DIRECTORY/access-token '{tmp}/access-token')")),
    "access-token-file over access-token": Row(
        "access token", SOURCE,
        command_line=(["--access-token-file", "{tmp}/token"], "25 characters (--access-token-file '{tmp}/token')"),
        config=(f"access-token = {TOKEN}", "25 characters (--config '{tmp}/options.ini', line 1: access-token)"),
        environment=({"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}, "25 characters (AWSIOT_TUNNEL_ACCESS_TOKEN)"),
        credential=({"CREDENTIALS_DIRECTORY": "{tmp}"},
                    "25 characters ($CREDENTIALS_DIRECTORY/access-token '{tmp}/access-token')")),
    "access-token over access-token-file": Row(
        "access token", SOURCE,
        command_line=(["-t", TOKEN], "25 characters (--access-token)"),
        config=("access-token-file = {tmp}/token",
                "25 characters (--config '{tmp}/options.ini', line 1: access-token-file '{tmp}/token')"),
        environment=({"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}, "25 characters (AWSIOT_TUNNEL_ACCESS_TOKEN)")),
    "client-token": Row(
        "client token", SOURCE,
        command_line=(["-i", CLIENT_TOKENS["command line"]], "37 characters (--client-token)"),
        config=(f"client-token = {CLIENT_TOKENS['--config']}",
                "38 characters (--config '{tmp}/options.ini', line 1: client-token)"),
        environment=({"AWSIOT_TUNNEL_CLIENT_TOKEN": CLIENT_TOKENS["environment"]},
                     "39 characters (AWSIOT_TUNNEL_CLIENT_TOKEN)"),
        default=(None, "36 characters (made for this run)")),
    "no-client-token over client-token": Row(
        "client token", SOURCE,
        command_line=(["--no-client-token"], "none (--no-client-token)"),
        config=(f"client-token = {CLIENT_TOKENS['--config']}",
                "38 characters (--config '{tmp}/options.ini', line 1: client-token)"),
        environment=({"AWSIOT_TUNNEL_CLIENT_TOKEN": CLIENT_TOKENS["environment"]},
                     "39 characters (AWSIOT_TUNNEL_CLIENT_TOKEN)")),
    "client-token over no-client-token": Row(
        "client token", SOURCE,
        command_line=(["-i", CLIENT_TOKENS["command line"]], "37 characters (--client-token)"),
        config=("no-client-token = true", "none (--no-client-token)"),
        environment=({"AWSIOT_TUNNEL_CLIENT_TOKEN": CLIENT_TOKENS["environment"]},
                     "39 characters (AWSIOT_TUNNEL_CLIENT_TOKEN)")),
    "source-listen-port": Row(
        "listens for", ["-r", "us-east-1"],
        command_line=(["-s", "A=0"], "service A: a free port"),
        config=("source-listen-port = B=0", "service B: a free port")),
    "source-listen-port over destination-app": Row(
        "mode", ["-r", "us-east-1"],
        command_line=(["-s", "A=0"], "source"),
        config=("destination-app = 22\nmode = dst", "destination")),
    "destination-app": Row(
        "connects for", ["-r", "us-east-1"],
        command_line=(["-d", "A=1"], "service A: port 1"),
        config=("destination-app = B=2", "service B: port 2")),
    "destination-app over source-listen-port": Row(
        "mode", ["-r", "us-east-1"],
        command_line=(["-d", "A=1"], "destination"),
        config=("source-listen-port = 0\nmode = src", "source")),
    "mode": Row(
        "mode", ["-r", "us-east-1", "--config-dir", "{tmp}/one"],
        command_line=(["-m", "src"], "source"),
        config=("mode = dst", "destination")),
    "local-bind-address": Row(
        "listens on", SOURCE,
        command_line=(["-b", "127.0.0.2"], "127.0.0.2"),
        config=("local-bind-address = 127.0.0.3", "127.0.0.3"),
        settings=({"default_bind_address": "127.0.0.4"}, "127.0.0.4"),
        default=(None, "localhost")),
    "capath": Row(
        "trusts also", SOURCE,
        command_line=(["-c", "{tmp}/one"], "the certificates in {tmp}/one"),
        config=("capath = {tmp}/two", "the certificates in {tmp}/two")),
    "cafile": Row(
        "trusts also", SOURCE,
        command_line=(["--cafile", "{tmp}/one/a.ini"], "the certificates in {tmp}/one/a.ini"),
        config=("cafile = {tmp}/two/a.ini", "the certificates in {tmp}/two/a.ini")),
    "crlfile": Row(
        "does not trust", SOURCE,
        command_line=(["--crlfile", "{tmp}/one/a.ini"], "what the CRLs in {tmp}/one/a.ini revoke"),
        config=("crlfile = {tmp}/two/a.ini", "what the CRLs in {tmp}/two/a.ini revoke")),
    "pin-sha256": Row(
        "public key of the service", SOURCE,
        command_line=(["--pin-sha256", PIN], "one of 1 (--pin-sha256)"),
        config=(f"pin-sha256 = {PIN}; {PIN}\npin-sha256 = {PIN}", "one of 3 (--pin-sha256)")),
    "tls-min": Row(
        "TLS", SOURCE,
        command_line=(["--tls-min", "1.2"], "1.2 or 1.3"),
        config=("tls-min = 1.3", "1.3 only"),
        default=(None, "1.2 or 1.3")),
    "proxy-cert": Row(
        "shows an https web proxy", SOURCE,
        command_line=(["--proxy-cert", "{tmp}/own.pem"],
                      "the certificate in {tmp}/own.pem, with the key in {tmp}/own.pem"),
        config=("proxy-cert = {tmp}/other.pem", "the certificate in {tmp}/other.pem, with the key in {tmp}/other.pem")),
    "proxy-key": Row(
        "shows an https web proxy", [*SOURCE, "--proxy-cert", "{tmp}/own.pem"],
        command_line=(["--proxy-key", "{tmp}/own.pem"],
                      "the certificate in {tmp}/own.pem, with the key in {tmp}/own.pem"),
        config=("proxy-key = {tmp}/other.pem", "the certificate in {tmp}/own.pem, with the key in {tmp}/other.pem")),
    "no-ssl-host-verify": Row(
        "verifies the service", SOURCE,
        command_line=(["-k"], "NO (--no-ssl-host-verify)"),
        config=("no-ssl-host-verify = false", "yes, as data.tunneling.iot.us-east-1.amazonaws.com"),
        default=(None, "yes, as data.tunneling.iot.us-east-1.amazonaws.com")),
    "destination-client-type": Row(
        "the destination speaks", SOURCE,
        command_line=(["-y", "V1"], "version 1"),
        config=("destination-client-type = V2", "version 2"),
        default=(None, "version 3")),
    "verbose": Row(
        "log level", SOURCE,
        command_line=(["-v", "1"], "1 (fatal)"),
        config=("verbose = 5", "5 (debug)"),
        default=(None, "4 (info)")),
    "config-dir": Row(
        "connects for", ["-r", "us-east-1", "-m", "dst"],
        command_line=(["--config-dir", "{tmp}/one"], "service ONE: port 1"),
        config=("config-dir = {tmp}/two", "service TWO: port 2"),
        default=(None, "service HERE: port 3")),
    "settings-json": Row(
        "connections on one service", SOURCE,
        command_line=(["--settings-json", "{tmp}/a.json"], "at most 7"),
        config=("settings-json = {tmp}/b.json", "at most 8"),
        default=(None, "at most 128")),
    "half-close-linger": Row(
        "waits for the answer to a client that has ended its side", SOURCE,
        command_line=(["--half-close-linger", "10"], "10 s"),
        config=("half-close-linger = 0", "no"),
        default=(None, "2 s")),
    "idle-timeout": Row(
        "closes idle connections", SOURCE,
        command_line=(["--idle-timeout", "10"], "after 10 s"),
        config=("idle-timeout = 20", "after 20 s"),
        default=(None, "never")),
    "user": Row(
        "user if started as root", SOURCE,
        command_line=(["--user", "nobody"], "nobody"),
        config=("user = daemon", "daemon"),
        default=(None, "_localproxy")),
    "sandbox": Row(
        "Landlock", SOURCE,
        config=("sandbox = no-landlock", "NO (--sandbox=no-landlock)"),
        default=(None, "yes")),
    "connection_retry_count": Row(
        "tries a local service", DESTINATION,
        settings=({"tcp": {"connection_retry_count": "-1", "connection_retry_delay_ms": "1"}}, "forever, every 1 ms"),
        default=(None, "5 times, every 2500 ms")),
    "connect_retry_count": Row(
        "reconnects", SOURCE,
        settings=({"websocket": {"connect_retry_count": 3, "retry_delay_ms": "9", "reconnect_on_data_error": "false"}},
                  "3 times, first after 9 ms, not after a protocol error"),
        default=(None, "forever, first after 2500 ms, also after a protocol error")),
    "stall_timeout_ms": Row(
        "resets a local side that takes nothing", SOURCE,
        settings=({"tcp": {"stall_timeout_ms": 0}}, "never"),
        default=(None, "after 10000 ms, when others may wait for it")),
    "ping_period_ms": Row(
        "pings", SOURCE,
        settings=({"websocket": {"ping_period_ms": 6000}}, "every 6000 ms"), default=(None, "every 5000 ms")),
    "subprotocol": Row(
        "subprotocol", SOURCE,
        settings=({"websocket": {"subprotocol": "aws.iot.securetunneling-2.0"}}, "aws.iot.securetunneling-2.0"),
        default=(None, "aws.iot.securetunneling-3.0")),
    "region_endpoint_overrides": Row(
        "endpoint", SOURCE,
        settings=({"region_endpoint_overrides": {"us-east-1": "east.example:8443"}}, "east.example, port 8443"),
        default=(None, of_region("us-east-1"))),
}

CASES = [(name, *pair) for name, row in ROWS.items()
         for pair in itertools.combinations([place for place in PLACES if place in row.says], 2)]


# Options that only one place can set, or that set nothing.
ELSEWHERE = {"sandbox-policy", "sandbox-report", "help", "version", "check", "config", "export-default-settings"}


def test_every_option_has_a_row():
    known = set(re.findall(r"^  (?:-\w,)?--([a-z0-9-]+)", one_shot.run(["--help"]).out, re.MULTILINE))
    assert len(known) > 20
    assert known - ELSEWHERE - {name for row in ROWS for name in row.split(" over ")} == set()


@pytest.fixture
def files(public_directory):
    for name, line in (("one", "ONE=1"), ("two", "TWO=2"), ("work/config", "HERE=3")):
        (public_directory / name).mkdir(parents=True)
        (public_directory / name / "a.ini").write_text(line + "\n", encoding="ascii")
    for name, settings in SETTINGS.items():
        (public_directory / f"{name}.json").write_text(json.dumps({"tunneling": {"proxy": settings}}), encoding="ascii")
    for name in ("own", "other"):
        (public_directory / f"{name}.pem").write_text(PEM, encoding="ascii")
    for name in ("token", "access-token"):
        (public_directory / name).write_text(TOKEN + "\n", encoding="ascii")
        (public_directory / name).chmod(0o600)
    return public_directory


def answer(files, row, places):
    """The value that --check shows when these places set it."""
    def full(text):
        return text.replace("{tmp}", str(files))
    arguments = [full(argument) for argument in row.needs]
    environment = {} if row.line == "access token" else {"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}
    for place in places:
        says = row.says[place][0]
        if place == "command line":
            arguments += map(full, says)
        elif place == "--config":
            path = files / "options.ini"
            path.write_text(full(says) + "\n", encoding="ascii")
            path.chmod(0o600)
            arguments += ["--config", path]
        elif place in ("environment", "credential"):
            environment.update({name: full(value) for name, value in says.items()})
        elif place == "settings":
            path = files / "settings.json"
            path.write_text(json.dumps({"tunneling": {"proxy": says}}), encoding="ascii")
            arguments += ["--settings-json", path]
    outcome = one_shot.check(arguments, environment, files / "work")
    assert TOKEN not in outcome.out + outcome.err
    values = outcome.values(row.line)
    assert len(values) == 1, str(outcome)
    return values[0]


@pytest.mark.parametrize("name,stronger,weaker", CASES, ids=lambda value: value.replace("--", ""))
def test_the_stronger_place_wins(files, name, stronger, weaker):
    row = ROWS[name]
    if name == "no-ssl-host-verify" and "--no-ssl-host-verify" not in one_shot.run(["--help"]).out:
        pytest.skip("this build always verifies the service")
    if row.says[weaker][1] is not None:  # None: this place alone gives no valid command line
        expected = row.says[weaker][1].replace("{tmp}", str(files))
        assert answer(files, row, [weaker]) == expected
    expected = row.says[stronger][1].replace("{tmp}", str(files))
    assert answer(files, row, [stronger]) == expected
    assert answer(files, row, [stronger, weaker]) == expected


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if len(row.says) > 2])
def test_the_strongest_place_wins(files, name):
    row = ROWS[name]
    if name == "no-ssl-host-verify" and "--no-ssl-host-verify" not in one_shot.run(["--help"]).out:
        pytest.skip("this build always verifies the service")
    first = next(place for place in PLACES if place in row.says)
    assert answer(files, row, row.says) == row.says[first][1].replace("{tmp}", str(files))


# Two rival options in one place are an error.
RIVALS = {
    "command line": (["-r", "us-east-1", "-e", "one.example", "-s", "0"], "", {}),
    "--config": (["-s", "0"], "region = us-east-1\nproxy-endpoint = one.example\n", {}),
    "environment": (["-s", "0"], "", {"AWSIOT_TUNNEL_REGION": "us-east-1", "AWSIOT_TUNNEL_ENDPOINT": "one.example"}),
}


@pytest.mark.parametrize("place", RIVALS)
def test_rivals_in_one_place_are_an_error(tmp_path, place):
    arguments, lines, environment = RIVALS[place]
    path = tmp_path / "options.ini"
    path.write_text(lines, encoding="ascii")
    outcome = one_shot.run(["--check", "--config", path, *arguments],
                           {"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN, **environment})
    assert outcome.status == 1
    assert outcome.err == ("Must specify one and only one of --region/-r or --proxy-endpoint/-e options\n"
                           f"{one_shot.TRY_HELP}\n")


def test_an_empty_variable_counts_as_unset(files):
    outcome = one_shot.check(["-s", "0", "-r", "us-east-1"], {
        "AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN, "AWSIOT_TUNNEL_CLIENT_TOKEN": "", "AWSIOT_TUNNEL_ENDPOINT": "",
        "AWSIOT_TUNNEL_REGION": "", "CREDENTIALS_DIRECTORY": ""}, files)
    assert outcome.values("client token") == ["36 characters (made for this run)"]


def test_another_users_config_directory_is_not_read(files):
    (files / "work" / "config").chmod(0o777)
    outcome = one_shot.run(["--check", "-r", "us-east-1", "-m", "dst"],
                           {"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}, files / "work")
    assert outcome.status == 1
    assert "--config-dir" in outcome.err


def test_a_token_from_a_process_substitution():
    """What the shell opens for --access-token-file <(...) is a descriptor that the program finds open."""
    command = shlex.join([str(LOCALPROXY), *SOURCE, "--check", "--access-token-file"])
    done = subprocess.run(["bash", "-c", f"{command} <(printf %s {TOKEN})"], cwd="/", env={"PATH": "/usr/bin:/bin"},
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^access token: .*\b{len(TOKEN)}\b", done.stdout, re.MULTILINE), done.stdout
    assert TOKEN not in done.stdout + done.stderr
