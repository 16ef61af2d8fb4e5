"""Malformed command lines, INI files and JSON files: each is refused with status 1 and one clear line, before anything is
started, bound or connected, and without any part of a secret."""

import json
import random

import pytest
from harness import one_shot

# Parts of secrets that no output may contain; nothing else in this file contains them.
MARK = "Sesame"
TOKEN = f"AQGA{MARK}1234567890abcdefgh"
CLIENT_TOKEN = f"{MARK}-0123-4567-89ab-cdef01234567"
VARIABLES = {"AWSIOT_TUNNEL_ACCESS_TOKEN": TOKEN}
REGION = ["-r", "us-east-1"]
SOURCE = ["-s", "0"]
GOOD = [*REGION, *SOURCE]
MUTATIONS = 60  # of each kind
SEED = 20

# Texts that scripts match exactly: arguments, reason. There is no token unless the arguments have one.
VERBATIM = [
    ([], "the option '--access-token' is required but missing"),
    (GOOD, "the option '--access-token' is required but missing"),
    (["-t", TOKEN], "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"),
    (["-t", TOKEN, *SOURCE], "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"),
    (["-t", TOKEN, *GOOD, "-e", "one.example"],
     "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"),
    (["-t", TOKEN, *REGION], "Must specify one of --source-listen-port/-s or --destination-app/-d or --mode"),
    (["-t", TOKEN, *GOOD, "-d", "22"],
     "Must specify one and only one of --source-listen-port/-s or --destination-app/-d"),
    (["-t", TOKEN, *REGION, "-m", "sideways"],
     "Mode value is wrong! Allowed values are: src, dst, source, destination"),
    (["-t", TOKEN, *REGION, "-m=src"], "Mode value is wrong! Allowed values are: src, dst, source, destination"),
    (["-t", TOKEN, *GOOD, "-m", "dst"], "-s and --mode have mismatched mode. Mode is set to destination!"),
    (["-t", TOKEN, *GOOD, "--mode=destination"], "-s and --mode have mismatched mode. Mode is set to destination!"),
    (["-t", TOKEN, *REGION, "-d", "22", "-m", "src"], "-d and --mode have mismatched mode. Mode is set to source!"),
    (["-Z"], "unrecognised option '-Z'"),
    (["--no-such-option"], "unrecognised option '--no-such-option'"),
    ([f"--no-such-option={TOKEN}"], "unrecognised option '--no-such-option'"),
    (["-v"], "the required argument for option '--verbose' is missing"),
    (["-t"], "the required argument for option '--access-token' is missing"),
    (["-t", "-r", "us-east-1"], "the required argument for option '--access-token' is missing"),
    (["--region="], "the argument for option '--region' should follow immediately after the equal sign"),
    (["--check=yes"], "option '--check' does not take any arguments"),
    (["-t", TOKEN, "-t", TOKEN], "option '--access-token' cannot be specified more than once"),
    (["--access", TOKEN, "-t", TOKEN], "option '--access-token' cannot be specified more than once"),
    (["-s", "1", "-s", "2"], "option '--source-listen-port' cannot be specified more than once"),
    (["--conf", TOKEN], "option '--conf' is ambiguous and matches '--config' and '--config-dir'"),
]

BAD_PORTS = ["65536", "70000", "69632", "99999999999", "-1", "+22", "022", "22x", "x", "0x16", "2 2", "2.2", "²²"]
BAD_HOSTS = ["a b", "a..b", ".a", "-a.example", "a_b!", "1.2.3", "1.2.3.4.5", "256.1.1.1", "[::1", "::1]", "a" * 64,
             "x." * 130 + "x", "h\nost", "h\x01ost", "h\x7fost", "hö.example"]
# Arguments that are each wrong on their own; the token and everything else that a start needs is there.
BAD_VALUES = {
    "-s": [*BAD_PORTS, "", ",", "SSH=", "=22", "1,2", "SSH=1,SSH=2", "SSH=1,HTTP=1", "S H=1", "SSH=1=2", "a.b=1",
           "/run/", "http://x", "x" * 129 + "=1", ",".join(f"S{number}=0" for number in range(65)),
           "/" + "x" * 200, "-,-", "host", "host:", "[::1]"] + [f"SSH={port}" for port in BAD_PORTS],
    "-d": [*BAD_PORTS, "0", "", "SSH=-", "SSH=0", "host", "host:", "::1:22", "[::1]22", "[1.2.3.4]:22", "/run/"]
          + [f"host:{port}" for port in BAD_PORTS] + [f"[::1]:{port}" for port in BAD_PORTS],
    "-e": ["", "wss://one.example", "https://one.example", "one.example/tunnel", "one.example:", ":443", "::1:443",
           "one.example:0", *BAD_HOSTS] + [f"one.example:{port}" for port in BAD_PORTS],
    "-r": ["", "US-EAST-1", "us_east_1", " us-east-1", "us-east-1 ", "us-east-1\n", "-us", "us-", "ü", "us-east-1/",
           "https://us-east-1", "data.tunneling.iot.us-east-1.amazonaws.com", "us-east-1:443", "x" * 64, TOKEN,
           CLIENT_TOKEN, TOKEN * 20],
    "-b": BAD_HOSTS,
    "-v": ["", "x", "-1", "256", "4x", "4.5", " 4", "99999999999"],
    "-m": ["", "SRC", "both", "src ", "s"],
    "-i": ["", "short", CLIENT_TOKEN + " ", CLIENT_TOKEN + "\n", "x" * 31, "x" * 129, CLIENT_TOKEN + "_",
           CLIENT_TOKEN + "é", "/etc/" + MARK * 6],
    "-c": ["/nonexistent", "/dev/null"],
    "--cafile": ["/nonexistent", "/", ""],
    "--crlfile": ["/nonexistent", "/", ""],
    "--pin-sha256": ["", ";", "sha256//", "sha256//" + "A" * 44, "A" * 43 + "=", "sha256//" + "A" * 42 + "B=", "x",
                     ";".join(["sha256//" + "A" * 43 + "="] * 17)],
    "--tls-min": ["", "1", "1.1", "1.4", "TLSv1.3"],
    "--proxy-cert": ["", "/nonexistent", "/", "/dev/null", "/etc/hostname"],
    "--proxy-key": ["", "/nonexistent", "/etc/hostname"],
    "--half-close-linger": ["", "-1", "x", "604801"],
    "--idle-timeout": ["", "-1", "x", "1s", "1.5", "604801", "99999999999"],
    "--sandbox": ["", "off", "no-seccomp", "no-landlock,"],
    "--user": ["", "a:b", "a/b", "a b"],
    "--config": ["", "/nonexistent", "/"],
    "--config-dir": ["", "/nonexistent", "/dev/null"],
    "--settings-json": ["", "/nonexistent", "/", "/dev/null"],
    "--access-token-file": ["", "/nonexistent", "/", "/dev/null"],
    "--export-default-settings": ["", "/nonexistent/x", "/", "/dev/full"],
}
# What must not be combined with an option of the table.
WITHOUT = {"-s": REGION, "-d": REGION, "-e": SOURCE, "-r": SOURCE, "-m": REGION, "--config-dir": [*REGION, "-m", "dst"]}

BAD_TOKENS = ["two words", "Sesame\n", "Se\nsame", "Se\tsame", "Se\x01same", "Se\x7fsame", "Sésame", "/etc/hostname",
              "./Sesame", "~/Sesame", " Sesame", "Sesame" + "x" * 4096]

BAD_INI = [
    f"{MARK}", "region", "= us-east-1", f"nope = {MARK}", "r = us-east-1", "--region = us-east-1", "Region = us-east-1",
    "reg = us-east-1", "help = true", "version = true", "check = true", "config = x", "export-default-settings = x",
    "[section", "[section]\nregion = us-east-1", "region = us-east-1\nregion = us-east-1", "region =", "verbose =",
    "verbose = loud", "no-client-token = perhaps", "no-client-token =", f"access-token = {MARK} {MARK}",
    f"access-token = {TOKEN}\naccess-token = {TOKEN}", f"client-token = {MARK}", f"client-token = {TOKEN}",
    "region = us-east-1\0", "\x7fELF\0\1\2", "source-listen-port = 70000", "destination-app = SSH=22,HTTP",
    "region = us-east-1\nproxy-endpoint = one.example", "mode = sideways", "capath = /nonexistent",
    "access-token-file = /nonexistent", "#" * 70_000, "settings-json = /nonexistent", "idle-timeout = never",
]

BAD_JSON = [
    "", " ", "{", "}", "[]", "1", "null", '"text"', "{} {}", "{'a': 1}", '{"a": 1,}', "// x\n{}", "\ufeff", "nonsense",
    "[" * 100_000, '{"a":' * 100_000, '{"tunneling": 1}', '{"tunneling": {"proxy": []}}',
]
BAD_SETTINGS = {
    "default_bind_address": ['""', '"a b"', "1", "null", "[]"],
    "endpoint_format": ['""', '"one.example"', '"%s.%s.example"', '"%d.example"', '"wss://%s"', "1", "null"],
    "region_endpoint_overrides": ["1", "[]", '{"US": "x"}', '{"us-east-1": "wss://x"}', '{"us-east-1": "x:70000"}',
                                  '{"us-east-1": {}}'],
    "tcp": ["1", "null", '"x"', "[]"],
    "tcp.connection_retry_count": ["-2", '""', '"5x"', "5.5", "true", "null", "99999999999", "1e400"],
    "tcp.connection_retry_delay_ms": ["-1", "86400001", '"soon"'],
    "tcp.max_active_connections": ["0", "-1", "16385", '"many"'],
    "tcp.stall_timeout_ms": ["-1", "86400001", "1.5", '"never"', "null"],
    "websocket.ping_period_ms": ["0", "99", "86400001", "{}"],
    "websocket.retry_delay_ms": ["0", "60001", "-1"],
    "websocket.connect_retry_count": ["-2", '"forever"'],
    "websocket.reconnect_on_data_error": ["1", '"yes"', '"True"', "null"],
    "websocket.subprotocol": ['"aws.iot.securetunneling-4.0"', '""', "3"],
    "message.max_payload_size": ["null", "{}", "[]"],
}


def faults_of(outcome, reason=None):
    """The faults in how a malformed start ended."""
    lines = outcome.err.splitlines()
    if outcome.status != 1:
        yield "the status is not 1"
    if len(lines) != 2 or not lines[0] or lines[-1] != one_shot.TRY_HELP:
        yield "standard error is not a reason and the hint"
    if reason is not None and lines[0:1] != [reason]:
        yield f"the reason is not {reason!r}"
    if outcome.out:
        yield "there is something on standard output"
    if MARK in outcome.err:
        yield "a secret is shown"
    if outcome.left:
        yield "a process is left behind"
    if any(byte < " " and byte != "\n" or byte == "\x7f" for byte in outcome.err):
        yield "there is a control character"


def refuse(runs):
    """Runs each (name, arguments, environment, reason or None), and fails with the list of all faults."""
    reports = []
    for name, arguments, environment, reason in runs:
        outcome = one_shot.run(arguments, environment)
        reports += [f"{name}: {fault}: {outcome.err!r}" for fault in faults_of(outcome, reason)]
    assert runs
    assert not reports, "\n".join(reports)


def test_the_unmutated_lines_are_valid():
    """The lines that the mutations start from are valid; otherwise the mutations would prove nothing."""
    one_shot.check(GOOD, VARIABLES)
    one_shot.check([*GOOD, "-i", CLIENT_TOKEN, "-v", "5", "-b", "127.0.0.1"], VARIABLES)


def test_texts_that_scripts_match():
    refuse([(str(arguments), arguments, None, reason) for arguments, reason in VERBATIM])


@pytest.mark.parametrize("option", BAD_VALUES)
def test_values(option):
    rest = WITHOUT.get(option, GOOD)
    forms = []
    for value in BAD_VALUES[option]:
        forms.append((repr(value), [*rest, option, value], VARIABLES, None))
        if option.startswith("--") and value:
            forms.append((repr(value), [*rest, f"{option}={value}"], VARIABLES, None))
    refuse(forms)


def test_tokens(tmp_path):
    runs = []
    for token in ["", *BAD_TOKENS]:
        runs.append((f"-t {token!r}", ["-t", token, *GOOD], None, None))
        path = tmp_path / f"token{len(runs)}"
        # A line end after the token is not part of it.
        path.write_text("Se\nsame" if token == "Sesame\n" else token, encoding="utf-8")
        runs.append((f"file {token!r}", ["--access-token-file", path, *GOOD], None, None))
        if token:  # an empty variable counts as unset
            runs.append((f"variable {token!r}", GOOD, {"AWSIOT_TUNNEL_ACCESS_TOKEN": token}, None))
    for token in ["short", CLIENT_TOKEN + "_", CLIENT_TOKEN * 4, TOKEN]:
        runs.append((f"client {token!r}", GOOD, {**VARIABLES, "AWSIOT_TUNNEL_CLIENT_TOKEN": token}, None))
    runs.append(("both the same", ["-i", CLIENT_TOKEN, *GOOD], {"AWSIOT_TUNNEL_ACCESS_TOKEN": CLIENT_TOKEN},
                 "--client-token: the client token is the access token; it is one of your own choice"))
    for variable in ("AWSIOT_TUNNEL_REGION", "AWSIOT_TUNNEL_ENDPOINT"):
        runs.append((variable, SOURCE, {**VARIABLES, variable: TOKEN}, None))
    for proxy in (MARK, f"ftp://{MARK}", f"http://{MARK}:{MARK}@", f"http://u:{MARK}@host:70000"):
        runs.append((f"proxy {proxy}", GOOD, {**VARIABLES, "https_proxy": proxy}, None))
    refuse(runs)


def test_mutated_command_lines():
    """A byte that no value of these options may contain, at some place in one of them."""
    randomness = random.Random(SEED)
    start = {"-r": "us-east-1", "-s": "SSH=0,HTTP=0", "-b": "127.0.0.1", "-i": CLIENT_TOKEN, "-t": TOKEN}
    runs = []
    for _ in range(MUTATIONS):
        words = dict(start)
        option = randomness.choice(sorted(words))
        value = words[option]
        at = randomness.randrange(1, len(value))
        words[option] = value[:at] + randomness.choice("\n\r\x01\x1b\x7f \"'\\{}<>$%;é") + value[at:]
        # Blanks around ids and ports do not count.
        if option == "-s" and " " in words[option]:
            words[option] = words[option].replace(" ", "\x01")
        # These are valid in an access token.
        if option == "-t":
            words[option] = value[:at] + randomness.choice("\n\r\x01\x1b\x7f \té") + value[at:]
        runs.append((str(words), [word for pair in words.items() for word in pair], None, None))
    refuse(runs)


@pytest.fixture
def refuse_files(tmp_path):
    def run(option, contents, rest):
        runs = []
        for number, content in enumerate(contents):
            path = tmp_path / f"file{number}"
            path.write_bytes(content.encode("utf-8"))
            path.chmod(0o600)
            runs.append((repr(content[:200]), [option, path, *rest], VARIABLES, None))
        refuse(runs)
    return run


def test_ini_files(refuse_files):
    # Each file is valid except for its one fault.
    def completed(content):
        more = [] if "region" in content or "endpoint" in content.lower() else ["region = us-east-1"]
        more += [] if "listen" in content or "app" in content or "mode" in content else ["source-listen-port = 0"]
        return "\n".join([*more, content]) + "\n"
    refuse_files("--config", [completed(content) for content in BAD_INI if content not in ("region", "region =")], [])
    refuse_files("--config", ["region\n", "region =\n"], SOURCE)


def test_mutated_ini_files(refuse_files):
    randomness = random.Random(SEED)
    lines = [f"access-token = {TOKEN}", f"client-token = {CLIENT_TOKEN}", "region = us-east-1",
             "source-listen-port = 0", "verbose = 5", "no-ssl-host-verify = false"]
    contents = []
    for _ in range(MUTATIONS):
        changed = list(lines)
        at = randomness.randrange(len(changed))
        line = changed[at]
        changed[at] = randomness.choice([
            line.replace(" = ", " "),  # no equals sign
            line[1:], "x" + line,  # another name
            line + "\n" + line,  # twice
            line.split("=")[0] + "=",  # no value
            "[section]\n" + line,
            line.replace(" = ", " = \x01"),
            "[" + line,
            line.replace(" = ", " = \0"),
        ])
        contents.append("\n".join(changed) + "\n")
    refuse_files("--config", contents, [])


def nested(key, value):
    """A settings file with one setting, whose value is JSON."""
    for name in reversed(["tunneling", "proxy", *key.split(".")]):
        value = f'{{"{name}": {value}}}'
    return value


def test_json_files(refuse_files):
    refuse_files("--settings-json", BAD_JSON, GOOD)
    refuse_files("--settings-json",
                 [nested(key, value) for key, values in BAD_SETTINGS.items() for value in values], GOOD)


def test_mutated_json_files(refuse_files):
    randomness = random.Random(SEED)
    good = one_shot.run(["--export-default-settings", "-"]).out
    json.loads(good)
    places = [at for at, byte in enumerate(good) if byte in '{}":,']
    contents = []
    for _ in range(MUTATIONS):
        at = randomness.choice(places)
        contents.append(randomness.choice([
            good[:at],  # cut
            good[:at] + good[at + 1:],  # without that character
            good[:at] + "\0" + good[at:],
            good[:at] + "]" + good[at + 1:],
        ]))
    # A text that Python accepts as JSON would prove nothing.
    for content in contents:
        with pytest.raises(ValueError):
            json.loads(content)
    refuse_files("--settings-json", contents, GOOD)


def test_there_are_many_malformed_inputs():
    tables = [VERBATIM, BAD_INI, BAD_JSON, *BAD_VALUES.values(), *BAD_SETTINGS.values()]
    assert sum(map(len, tables)) + 3 * MUTATIONS >= 200
