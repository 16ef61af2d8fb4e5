"""Every option of --help with a valid value and its effect; and what only --check, --help and the like do."""

import json
import os
import pwd
import re
import socket
import uuid

import pytest
from harness import one_shot, paths
from harness.lab import READY, endpoint, free_ports, is_root
from harness.paths import is_sanitized
from harness.ports import free_port
from harness.streams import exchange_all

TOKEN = "AQGAAXhLJeSVxMTIzNDU2Nzg5"
CLIENT_TOKEN = str(uuid.UUID(int=7))
VARIABLES = {"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}
REGION = ["-r", "us-east-1"]
SOURCE = ["-s", "0"]
PEM = "".join(f"-----BEGIN {label}-----\nQUJD\n-----END {label}-----\n" for label in ("CERTIFICATE", "PRIVATE KEY"))
PIN = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def options_of_help():
    """The long options of --help -> their letter, or "", and their argument, or ""."""
    rows = re.findall(r"^  (?:-(\w),)?--([a-z0-9-]+)(?: (\S+))?", one_shot.run(["--help"]).out, re.MULTILINE)
    assert len(rows) > 20
    return {name: (letter, argument) for letter, name, argument in rows}


@pytest.fixture
def files(public_directory):
    """The files that the cases below name in braces."""
    (public_directory / "token").write_text(TOKEN + "\n", encoding="ascii")
    (public_directory / "token").chmod(0o600)
    (public_directory / "ca").mkdir()
    (public_directory / "ca.pem").write_text("", encoding="ascii")
    for name in ("own.pem", "key.pem"):
        (public_directory / name).write_text(PEM, encoding="ascii")
    (public_directory / "options.ini").write_text("region = eu-west-1\n", encoding="ascii")
    (public_directory / "services").mkdir()
    (public_directory / "services" / "a.ini").write_text("SSH=/run/ssh.sock\n", encoding="ascii")
    (public_directory / "settings.json").write_text(
        json.dumps({"tunneling": {"proxy": {"websocket": {"ping_period_ms": "7000"}}}}), encoding="ascii")
    return {"tmp": str(public_directory)}


# Option -> value, further arguments, and its line of --check; value None: the option takes none.
CASES = {
    "access-token": (TOKEN, [*REGION, *SOURCE], f"access token: {len(TOKEN)} characters (--access-token)"),
    "access-token-file": ("{tmp}/token", [*REGION, *SOURCE],
                          f"access token: {len(TOKEN)} characters (--access-token-file '{{tmp}}/token')"),
    "client-token": (CLIENT_TOKEN, [*REGION, *SOURCE], "client token: 36 characters (--client-token)"),
    "no-client-token": (None, [*REGION, *SOURCE], "client token: none (--no-client-token)"),
    "proxy-endpoint": ("[::1]:8443", SOURCE, "endpoint: ::1, port 8443"),
    "region": ("cn-north-1", SOURCE, "endpoint: data.tunneling.iot.cn-north-1.amazonaws.com.cn, port 443"),
    "source-listen-port": ("SSH=0", REGION, "listens for: service SSH: a free port"),
    "destination-app": ("SSH=10.0.0.1:22", REGION, "connects for: service SSH: 10.0.0.1, port 22"),
    "local-bind-address": ("127.0.0.9", [*REGION, *SOURCE], "listens on: 127.0.0.9"),
    "capath": ("{tmp}/ca", [*REGION, *SOURCE], "trusts also: the certificates in {tmp}/ca"),
    "cafile": ("{tmp}/ca.pem", [*REGION, *SOURCE], "trusts also: the certificates in {tmp}/ca.pem"),
    "crlfile": ("{tmp}/ca.pem", [*REGION, *SOURCE], "does not trust: what the CRLs in {tmp}/ca.pem revoke"),
    "pin-sha256": (f"{PIN};{PIN}", [*REGION, *SOURCE], "public key of the service: one of 2 (--pin-sha256)"),
    "tls-min": ("1.3", [*REGION, *SOURCE], "TLS: 1.3 only"),
    "proxy-cert": ("{tmp}/own.pem", [*REGION, *SOURCE],
                   "shows an https web proxy: the certificate in {tmp}/own.pem, with the key in {tmp}/own.pem"),
    "proxy-key": ("{tmp}/key.pem", [*REGION, *SOURCE, "--proxy-cert", "{tmp}/own.pem"],
                  "shows an https web proxy: the certificate in {tmp}/own.pem, with the key in {tmp}/key.pem"),
    "no-ssl-host-verify": (None, [*REGION, *SOURCE], "verifies the service: NO (--no-ssl-host-verify)"),
    "mode": ("src", REGION, "listens for: any other service: a free port"),
    "destination-client-type": ("V1", [*REGION, *SOURCE], "the destination speaks: version 1"),
    "verbose": ("6", [*REGION, *SOURCE], "log level: 6 (trace)"),
    "config": ("{tmp}/options.ini", SOURCE, "endpoint: data.tunneling.iot.eu-west-1.amazonaws.com, port 443"),
    "config-dir": ("{tmp}/services", [*REGION, "-m", "dst"], "connects for: service SSH: /run/ssh.sock"),
    "settings-json": ("{tmp}/settings.json", [*REGION, *SOURCE], "pings: every 7000 ms"),
    "half-close-linger": ("7", [*REGION, *SOURCE], "waits for the answer to a client that has ended its side: 7 s"),
    "idle-timeout": ("60", [*REGION, *SOURCE], "closes idle connections: after 60 s"),
    "user": ("nobody", [*REGION, *SOURCE], "user if started as root: nobody"),
    "sandbox": ("no-landlock", [*REGION, *SOURCE], "Landlock: NO (--sandbox=no-landlock)"),
    "check": (None, [*REGION, *SOURCE], "mode: source"),
}
# Options that only print; tested below.
PRINTING = {"help", "version", "export-default-settings", "sandbox-policy", "sandbox-report"}


def test_every_option_has_a_case():
    known = set(options_of_help())
    assert known - PRINTING - set(CASES) == set()
    # A build may lack this option.
    assert set(CASES) | PRINTING <= known | {"no-ssl-host-verify"}


@pytest.mark.parametrize("name", CASES)
def test_an_option_does_what_it_says(files, name):
    known = options_of_help()
    if name not in known:
        pytest.skip(f"this build has no --{name}")
    value, more, expected = CASES[name]
    expected = expected.format(**files)
    more = [word.format(**files) for word in more]
    letter, argument = known[name]
    assert bool(argument) == (value is not None)
    forms = [[f"--{name}"], [f"-{letter}"]] if letter else [[f"--{name}"]]
    if value is not None:
        value = value.format(**files)
        forms = [[*form, value] for form in forms] + [[f"--{name}={value}"]]
        forms += [[f"-{letter}{value}"]] if letter else []
    # The token in the environment ranks below the options.
    for form in forms:
        outcome = one_shot.check([*form, *more] if name != "check" else more, VARIABLES)
        assert expected in outcome.out.splitlines(), str(outcome)
        assert TOKEN not in outcome.out + outcome.err
        assert CLIENT_TOKEN not in outcome.out + outcome.err


@pytest.mark.parametrize("arguments", [
    ["--acces", TOKEN, "--reg", "us-east-1", "--so", "0"],
    ["--access", TOKEN, "--re=us-east-1", "--source-listen=0"],
    ["--access-token-f", "{tmp}/token", "--r", "us-east-1", "--so=0"],
], ids=" ".join)
def test_abbreviations(files, arguments):
    arguments = [argument.format(**files) for argument in arguments]
    outcome = one_shot.check(arguments)
    assert outcome.values("endpoint") == ["data.tunneling.iot.us-east-1.amazonaws.com, port 443"]
    assert TOKEN not in outcome.out + outcome.err


@pytest.mark.parametrize("question", ["-h", "--help", "--hel", "-V", "--version", "--vers"])
@pytest.mark.parametrize("others", [[], ["--no-such-option"], ["-s", "nonsense", "-d"], ["--config", "/nonexistent"],
                                    ["--check"], ["--region"], ["--conf", "x"]], ids=" ".join)
def test_informational_options_win_over_everything(question, others):
    expected = r"^Usage: localproxy|^localproxy: " if question.startswith(("-h", "--h")) else \
        r"^localproxy \d+\.\d+\.\d+\S*\n$"
    for arguments in ([question, *others], [*others, question]):
        outcome = one_shot.run(arguments)
        assert (outcome.status, outcome.err) == (0, ""), str(outcome)
        assert re.search(expected, outcome.out, re.MULTILINE), str(outcome)


def test_exported_settings_load_without_a_note(tmp_path):
    path = tmp_path / "settings.json"
    assert one_shot.run(["--export-default-settings", path, "-s", "ignored"]).status == 0
    printed = one_shot.run(["--export-default-settings", "-"])
    assert printed.out == path.read_text(encoding="ascii")
    outcome = one_shot.check([*REGION, *SOURCE, "--settings-json", path, "-v", "6", "-i", "random"], VARIABLES)
    assert outcome.err == ""
    plain = one_shot.check([*REGION, *SOURCE, "-v", "6", "-i", "random"], VARIABLES)
    # Free ports differ.
    def settled(text):
        return [line for line in text.splitlines() if not line.startswith("can listen on")]
    assert settled(outcome.out) == settled(plain.out)


def test_a_fixed_setting_is_noted_for_debugging_only(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"tunneling": {"proxy": {"tcp": {"read_buffer_size": 1}}}}', encoding="ascii")
    arguments = [*REGION, *SOURCE, "--settings-json", path]
    assert one_shot.check([*arguments, "-v", "4"], VARIABLES).err == ""
    assert re.search(r"\[debug\].*tcp\.read_buffer_size is always 131076",
                     one_shot.check([*arguments, "-v", "5"], VARIABLES).err)


def test_check_fails_with_status_1_and_the_reason():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        for verbosity in ("0", "4"):
            outcome = one_shot.run(["--check", *REGION, "-s", port, "-v", verbosity], VARIABLES)
            assert (outcome.status, outcome.out, outcome.left) == (1, "", False)
            assert len(outcome.err.splitlines()) == 1
            assert f"127.0.0.1:{port}" in outcome.err
    # The same command passes as soon as the port is free, and leaves it free.
    for _ in range(2):
        outcome = one_shot.check([*REGION, "-s", port], VARIABLES)
        assert f"127.0.0.1:{port}" in outcome.values("can listen on")[0]
    outcome = one_shot.run(["--check", *REGION, "-d", "22", "-b", "192.0.2.1"], VARIABLES)
    assert outcome.status == 1
    assert "192.0.2.1" in outcome.err


def test_check_leaves_no_socket(public_directory):
    path = public_directory / "local.sock"
    for _ in range(2):
        outcome = one_shot.check([*REGION, "-s", f"A={path},B=-"], VARIABLES)
        assert outcome.values("can listen on") == [str(path), "standard input and output"]
        assert not path.exists()
    path.write_text("somebody's file", encoding="ascii")
    outcome = one_shot.run(["--check", *REGION, "-s", f"A={path}"], VARIABLES)
    assert outcome.status == 1
    assert str(path) in outcome.err
    assert path.read_text(encoding="ascii") == "somebody's file"


def test_check_shows_the_user_and_the_programs(files):
    outcome = one_shot.check([*REGION, *SOURCE, "--access-token-file", "{tmp}/token".format(**files)])
    if is_root():
        assert outcome.values("runs as")[0].startswith("_localproxy, ")
        assert outcome.values("SIGHUP reads the token again") == ["NO, that user may not read the file"]
    else:
        assert outcome.values("SIGHUP reads the token again") == ["yes"]
    assert [path.rsplit("/", 1)[1] for path in outcome.values("helper")] == [
        "localproxy-net", "localproxy-bridge", "localproxy-resolve", "localproxy-launch"]
    assert "seccomp" in outcome.values("sandbox")[0]


def test_check_finds_a_missing_user():
    if not is_root():
        pytest.skip("only root becomes another user")
    outcome = one_shot.run(["--check", *REGION, *SOURCE, "--user", "no-such-user-here"], VARIABLES)
    assert outcome.status == 1
    assert "no-such-user-here" in outcome.err


def sandbox_table(more=()):
    """The output of --sandbox-report: {row: {process: text}}, and the lines below the table."""
    outcome = one_shot.run(["--sandbox-report", *more])
    assert (outcome.status, outcome.left) == (0, False), str(outcome)
    head, *lines = outcome.out.splitlines()
    processes = head.split()
    assert processes == ["monitor", "launch", "net", "bridge", "resolve"]
    rows = [re.split(r"\s{2,}", line) for line in lines if not line.startswith(tuple(processes))]
    assert all(len(cells) == 6 for cells in rows), outcome.out
    table = {cells[0]: dict(zip(processes, cells[1:])) for cells in rows}
    return table, [line for line in lines if line.startswith(tuple(processes))], outcome.err


def test_the_report_of_the_sandbox():
    table, notes, err = sandbox_table()
    assert err == ""
    user = pwd.getpwnam("_localproxy") if is_root() else pwd.getpwuid(os.getuid())
    assert set(table["user id"].values()) == {str(user.pw_uid)}
    assert set(table["group id"].values()) == {str(user.pw_gid)}
    for row in ("no capabilities", "no new privileges", "no core, no ptrace", "system call filter"):
        expected = "NO" if is_sanitized() and row == "system call filter" else "yes"
        assert set(table[row].values()) == {expected}, row
    assert all(re.fullmatch(r"ABI \d+", text) for text in table["Landlock"].values())
    assert {role for role, text in table["namespaces"].items() if text == "own"} in ({"net", "bridge"}, set())
    # Either they were granted, or the report says that they were not.
    assert len(notes) == (0 if table["namespaces"]["net"] == "own" else 2)


def test_the_report_of_a_sandbox_without_landlock():
    table, _, _ = sandbox_table(["--sandbox=no-landlock"])
    assert set(table["Landlock"].values()) == {"NO"}


def test_the_report_of_a_sandbox_that_cannot_be_entered():
    if not is_root():
        pytest.skip("only root becomes another user")
    outcome = one_shot.run(["--sandbox-report", "--user", "no-such-user-here"])
    assert (outcome.status, outcome.out, outcome.left) == (71, "", False)
    assert "no-such-user-here" in outcome.err


def test_the_policy_of_the_sandbox():
    """It starts nothing, and needs neither a token, a user nor a helper."""
    outcome = one_shot.run(["--sandbox-policy", "--user", "no-such-user-here"])
    assert (outcome.status, outcome.err, outcome.left) == (0, "", False), str(outcome)
    titles = [line for line in outcome.out.splitlines() if re.fullmatch(r"[a-zA-Z][a-zA-Z ]+", line)]
    assert titles == ["EVERY PROCESS", "monitor", "launch", "net", "bridge", "resolve"]
    # tests/unit/sandbox/describe_test.cc looks at every rule.
    assert len(re.findall(r"^  [a-z]+[a-z0-9_]*  ", outcome.out, re.MULTILINE)) > 150


def test_the_policy_of_a_configured_run(public_directory):
    outcome = one_shot.run(["--sandbox-policy", *REGION, "-s", f"SSH=5555,APP={public_directory}/app.sock",
                            "--access-token-file", public_directory / "token"])
    assert (outcome.status, outcome.err) == (0, ""), str(outcome)
    for rule in ("listen on TCP port +5555", "connect to TCP port +443", f"make and remove sockets +{public_directory}/",
                 f"read +{public_directory}/"):
        assert re.search(rf"^  {rule}$", outcome.out, re.MULTILINE), rule
    refused = one_shot.run(["--sandbox-policy", "--sandbox=no-landlock"])
    assert refused.out.count("Landlock: NO (--sandbox=no-landlock)") == 5
    for other in ("--check", "--sandbox-report"):
        assert one_shot.run(["--sandbox-policy", other]).status == 1


def examples(manual):
    """The examples of a manual page, each as a text."""
    page = (paths.ROOT / "man" / manual).read_text(encoding="ascii")
    part = re.search(r"^\.Sh EXAMPLES$(.*?)^\.Sh ", page, re.MULTILINE | re.DOTALL)[1]
    found = re.findall(r"^\.Bd .*?$\n(.*?)^\.Ed$|^\.Dl (.*)$", part, re.MULTILINE | re.DOTALL)
    return [block or line for block, line in found]


def test_the_commands_of_the_manual_page(public_directory):
    """Runs each with --check."""
    for name in ("source.token", "destination.token", "tunnel.conf"):
        path = public_directory / name
        path.write_text(f"region=us-east-1\nsource-listen-port=0\naccess-token={TOKEN}\n" if ".conf" in name else TOKEN,
                        encoding="ascii")
        path.chmod(0o600)
    commands = [found[1] for text in examples("localproxy.1")
                for found in re.finditer(r"^\$ (?:print-token \| |ssh .*')?localproxy ([^'\n]*)", text, re.MULTILINE)]
    assert len(commands) >= 6
    commands.remove("--sandbox-report")  # above
    for command in commands:
        # Another test or program may be using that port.
        command = command.replace("5555", "0").replace("/etc/localproxy/", "").replace("--check", "")
        one_shot.check(command.split(), VARIABLES, public_directory, stdin=TOKEN.encode())


def test_the_files_of_the_manual_page(public_directory):
    options, services, settings = examples("localproxy.conf.5")
    token = public_directory / "token"
    token.write_text(TOKEN, encoding="ascii")
    token.chmod(0o600)
    options = options.replace("/run/credentials/tunnel.token", str(token)).replace("5555", "0").replace("8080", "0")
    (public_directory / "options.ini").write_text(options, encoding="ascii")
    (public_directory / "settings.json").write_text(settings, encoding="ascii")
    outcome = one_shot.check(["--config", "options.ini", "--settings-json", "settings.json"], {}, public_directory)
    assert outcome.err == ""
    assert outcome.values("listens for") == ["service SSH1: a free port", "service HTTP1: a free port"]
    assert outcome.values("pings") == ["every 20000 ms"]
    (public_directory / "config").mkdir()
    (public_directory / "config" / "a.ini").write_text(services, encoding="ascii")
    outcome = one_shot.check([*REGION, "-m", "dst"], VARIABLES, public_directory)
    assert len(outcome.values("connects for")) == 3
    assert outcome.err == ""


def test_check_connects_to_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one_shot.check(["-e", f"127.0.0.1:{listener.getsockname()[1]}", *SOURCE], VARIABLES)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def _tunnel_with(lab, stream_server, **source_options):
    service = lab.service({"t1": ["APP"]})
    lab.destination(service, "t1", {"APP": f"127.0.0.1:{stream_server.port}"}).wait_log(READY)
    ports = free_ports(["APP"])
    return service, ports, lambda more, **options: lab.source(
        service, "t1", ports, token=None, more=more, **{**source_options, **options})


def test_the_token_from_a_systemd_credential(lab, stream_server):
    service, ports, start = _tunnel_with(lab, stream_server)
    credentials = lab.make_directory("credentials")
    (credentials / "access-token").write_text(service.token("t1", "source") + "\n", encoding="ascii")
    (credentials / "access-token").chmod(0o644)
    source = start([], environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    source.secrets.append(service.token("t1", "source"))
    source.wait_log(rf"Listening for new connection on port {ports['APP']}\b")
    exchange_all([(ports["APP"], 1, 10_000, 10_000)])


def test_the_token_from_a_file(lab, stream_server):
    service, ports, start = _tunnel_with(lab, stream_server)
    path = lab.directory / "source.token"
    path.write_text(service.token("t1", "source") + "\r\n", encoding="ascii")
    path.chmod(0o600)
    source = start(["--access-token-file", path])
    source.secrets.append(service.token("t1", "source"))
    source.wait_log(rf"Listening for new connection on port {ports['APP']}\b")
    exchange_all([(ports["APP"], 1, 10_000, 10_000)])


def test_the_token_from_standard_input(lab, stream_server):
    service, ports, start = _tunnel_with(lab, stream_server)
    source = start(["--access-token-file", "-"], stdin=service.token("t1", "source").encode() + b"\n")
    source.secrets.append(service.token("t1", "source"))
    source.wait_log(rf"Listening for new connection on port {ports['APP']}\b")
    exchange_all([(ports["APP"], 1, 10_000, 10_000)])


def test_without_a_client_token_the_token_serves_one_connection(lab):
    service = lab.service({"t1": ["APP"]})
    source = lab.source(service, "t1", free_ports(["APP"]), more=["--no-client-token"])
    source.wait_log(READY)
    service.wait_connected("t1", "source")
    service.control("kick", tunnel="t1", side="source", how="rst")
    assert source.wait() == 77


def test_a_map_from_the_configuration_directory(lab, stream_server):
    service = lab.service({"t1": ["SSH", "HTTP"]})
    directory = lab.make_directory("services")
    port = free_port()
    (directory / "deeper").mkdir(mode=0o755)
    (directory / "deeper" / "a.ini").write_text(f"SSH = {port}\n", encoding="ascii")
    (directory / "broken.ini").write_text("SSH = 1\nthis is no line of an INI file\n", encoding="ascii")
    destinations = lab.make_directory("destinations")
    (destinations / "d.ini").write_text(
        f"SSH=127.0.0.1:{stream_server.port}\nHTTP=127.0.0.1:{stream_server.port}\nOTHER=1\n", encoding="ascii")
    common = ["-e", endpoint(service), "-c", lab.ca_directory(service), "-v", 5]
    destination = lab.proxy(["-m", "dst", "--config-dir", destinations, *common], name="destination",
                            token=service.token("t1", "destination"))
    destination.wait_log(READY)
    source = lab.proxy(["-m", "src", "--config-dir", directory, *common], name="source",
                       token=service.token("t1", "source"))
    source.wait_log(r"\[warning\].*broken\.ini', line 2: this is not 'name = value'")
    source.wait_log(rf"Listening for new connection on port {port}\b")
    # The other service gets a free port.
    until_free = source.wait_log(rf"Listening for new connection on port (?!{port}\b)(\d+)")
    exchange_all([(port, 1, 10_000, 10_000), (int(until_free[1]), 2, 10_000, 10_000)])
