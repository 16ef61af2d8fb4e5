"""Where root certificates may be, what CRLs beside them revoke, and errors about files that cannot be read."""

import re
import shutil
import ssl
import subprocess
import types

import pytest
from harness.authority import Authority
from harness.lab import READY, free_ports, is_root
from harness.starters import Starter

only_root = pytest.mark.skipif(not is_root(), reason="only root starts as one user and goes on as another")


@pytest.fixture
def service(lab):
    return lab.service({"t1": ["APP"]})


def source_with(lab, service, *arguments, **options):
    return lab.proxy(["-s", f"APP={free_ports(['APP'])['APP']}", "-e", f"localhost:{service.port}", "-v", 5,
                      *lab.settings(), *arguments], name="source", token=service.token("t1", "source"), **options)


def readable_copy(of, to):
    shutil.copy(of, to)
    to.chmod(0o644)
    return to


@pytest.fixture
def elsewhere(lab, service):
    """The service's authority in a file outside all usual directories."""
    return readable_copy(service.ca_file, lab.make_directory("elsewhere") / "corporate.crt")


def test_a_directory_of_links_to_files_outside(lab, service, elsewhere):
    directory = lab.make_directory("hashed")
    (directory / "corporate.pem").symlink_to(elsewhere)
    subprocess.run(["openssl", "rehash", directory], check=True)
    (directory / "corporate.pem").unlink()
    link = directory / next(path.name for path in directory.iterdir())
    link.unlink()
    link.symlink_to("../elsewhere/corporate.crt")
    source_with(lab, service, "-c", directory).wait_log(READY)


def test_a_file_that_is_renewed_by_renaming(lab, service, elsewhere):
    (lab.directory / "link.pem").symlink_to("elsewhere/corporate.crt")
    source = source_with(lab, service, "--cafile", lab.directory / "link.pem")
    source.wait_log(READY)
    mark = source.mark()
    readable_copy(service.ca_file, elsewhere.with_name("new")).rename(elsewhere)
    service.control("kick", tunnel="t1", side="source", how="rst")
    source.wait_log(READY, since=mark)


@only_root
@pytest.mark.parametrize("option", ["-c", "--cafile", "--crlfile", "SSL_CERT_FILE", "SSL_CERT_DIR", "a link in -c"])
def test_certificates_that_only_root_may_read_end_the_run(lab, service, option):
    private = lab.make_directory("private", mode=0o700)
    file = readable_copy(service.ca_file, private / "ca.pem")
    path = file if option in ("--cafile", "--crlfile", "SSL_CERT_FILE") else private
    if option.startswith("SSL_"):
        source = source_with(lab, service, environment={option: str(path)})
    elif option.startswith("-"):
        source = source_with(lab, service, option, path)
    else:
        directory = lab.make_directory("links")
        path = directory / "ca.pem"
        path.symlink_to(file)
        source = source_with(lab, service, "-c", directory)
    assert source.wait() == 1
    assert source.find_log(rf"{re.escape(str(path))} as _localproxy, user id \d+: Permission denied; .*by that user")
    assert not source.find_log("Attempting to establish")


def test_a_pipe_is_refused(lab, service):
    source = source_with(lab, service, inside=Starter(
        "/bin/bash", "-c", f'exec "$@" --cafile <(cat {service.ca_file})', "bash"))
    assert source.wait() == 1
    assert source.find_log(r"--cafile '/dev/fd/\d+': this is not a plain file; .*write them to a file")


def test_a_file_without_certificates_ends_the_run(lab, service):
    empty = lab.directory / "empty.pem"
    empty.write_text("nothing\n", encoding="ascii")
    source = source_with(lab, service, "--cafile", empty)
    assert source.wait() == 1
    assert source.find_log(rf"no PEM certificates could be read from {re.escape(str(empty))}")
    assert source.find_log("the root certificates or the CRLs cannot be used")
    assert service.status()["handshakes"]["accepted"] == 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_openssl_variables(lab, service, elsewhere, variable):
    value = elsewhere if variable == "SSL_CERT_FILE" else f"{lab.make_directory('other')}:{elsewhere.parent}"
    source_with(lab, service, environment={variable: str(value)}).wait_log(READY)


def test_openssl_variables_replace_the_system_certificates(lab, service):
    variables = {"SSL_CERT_FILE": "/nowhere/ca.pem", "SSL_CERT_DIR": "/nowhere/certs"}
    source = source_with(lab, service, "--check", environment=variables)
    assert source.wait() == 0
    assert "the system's" not in source.log
    assert source.find_log("SSL_CERT_FILE '/nowhere/ca.pem' is not there")
    variables = {"SSL_CERT_FILE": str(lab.ca_directory(service) / "ca.pem")}
    source = source_with(lab, service, "--check", environment=variables)
    assert source.wait() == 0
    assert source.find_log(rf"trusts: the certificates in {variables['SSL_CERT_FILE']} \(SSL_CERT_FILE\)")
    assert source.find_log("trusts: the system's directory of root certificates")


def crl_of(lab, service, revoked, *, days):
    """A CRL of the service's authority, with or without its certificate; days: its lifetime, from two days ago on."""
    work = lab.make_directory("authority")
    (work / "index").touch()
    (work / "number").write_text("01\n", encoding="ascii")
    (work / "conf").write_text(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {work}/index\ncrlnumber = {work}/number\n"
                               "default_md = sha256\n", encoding="ascii")
    authority = ["openssl", "ca", "-batch", "-config", work / "conf", "-cert", service.ca_file, "-keyfile",
                 service.directory / "ca-key.pem"]
    if revoked:
        certificate = work / "server.pem"
        certificate.write_text(ssl.get_server_certificate(("127.0.0.1", service.port)), encoding="ascii")
        subprocess.run([*authority, "-revoke", certificate], check=True)
    life = ["-crldays", str(days)] if days > 0 else ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate",
                                                     "20200102000000Z"]
    subprocess.run([*authority, "-gencrl", *life, "-out", work / "crl.pem"], check=True)
    return work / "crl.pem"


@pytest.mark.parametrize("revoked", [True, False])
def test_a_revoked_certificate_is_refused(lab, service, revoked):
    directory = lab.ca_directory(service)
    readable_copy(crl_of(lab, service, revoked, days=1), directory / "crl.pem")
    source = source_with(lab, service, "-c", directory)
    if revoked:
        source.wait_log("was not accepted: certificate revoked .*; a CRL of its issuer")
    else:
        source.wait_log(READY)
    assert service.status()["handshakes"]["accepted"] == (0 if revoked else 1)


def test_an_old_crl_is_named(lab, service):
    directory = lab.ca_directory(service)
    readable_copy(crl_of(lab, service, False, days=0), directory / "crl.pem")
    source = source_with(lab, service, "-c", directory)
    source.wait_log(r"CRL has expired .*the CRL of its issuer.* was valid until 2020-01-02 00:00 UTC")


# ---- --crlfile ----

def with_crls(lab, service, crls, *more):
    """A source with a file of CRLs outside all usual directories, which net reads as another user."""
    file = readable_copy(crls, lab.make_directory("lists") / "revoked.pem")
    return file, source_with(lab, service, "-c", lab.ca_directory(service), "--crlfile", file, *more)


@pytest.mark.parametrize("revoked", [True, False])
def test_a_file_of_crls_revokes(lab, service, revoked):
    _, source = with_crls(lab, service, crl_of(lab, service, revoked, days=1))
    if revoked:
        source.wait_log("was not accepted: certificate revoked .*; a CRL of its issuer, in --crlfile")
    else:
        source.wait_log(READY)
    assert service.status()["handshakes"]["accepted"] == (0 if revoked else 1)


def test_an_old_crl_in_a_file_is_named(lab, service):
    _, source = with_crls(lab, service, crl_of(lab, service, False, days=0))
    source.wait_log(r"CRL has expired .*the CRL of its issuer, in --crlfile.* was valid until 2020-01-02 00:00 UTC")
    assert service.status()["handshakes"]["accepted"] == 0


def test_a_file_with_the_crls_of_others_only_is_refused(lab, service):
    other = Authority(lab, service).directory
    (other / "root-key.pem").rename(other / "ca-key.pem")
    issuer = types.SimpleNamespace(ca_file=other / "root.pem", directory=other)
    _, source = with_crls(lab, service, crl_of(lab, issuer, False, days=1))
    source.wait_log("unable to get certificate CRL .*; the file of --crlfile has no CRL of that issuer")
    assert service.status()["handshakes"]["accepted"] == 0


def test_crls_are_read_anew_for_each_connection(lab, service):
    crls = crl_of(lab, service, False, days=1)
    file, source = with_crls(lab, service, crls)
    source.wait_log(READY)
    shutil.rmtree(lab.directory / "authority")
    readable_copy(crl_of(lab, service, True, days=1), file.with_name("new")).rename(file)
    service.control("kick", tunnel="t1", side="source", how="rst")
    source.wait_log("was not accepted: certificate revoked")


def test_a_file_without_crls_ends_the_run(lab, service):
    file, source = with_crls(lab, service, service.ca_file)
    assert source.wait() == 1
    assert source.find_log(rf"no CRLs in PEM form could be read from {re.escape(str(file))}")
    assert source.find_log("the root certificates or the CRLs cannot be used")
    assert service.status()["handshakes"]["accepted"] == 0
