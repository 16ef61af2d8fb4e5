"""Which servers the proxy trusts: chain, name, version; and what happens otherwise."""

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import subprocess

import pytest
from harness.lab import READY, free_ports
from harness.sockets import plain_server

# The words of OpenSSL, or ours.
NOT_TRUSTED = r"(?i)(certificate verify failed|unable to get local issuer|self.signed|unable to verify)"
WRONG_NAME = r"(?i)(host ?name mismatch|ip address mismatch|name does not match|certificate verify failed)"
EXPIRED = r"(?i)(expired|certificate verify failed)"
LOUD = r"(?i)warn.*verif"


@pytest.fixture
def service(lab):
    return lab.service({"t1": ["APP"]})


def no_upgrade_was_accepted(service):
    return service.status()["handshakes"]["accepted"] == 0


def source_with(lab, service, *arguments, host="localhost"):
    return lab.proxy(["-s", f"APP={free_ports(['APP'])['APP']}", "-e", f"{host}:{service.port}", "-v", 5, *arguments],
                     name="source", token=service.token("t1", "source"))


def test_an_unnamed_authority_is_not_trusted(lab, service):
    source = source_with(lab, service)
    source.wait_log(NOT_TRUSTED)
    assert no_upgrade_was_accepted(service)


def test_a_directory_with_another_authority_does_not_help(lab, service):
    other = lab.service({"t1": ["APP"]})
    source = source_with(lab, service, "-c", lab.ca_directory(other))
    source.wait_log(NOT_TRUSTED)
    assert no_upgrade_was_accepted(service)


@pytest.mark.parametrize("kind, reason", [("wrong-name", WRONG_NAME), ("expired", EXPIRED), ("untrusted", NOT_TRUSTED)])
def test_a_bad_certificate_is_refused(lab, service, kind, reason):
    service.control("certificate", kind=kind)
    source = source_with(lab, service, "-c", lab.ca_directory(service))
    source.wait_log(reason)
    assert no_upgrade_was_accepted(service)


def test_an_address_that_the_certificate_does_not_name_is_refused(lab):
    service = lab.service({"t1": ["APP"]}, listen=["127.0.0.2:0"])
    source = source_with(lab, service, "-c", lab.ca_directory(service), host="127.0.0.2")
    source.wait_log(WRONG_NAME)
    assert no_upgrade_was_accepted(service)


def test_an_address_that_the_certificate_names_is_accepted(lab, service):
    source_with(lab, service, "-c", lab.ca_directory(service), host="127.0.0.1").wait_log(READY)


def test_version_1_2_is_enough(lab, service):
    service.control("tls", max="1.2")
    source_with(lab, service, "-c", lab.ca_directory(service)).wait_log(READY)


def test_version_1_2_is_refused_where_1_3_is_the_least(lab, service):
    service.control("tls", max="1.2")
    source = source_with(lab, service, "-c", lab.ca_directory(service), "--tls-min", "1.3")
    source.wait_log(r"older than TLS 1\.2, or than --tls-min")
    assert no_upgrade_was_accepted(service)
    service.control("tls", max="1.3")
    source.wait_log(READY)
    assert source.find_log(r"TLS: TLSv1\.3, ")


# ---- pinned public keys ----

ANOTHER_KEY = "sha256//" + base64.b64encode(hashlib.sha256(b"").digest()).decode()


def key_of(service):
    """The public key of the service, as curl and --pin-sha256 write it."""
    certificate = ssl.get_server_certificate(("127.0.0.1", service.port))
    key = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=certificate.encode(), check=True,
                         stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True,
                         stdout=subprocess.PIPE).stdout
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.mark.parametrize("form", ["one", "one of a list", "one of several options"])
def test_a_pinned_key_is_accepted(lab, service, form):
    key = key_of(service)
    pins = {"one": ["--pin-sha256", key], "one of a list": ["--pin-sha256", f"{ANOTHER_KEY};{key}"],
            "one of several options": ["--pin-sha256", ANOTHER_KEY, "--pin-sha256", key]}
    source_with(lab, service, "-c", lab.ca_directory(service), *pins[form]).wait_log(READY)


@pytest.mark.parametrize("how", ["verified", "not verified"])
def test_another_key_than_the_pinned_one_is_refused_and_named(lab, service, how):
    more = ["-c", lab.ca_directory(service)] if how == "verified" else ["-k"]
    source = source_with(lab, service, *more, "--pin-sha256", ANOTHER_KEY,
                         *lab.settings(websocket={"connect_retry_count": 0}))
    assert source.wait() == 69
    assert source.find_log(rf"error.*TLS handshake with localhost:{service.port}: the certificate for localhost was "
                           rf"not accepted: its public key is {re.escape(key_of(service))}, which --pin-sha256 does "
                           r"not name \(subject /CN=tunnel-service")
    assert no_upgrade_was_accepted(service)


def test_a_pinned_key_does_not_replace_the_verification(lab, service):
    source = source_with(lab, service, "--pin-sha256", key_of(service))
    source.wait_log(NOT_TRUSTED)
    assert no_upgrade_was_accepted(service)


# ---- name constraints ----

def issue(directory, name, *more, by=None):
    """Writes NAME.pem and NAME-key.pem: a certificate by another one that was issued here, or by itself."""
    signed = ["-CA", directory / f"{by}.pem", "-CAkey", directory / f"{by}-key.pem"] if by else []
    extensions = [word for extension in more for word in ("-addext", extension)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout", directory / f"{name}-key.pem",
                    "-out", directory / f"{name}.pem", *extensions, *signed], check=True, capture_output=True)
    (directory / f"{name}.pem").chmod(0o644)


@pytest.mark.parametrize("where", ["at the root", "in between"])
@pytest.mark.parametrize("constraint, allowed", [
    ("permitted;DNS:localhost", True), ("permitted;DNS:example.com", False), ("excluded;DNS:localhost", False)])
def test_an_authority_cannot_certify_a_host_outside_its_name_constraints(lab, where, constraint, allowed):
    """The name of the host is in the alternative names only."""
    directory = lab.make_directory("authority")
    constrained = ["keyUsage=critical,keyCertSign", f"nameConstraints=critical,{constraint}"]
    issue(directory, "root", *(constrained if where == "at the root" else ["keyUsage=critical,keyCertSign"]))
    issue(directory, "between", *constrained, "basicConstraints=critical,CA:TRUE", by="root")
    by = "root" if where == "at the root" else "between"
    issue(directory, "server", "basicConstraints=critical,CA:FALSE", "subjectAltName=DNS:localhost", by=by)
    chain = directory / "chain.pem"
    chain.write_text((directory / "server.pem").read_text() + (directory / "between.pem").read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, directory / "server-key.pem")
    handshakes = []

    def serve(connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as inside:
            handshakes.append(inside.recv(4))

    with plain_server(serve) as port:
        source = lab.lonely_source(f"localhost:{port}", more=["--cafile", directory / "root.pem"])
        assert source.wait() == 69
    if allowed:
        assert handshakes == [b"GET "]
    else:
        assert source.find_log(r"error.*the certificate for localhost was not accepted: (permitted|excluded) subtree "
                               "violation")
        assert handshakes in ([], [b""])


def test_without_verification_any_certificate_passes_with_a_warning(lab, service):
    service.control("certificate", kind="untrusted")
    source = source_with(lab, service, "-k")
    source.wait_log(LOUD)
    source.wait_log(READY)


def test_the_warning_is_there_at_the_quietest_useful_level(lab, service):
    source = lab.proxy(["-s", "APP=" + str(free_ports(["APP"])["APP"]), "-e", f"localhost:{service.port}", "-k",
                        "-v", 3], name="source", token=service.token("t1", "source"))
    source.wait_log(LOUD)


def a_name_of_loopback():
    """A name other than localhost that this machine resolves to loopback without DNS."""
    for name in ("ip6-localhost", "ip6-loopback", socket.gethostname()):
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            continue
        addresses = {entry[4][0] for entry in found}
        if all(re.fullmatch(r"127\.[0-9.]+|::1", address) for address in addresses):
            return name, sorted(addresses)[0]
    return None, None


def test_a_name_is_looked_up(lab):
    name, address = a_name_of_loopback()
    if name is None:
        pytest.skip("this machine has no second name for loopback in /etc/hosts")
    host = f"[{address}]" if ":" in address else address
    service = lab.service({"t1": ["APP"]}, listen=[f"{host}:0"])
    source = source_with(lab, service, "-k", host=name)
    source.wait_log(rf"Resolved proxy server IP: {re.escape(address)}")
    source.wait_log(READY)
