"""Through a web proxy: squid with and without a password and TLS, and faulty proxies."""

import contextlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest
from harness import squid as squids
from harness.authority import RSA, Authority
from harness.lab import READY, Tunnel, free_ports
from harness.ports import free_port
from harness.sockets import plain_server
from harness.streams import exchange_all
from harness.wait import until

USER, PASSWORD = "us er@example", "p:a/s%s@w#rd"
CREDENTIALS = urllib.parse.quote(USER, safe="") + ":" + urllib.parse.quote(PASSWORD, safe="")
ONCE = {"websocket": {"connect_retry_count": 0}}
MEGABYTE = 1024 * 1024


@pytest.fixture
def service(lab):
    return lab.service({"t1": ["APP"]})


def through(url, **more):
    """The environment of a localproxy that uses this web proxy."""
    return {"https_proxy": url, **more}


def start(lab, service, environment, side="source", **options):
    value = {"source": free_ports(["APP"]), "destination": {"APP": 9}}[side]
    proxy = getattr(lab, side)(service, "t1", options.pop("ports", value), environment=environment, **options)
    # The password is in no log, like the tokens.
    proxy.secrets += [PASSWORD, CREDENTIALS, urllib.parse.quote(PASSWORD, safe="")]
    return proxy


# ---- squid ----

KINDS = ["plain", "password", "tls", "tls and password"]


@pytest.fixture(params=KINDS)
def squid(lab, service, request):
    """A squid of each kind: squid.environment and squid.more are what a localproxy needs for it."""
    if reason := squids.why_impossible():
        pytest.skip(reason)
    credentials = (USER, PASSWORD) if "password" in request.param else None
    authority = Authority(lab, service) if "tls" in request.param else None
    squid = lab.use(squids.Squid(lab.directory / "squid", credentials, authority and authority.directory))
    login = CREDENTIALS + "@" if credentials else ""
    squid.environment = through(f"{'https' if authority else 'http'}://{login}localhost:{squid.port}")
    squid.more = ["-c", authority.roots] if authority else []
    return squid


def tunnel_through(lab, service, squid, target):
    ports = free_ports(["APP"])
    options = {"environment": squid.environment, "more": squid.more}
    destination = start(lab, service, side="destination", ports={"APP": target}, **options)
    source = start(lab, service, ports=ports, **options)
    tunnel = Tunnel(lab, "t1", service, source, destination, ports)
    tunnel.wait_up()
    return tunnel


def test_bytes_go_both_ways_and_the_tunnel_reconnects(lab, service, squid, stream_server):
    tunnel = tunnel_through(lab, service, squid, stream_server.port)
    port = tunnel.ports["APP"]
    exchange_all([(port, 1, 8 * MEGABYTE, 8 * MEGABYTE), (port, 2, 100, 100)], at_once=True)
    for side in ("source", "destination"):
        service.control("rekey", tunnel="t1", side=side)
    exchange_all([(port, 4, MEGABYTE, MEGABYTE)])
    assert tunnel.source.find_log(rf"the web proxy localhost:{squid.port} has connected to localhost:{service.port}")
    sides = (tunnel.source, tunnel.destination)
    marks = [proxy.mark() for proxy in sides]
    squid.stop()
    for proxy, mark in zip(sides, marks):
        proxy.wait_log(rf"cannot connect to the web proxy: 127\.0\.0\.1:{squid.port}: .*refused", since=mark)
    squid.start()
    for proxy, mark in zip(sides, marks):
        proxy.wait_log(READY, 40, since=mark)
    service.wait_connected("t1", "source")
    service.wait_connected("t1", "destination")
    exchange_all([(port, 3, MEGABYTE, MEGABYTE)])
    # Squid logs a tunnel after its end.
    for proxy in sides:
        proxy.stop()
    until(lambda: len([line for line in squid.requests() if f"CONNECT localhost:{service.port}" in line]) == 2,
          "squid has seen both tunnels")


@pytest.fixture
def need_squid():
    if reason := squids.why_impossible():
        pytest.skip(reason)


def test_squid_wants_a_password_and_gets_none(lab, service, need_squid):
    squid = lab.use(squids.Squid(lab.directory / "squid", (USER, PASSWORD)))
    source = start(lab, service, through(f"http://localhost:{squid.port}"))
    assert source.wait() == 69
    assert source.find_log(rf"fatal.*web proxy localhost:{squid.port} .* localhost:{service.port}: HTTP/1\.1 407 .*"
                           r"no user name and password were sent: .*https_proxy=http://USER:PASSWORD@HOST:PORT.*%XX.*"
                           r"asks for Basic")
    assert service.status()["handshakes"]["accepted"] == 0


def test_squid_gets_a_wrong_password(lab, service, need_squid):
    squid = lab.use(squids.Squid(lab.directory / "squid", (USER, "another")))
    source = start(lab, service, through(f"http://{CREDENTIALS}@localhost:{squid.port}"))
    assert source.wait() == 69
    assert source.find_log(r"fatal.*407 .*does not accept the user name and the password of https_proxy")


def test_squid_forbids_the_connection(lab, service, need_squid):
    squid = lab.use(squids.Squid(lab.directory / "squid", allow=False))
    source = start(lab, service, through(f"http://localhost:{squid.port}"))
    assert source.wait() == 69
    assert source.find_log(rf"fatal.*web proxy localhost:{squid.port} does not allow the connection to "
                           rf"localhost:{service.port}: HTTP/1\.1 403 .*has to allow CONNECT")


def test_squid_cannot_reach_the_service(lab, service, need_squid):
    squid = lab.use(squids.Squid(lab.directory / "squid"))
    port = free_port()
    source = start(lab, service, through(f"http://127.0.0.1:{squid.port}"), at=f"127.0.0.1:{port}", settings=ONCE)
    assert source.wait() == 69
    assert source.find_log(rf"error.*web proxy 127\.0\.0\.1:{squid.port} cannot reach 127\.0\.0\.1:{port}: "
                           r"HTTP/1\.1 50[234]")
    assert source.find_log("given up after 1 try")


# ---- a proxy that wants to know who its clients are ----

@pytest.fixture
def demanding(lab, service, need_squid):
    """A squid that demands a certificate of its authority from each client."""
    authority = Authority(lab, service)
    squid = lab.use(squids.Squid(lab.directory / "squid", tls=authority.directory,
                                 clients=authority.directory / "root.pem"))
    squid.authority = authority
    squid.environment = through(f"https://localhost:{squid.port}")
    return squid


def shown(squid, *options):
    return ["-c", squid.authority.roots, *options]


@pytest.mark.parametrize("form", ["two files", "one file", "RSA", "TLS 1.3 only"])
def test_a_client_certificate_is_shown(lab, service, demanding, stream_server, form):
    certificate, key = demanding.authority.client(RSA if form == "RSA" else None)
    options = ["--proxy-cert", certificate, "--proxy-key", key]
    if form == "one file":
        # The start, which may be root's, reads the file; the user of the run need not be able to.
        key.write_bytes(key.read_bytes() + certificate.read_bytes())
        options = ["--proxy-cert", key]
    demanding.more = shown(demanding, *options, *(["--tls-min", "1.3"] if form == "TLS 1.3 only" else []))
    tunnel = tunnel_through(lab, service, demanding, stream_server.port)
    exchange_all([(tunnel.ports["APP"], 1, MEGABYTE, MEGABYTE)])
    mark = tunnel.source.mark()
    service.control("kick", tunnel="t1", side="source", how="rst")
    tunnel.source.wait_log(READY, since=mark)
    assert not tunnel.source.find_log("can be read by every user")


def test_without_a_client_certificate_the_proxy_refuses(lab, service, demanding):
    source = start(lab, service, demanding.environment, settings=ONCE, more=shown(demanding))
    assert source.wait() == 69
    assert source.find_log(rf"error.*web proxy localhost:{demanding.port} .*; it has asked for a client certificate, "
                           "which --proxy-cert and --proxy-key would show")


def test_a_client_certificate_of_a_stranger_is_refused(lab, service, demanding):
    certificate, key = Authority(lab, service).client()
    source = start(lab, service, demanding.environment, settings=ONCE,
                   more=shown(demanding, "--proxy-cert", certificate, "--proxy-key", key))
    assert source.wait() == 69
    assert source.find_log(rf"error.*web proxy localhost:{demanding.port} .*; it may not trust the certificate of --proxy-cert, "
                           "which it was shown")


def test_a_client_certificate_with_the_key_of_another_ends_the_run(lab, service, demanding):
    certificate, _ = demanding.authority.client()
    _, key = Authority(lab, service).client()
    source = start(lab, service, demanding.environment,
                   more=shown(demanding, "--proxy-cert", certificate, "--proxy-key", key))
    assert source.wait() == 1
    assert source.find_log("fatal.*--proxy-cert: the client certificate cannot be used with its key: ")


@pytest.mark.parametrize("cipher", ["PKCS 8", "PEM"])
def test_an_encrypted_key_is_refused(lab, service, demanding, cipher):
    certificate, key = demanding.authority.client()
    encrypted = key.with_name("encrypted.pem")
    form = ["pkey"] if cipher == "PKCS 8" else ["pkey", "-traditional"]
    subprocess.run(["openssl", *form, "-in", key, "-aes256", "-passout", "pass:x", "-out", encrypted], check=True)
    source = start(lab, service, demanding.environment,
                   more=shown(demanding, "--proxy-cert", certificate, "--proxy-key", encrypted))
    assert source.wait() == 1
    assert source.find_log(rf"--proxy-key: '{re.escape(str(encrypted))}': the private key is encrypted, and nobody")


# ---- whom to trust ----

class TlsProxy:
    """A web proxy behind TLS that forwards everything to the service; closed at the end of the test."""

    def __init__(self, authority):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.directory / "certificate.pem", authority.directory / "key.pem")
        self.names = []  # the names that clients asked for
        self._context.sni_callback = lambda _, name, __: self.names.append(name)

    def serve(self, connection):
        with contextlib.suppress(OSError):
            with self._context.wrap_socket(connection, server_side=True) as inside:
                answer(inside, b"HTTP/1.1 503 Not Now\r\n\r\n")


def test_the_proxy_is_verified_by_its_own_name(lab, service):
    authority = Authority(lab, service, "DNS:other.example")
    proxy = TlsProxy(authority)
    with plain_server(proxy.serve) as port:
        source = start(lab, service, through(f"https://localhost:{port}"), settings=ONCE,
                       more=["-c", authority.roots, "-k"])
        assert source.wait() == 69
    assert source.find_log(rf"error.*TLS handshake with the web proxy localhost:{port}: the certificate for localhost "
                           r".*hostname mismatch \(subject /CN=a web proxy, issuer /CN=Proxy Authority\); "
                           r".*https_proxy: other\.example")
    assert proxy.names == ["localhost"]


def test_the_proxys_authority_is_unknown(lab, service):
    proxy = TlsProxy(Authority(lab, service))
    with plain_server(proxy.serve) as port:
        source = start(lab, service, through(f"https://localhost:{port}"), settings=ONCE, more=["-k"])
        assert source.wait() == 69
    assert source.find_log(rf"error.*TLS handshake with the web proxy localhost:{port}: .*--cafile")


def test_the_service_is_verified_through_the_proxy(lab, service, squid):
    service.control("certificate", kind="wrong-name")
    source = start(lab, service, squid.environment, settings=ONCE, more=squid.more)
    assert source.wait() == 69
    assert source.find_log(rf"error.*TLS handshake with localhost:{service.port}: the certificate for localhost "
                           r".*hostname mismatch .*-e: other\.test")
    assert service.status()["handshakes"]["accepted"] == 0


def test_the_service_is_not_verified_when_that_was_asked_for(lab, service, squid):
    service.control("certificate", kind="untrusted")
    start(lab, service, squid.environment, more=[*squid.more, "-k"]).wait_log(READY)


# ---- scripted proxies ----

def head_of(connection):
    """Reads the request, up to the empty line."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            break
        got += piece
    return got


def answer(connection, reply, hold=False):
    """Reads the request and replies; hold: until the client leaves."""
    with connection:
        head_of(connection)
        connection.sendall(reply)
        if hold:
            with contextlib.suppress(OSError):
                connection.recv(1)


def passes_on(service, requests, reply=b"HTTP/1.1 200 Connection established\r\n\r\n", piece=4096):
    """Serves connections as a working proxy that sends its reply in pieces."""
    def copy(source, target):
        with contextlib.suppress(OSError):
            while got := source.recv(65536):
                target.sendall(got)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(connection):
        requests.append(head_of(connection))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far = socket.create_connection(("127.0.0.1", service.port))
        for at in range(0, len(reply), piece):
            connection.sendall(reply[at:at + piece])
        for pair in ((connection, far), (far, connection)):
            threading.Thread(target=copy, args=pair, daemon=True).start()

    return serve


GOOD_REPLIES = {
    "one byte each": (b"HTTP/1.1 200 OK\r\nVia: 1.1 a\r\nX-Long: " + b"x" * 3000 + b"\r\n\r\n", 1),
    "HTTP/1.0": (b"HTTP/1.0 200 Connection established\r\n\r\n", 4096),
    "no reason": (b"HTTP/1.1 200\r\n\r\n", 4096),
    "another 2xx": (b"HTTP/1.1 204 Fine\r\n\r\n", 4096),
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 4096),
    "interim": (b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 7),
}


@pytest.mark.parametrize("kind", GOOD_REPLIES)
def test_an_unusual_reply_is_accepted(lab, service, kind):
    reply, piece = GOOD_REPLIES[kind]
    requests = []
    with plain_server(passes_on(service, requests, reply, piece)) as port:
        start(lab, service, through(f"http://{CREDENTIALS}@localhost:{port}")).wait_log(READY)
    head = requests[0].decode("ascii")
    assert head.startswith(f"CONNECT localhost:{service.port} HTTP/1.1\r\nHost: localhost:{service.port}\r\n")
    assert "\r\nProxy-Authorization: Basic dXMgZXJAZXhhbXBsZTpwOmEvcyVzQHcjcmQ=\r\n" in head
    assert re.search(r"\r\nUser-Agent: localproxy/\S+\r\n", head)
    assert "token" not in head


BAD_REPLIES = {
    "garbage": (b"220 mail.example.com ESMTP\r\n", r"not an HTTP/1\.x response: \"220 mail"),
    "a huge head": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20000, r"a head of more than 16384 bytes"),
    "cut": (b"HTTP/1.1 200 OK\r\nA: ", r"ended the connection before it had answered"),
    "nothing": (b"", r"ended the connection before it had answered"),
    "bytes behind it": (b"HTTP/1.1 200 OK\r\n\r\nX", r"sent bytes behind its answer"),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 12\r\n\r\nno such host",
            r"cannot reach .* 502 .*: no such host"),
    "503": (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n",
            r"cannot reach .* 503 No: why"),
    "302": (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", r"does not connect to .*: HTTP/1\.1 302 Found$"),
    "101": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", r"does not connect to .* 101 "),
    "endless interim": (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, r"does not connect to .* 100 "),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x16", r"control byte"),
}


@pytest.mark.parametrize("kind", BAD_REPLIES)
def test_a_bad_reply_is_named_and_retried(lab, service, kind):
    reply, words = BAD_REPLIES[kind]
    with plain_server(lambda connection: answer(connection, reply)) as port:
        source = start(lab, service, through(f"http://localhost:{port}"), settings={"websocket":
                       {"connect_retry_count": 1}})
        assert source.wait() == 69
    errors = re.findall(rf".*\[error\].* web proxy localhost:{port} .*", source.log)
    assert len(errors) == 2, source.log
    assert re.search(words, errors[0]), errors[0]
    assert source.find_log("given up after 2 tries")


REFUSALS = {
    "text": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\nnot on your life\r\nno.",
             r"403 Forbidden: not on your life; "),
    "long line": (b"HTTP/1.1 407 Who\r\nContent-Length: 1000\r\n\r\n" + b"l" * 1000,
                  r"407 Who: l{256}; no user name .*https_proxy="),
    "mark-up": (b"HTTP/1.1 403 Forbidden\r\n\r\n<html>no</html>", r"403 Forbidden; whoever"),
    "other scheme": (b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
                     r"407 Who; no user name .*asks for Negotiate; only Basic is known"),
    "405": (b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", r"does not connect to .* 405 "),
    "control bytes": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n\x1b[2Jx", r"403 Forbidden: \\x1b\[2Jx"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_final_and_gives_the_reason(lab, service, kind):
    reply, words = REFUSALS[kind]
    with plain_server(lambda connection: answer(connection, reply)) as port:
        source = start(lab, service, through(f"http://localhost:{port}"))
        assert source.wait() == 69
    assert source.find_log(rf"fatal.*the web proxy localhost:{port} .*{words}"), source.log
    assert source.log.count("Attempting to establish web socket connection") == 1


def test_a_proxy_that_worked_before_is_retried(lab, service):
    """A refusal in the middle of a run may be temporary, and the machine may be unattended."""
    refuse, requests = [], []
    good = passes_on(service, requests)

    def serve(connection):
        return answer(connection, b"HTTP/1.1 407 Who\r\n\r\n") if refuse else good(connection)

    with plain_server(serve) as port:
        source = start(lab, service, through(f"http://localhost:{port}"))
        source.wait_log("Listening for new connection")
        refuse.append(True)
        mark = source.mark()
        service.control("kick", tunnel="t1", side="source", how="rst")
        source.wait_log(r"error.*407 Who", since=mark)
        refuse.clear()
        source.wait_log(READY, since=mark)


def test_silence_has_an_end_on_each_leg(lab, service):
    """Two long waits at the same time: for the proxy's TLS, and for its answer."""
    held = []
    with plain_server(held.append) as port:
        sources = [start(lab, service, through(f"{scheme}://localhost:{port}"), settings=ONCE)
                   for scheme in ("http", "https")]
        for source, leg in zip(sources, (f"the request to connect to localhost:{service.port}", "the TLS handshake")):
            assert source.wait(40) == 69
            assert source.find_log(rf"error.*the web proxy localhost:{port} gives no answer to {leg}")
    assert len(held) == 2


def test_a_missing_proxy(lab, service):
    port = free_port()
    source = start(lab, service, through(f"http://[::1]:{port}"), settings=ONCE)
    assert source.wait() == 69
    assert source.find_log(rf"Connecting through the web proxy \[::1\]:{port}")
    assert source.find_log(rf"error.*cannot connect to the web proxy: \[::1\]:{port}: ")


def test_a_proxy_whose_name_does_not_exist(lab, service, namespace):
    source = start(lab, service, through("http://proxy.invalid:3128"), settings=ONCE, inside=namespace())
    assert source.wait(40) == 69
    assert source.find_log(r"error.*cannot resolve the web proxy proxy\.invalid: ")


def test_the_proxy_resolves_the_name_of_the_service(lab, service, namespace):
    """Its name and its port are the proxy's business: here neither could be reached directly."""
    requests = []
    with plain_server(passes_on(service, requests)) as port:
        source = start(lab, service, through(f"http://localhost:{port}"), at="nowhere.invalid:1", more=["-k"])
        source.wait_log(READY)
    assert requests[0].startswith(b"CONNECT nowhere.invalid:1 HTTP/1.1\r\nHost: nowhere.invalid:1\r\n")


def test_an_ipv6_address_through_a_proxy(lab, service):
    requests = []
    with plain_server(passes_on(service, requests)) as port:
        source = start(lab, service, through(f"http://127.0.0.1:{port}"), at=f"[::1]:{service.port}")
        source.wait_log(READY)
    assert requests[0].startswith(f"CONNECT [::1]:{service.port} HTTP/1.1\r\n".encode())


# ---- which variable ----

def test_lower_case_variables_win(lab, service):
    requests = []
    with plain_server(passes_on(service, requests)) as port:
        unused = f"http://localhost:{free_port()}"
        start(lab, service, {"https_proxy": f"http://localhost:{port}", "HTTPS_PROXY": unused}).wait_log(READY)
        assert len(requests) == 1
    with plain_server(passes_on(service, requests)) as port:
        start(lab, service, {"HTTPS_PROXY": f"http://localhost:{port}"}, side="destination").wait_log(READY)
        assert len(requests) == 2


@pytest.mark.parametrize("entry", ["localhost", "x.example,LOCALHOST", "*", "localhost:{port}", "127.0.0.0/8"])
def test_no_proxy_bypasses_the_proxy(lab, service, entry):
    host = "127.0.0.1" if "/" in entry else "localhost"
    environment = through(f"http://localhost:{free_port()}", no_proxy=entry.format(port=service.port))
    source = start(lab, service, environment, at=f"{host}:{service.port}")
    source.wait_log(READY)
    assert not source.find_log("web proxy")


@pytest.mark.parametrize("entry", ["example.com", "localhost:1", "10.0.0.0/8"])
def test_no_proxy_for_other_hosts(lab, service, entry):
    requests = []
    with plain_server(passes_on(service, requests)) as port:
        start(lab, service, through(f"http://localhost:{port}", no_proxy=entry)).wait_log(READY)
    assert requests
