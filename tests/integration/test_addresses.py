"""Addresses in every option that takes one, in both families, on machines with one family or with several networks."""

import os
import re
import socket
import stat
import subprocess
import threading

import pytest
from harness.dns_server import DnsServer
from harness.echo_server import EchoServer, server_on
from harness.http_server import WebServer
from harness.lab import READY, free_ports, is_root
from harness.ports import free_port
from harness.proxy import log_time
from harness.sockets import MEGABYTE, receive_exactly

LOOPBACKS = ["127.0.0.1", "::1"]


def bracketed(address):
    return f"[{address}]" if ":" in address else address


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


def echoes(address, port):
    """Whether a port echoes."""
    content = os.urandom(100_000)
    with socket.create_connection((address, port), timeout=20) as client:
        sending = threading.Thread(target=client.sendall, args=(content,))
        sending.start()
        assert receive_exactly(client, len(content)) == content
        sending.join()


def tunnel_between(lab, source_map, target, at=None, source_more=(), destination_more=(), service=None, inside=None):
    """A tunnel with these arguments for -s, -d and -e; (source, destination)."""
    service = service or lab.service({"t1": ["APP"]}, inside=inside)
    options = {"inside": inside, "at": at}
    destination = lab.destination(service, "t1", {"APP": target}, more=destination_more, **options)
    destination.wait_log(READY)
    source = lab.source(service, "t1", {"APP": source_map}, more=source_more, **options)
    source.wait_log("Listening for new connection")
    return source, destination


# ---- -e ----

@needs_ipv6
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_an_endpoint(lab, host):
    service = lab.service({"t1": ["APP"]}, listen=["127.0.0.1:0", "[::1]:0"])
    if host == "[::1]":
        service.port = next(port for port in listening_ports(service.pid, "tcp6"))
    source = lab.source(service, "t1", free_ports(["APP"]), at=f"{host}:{service.port}")
    source.wait_log(rf"Attempting .*wss://{re.escape(host)}:{service.port}")
    source.wait_log(READY)


def listening_ports(pid, table):
    """The TCP ports on which a process listens."""
    own = {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    with open(f"/proc/net/{table}", encoding="ascii") as rows:
        for row in list(rows)[1:]:
            fields = row.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                yield int(fields[1].rpartition(":")[2], 16)


@needs_ipv6
@pytest.mark.parametrize("only", LOOPBACKS)
def test_localhost_as_an_endpoint_is_found_in_either_family(lab, only):
    service = lab.service({"t1": ["APP"]}, listen=[f"{bracketed(only)}:0"])
    lab.source(service, "t1", free_ports(["APP"])).wait_log(READY)


def test_an_endpoint_with_a_trailing_dot(lab, namespace):
    """As in curl: the name is looked up as it is, and verified without the dot."""
    net = namespace()
    net.write("hosts", "127.0.0.1 localhost.\n")
    service = lab.service({"t1": ["APP"]}, inside=net)
    source = lab.source(service, "t1", free_ports(["APP"]), at=f"localhost.:{service.port}", inside=net)
    source.wait_log(READY)
    assert service.status("t1")["source"]["connection"]["server_name"] == "localhost"


def test_an_endpoint_without_a_port_uses_443(lab, namespace):
    net = namespace()
    service = lab.service({"t1": ["APP"]}, listen=["127.0.0.1:443"], inside=net)
    source = lab.source(service, "t1", free_ports(["APP"]), at="localhost", inside=net)
    source.wait_log(r"Attempting .*wss://localhost:443")
    source.wait_log(READY)


# ---- -d ----

@needs_ipv6
@pytest.mark.parametrize("only", LOOPBACKS)
@pytest.mark.parametrize("form", ["{port}", "localhost:{port}", "{address}:{port}"])
def test_a_destination(lab, only, form):
    """A lone port, and localhost, find a service of either family."""
    server = lab.use(EchoServer(server_on(only)))
    target = form.format(port=server.port, address=bracketed(only))
    port = free_port()
    _, destination = tunnel_between(lab, port, target)
    echoes("127.0.0.1", port)
    destination.wait_log(rf"Connected to {re.escape(only)}, port: {server.port}")


def test_a_destination_at_a_path(lab):
    path = lab.directory / "app.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    # A proxy that is started as root runs as another user.
    path.chmod(0o777)
    listener.listen()
    lab.use(EchoServer(listener))
    port = free_port()
    _, destination = tunnel_between(lab, port, path)
    echoes("127.0.0.1", port)
    destination.wait_log(rf"Connected to {re.escape(str(path))}")


def test_a_missing_or_forbidden_path(lab):
    path = lab.directory / "app.sock"
    port = free_port()
    service = lab.service({"t1": ["APP"]})
    destination = lab.destination(service, "t1", {"APP": path},
                                  settings={"tcp": {"connection_retry_count": 1}})
    destination.wait_log(READY)
    lab.source(service, "t1", {"APP": port}).wait_log("Listening for new connection")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert client.recv(1) == b""
    where = rf"cannot connect to the local service at {re.escape(str(path))}: .*"
    destination.wait_log(where + "No such file")
    if not is_root():
        return
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            assert client.recv(1) == b""
    destination.wait_log(where + "Permission denied")


# ---- -s ----

@needs_ipv6
@pytest.mark.parametrize("form, works, not_there", [
    ("{port}", LOOPBACKS, []),
    ("localhost:{port}", LOOPBACKS, []),
    ("127.0.0.1:{port}", ["127.0.0.1"], ["::1", "127.0.0.2"]),
    ("127.0.0.2:{port}", ["127.0.0.2"], ["127.0.0.1", "::1"]),
    ("[::1]:{port}", ["::1"], ["127.0.0.1"]),
    ("0.0.0.0:{port}", ["127.0.0.1", "127.0.0.2"], ["::1"]),
    ("[::]:{port}", ["::1", "127.0.0.1", "127.0.0.2"], []),
])
def test_a_source(lab, form, works, not_there):
    server = lab.use(EchoServer(server_on("127.0.0.1")))
    port = free_port()
    tunnel_between(lab, form.format(port=port), server.port)
    for address in works:
        echoes(address, port)
    for address in not_there:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=5)


@needs_ipv6
def test_a_free_port_is_the_same_in_both_families(lab):
    server = lab.use(EchoServer(server_on("127.0.0.1")))
    source, _ = tunnel_between(lab, 0, server.port)
    port = int(source.wait_log(r"Listening for new connection on port (\d+)")[1])
    for address in LOOPBACKS:
        echoes(address, port)


# ---- -b ----

@needs_ipv6
@pytest.mark.parametrize("bind, works, not_there", [("127.0.0.2", "127.0.0.2", "127.0.0.1"),
                                                    ("::1", "::1", "127.0.0.1"), ("[::1]", "::1", "127.0.0.1"),
                                                    ("localhost", "::1", "127.0.0.2")])
def test_listening_on_one_address(lab, bind, works, not_there):
    server = lab.use(EchoServer(server_on("127.0.0.1")))
    port = free_port()
    tunnel_between(lab, port, server.port, source_more=["-b", bind])
    echoes(works, port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((not_there, port), timeout=5)


@needs_ipv6
def test_the_unspecified_ipv6_address_means_both_families(lab):
    """As in the reference; at a destination it stands for no particular interface."""
    server = lab.use(EchoServer(server_on("127.0.0.1")))
    port = free_port()
    source, _ = tunnel_between(lab, port, f"127.0.0.1:{server.port}", source_more=["-b", "::"],
                               destination_more=["-b", "::"])
    for address in [*LOOPBACKS, "127.0.0.2"]:
        echoes(address, port)
    source.wait_log(rf"Accepted tcp connection on port {port} from 127\.0\.0\.1:\d")


@pytest.mark.parametrize("option", ["-b", "-s"])
def test_a_name_that_stands_for_every_address_is_warned_about(lab, namespace, option):
    net = namespace()
    net.write("hosts", "127.0.0.1 localhost\n0.0.0.0 all.test\n127.0.0.2 two.test\n")
    service = lab.service({"all": ["APP"], "two": ["APP"]}, inside=net)

    def start(name):
        port = free_port()
        ports, more = {"-b": (port, ["-b", name]), "-s": (f"{name}:{port}", [])}[option]
        source = lab.source(service, name.partition(".")[0], {"APP": ports}, more=more, inside=net)
        source.wait_log(rf"Listening for new connection on port {port}")
        return source

    assert start("all.test").find_log(r"warning.*the name all\.test stands for 0\.0\.0\.0, every address of this machine")
    assert not start("two.test").find_log("every address")


def test_a_link_local_address_names_its_interface(lab, namespace):
    net = namespace()
    net.ip("addr", "add", "fe80::77/64", "dev", "lo", "nodad")
    server = lab.use(net.run(EchoServer, net.run(link_local_server, "fe80::77%lo")))
    port = free_port()
    source, destination = tunnel_between(lab, f"[fe80::77%lo]:{port}", f"[fe80::77%lo]:{server.port}", inside=net)
    net.run(echoes, "fe80::77%lo", port)
    destination.wait_log(rf"Connected to fe80::77%1, port: {server.port}")
    assert source.find_log(r"Resolved bind IP: fe80::77%1")


def link_local_server(address):
    info = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
    server = socket.socket(info[0])
    server.bind(info[4])
    server.listen()
    return server


@needs_ipv6
@pytest.mark.parametrize("bind, server_address", [("127.0.0.2", "127.0.0.1"), ("::1", "::1"), ("localhost", "::1")])
def test_connecting_from_one_address(lab, bind, server_address):
    server = lab.use(EchoServer(server_on(server_address)))
    port = free_port()
    tunnel_between(lab, port, f"{bracketed(server_address)}:{server.port}", destination_more=["-b", bind])
    for _ in range(3):
        echoes("127.0.0.1", port)
    assert set(server.peers) == {server_address if bind == "localhost" else bind}


@pytest.mark.parametrize("own, target, from_there", [("10.9.0.1", "10.8.0.1", "10.9.0.1"),
                                                     ("2001:db8:9::1", "2001:db8:8::1", "2001:db8:9::1")])
def test_the_address_of_another_interface(lab, namespace, own, target, from_there):
    net = namespace()
    net.add_address("10.9.0.1/24")
    net.add_address("2001:db8:9::1/64")
    net.ip("addr", "add", "10.8.0.1/32", "dev", "lo")
    net.ip("addr", "add", "2001:db8:8::1/128", "dev", "lo", "nodad")
    server = lab.use(net.run(EchoServer, net.run(server_on, target)))
    port = free_port()
    text = f"{bracketed(target)}:{server.port}"
    more = ["-b", own]
    _, destination = tunnel_between(lab, port, text, source_more=more, destination_more=more, inside=net)
    net.run(echoes, own, port)
    with pytest.raises(ConnectionRefusedError):
        net.run(socket.create_connection, (target, port), timeout=5)
    assert server.peers == [from_there]
    destination.wait_log(rf"Connected to {re.escape(target)}, port: ")


@needs_ipv6
def test_connecting_from_an_address_of_the_other_family(lab):
    server = lab.use(EchoServer(server_on("127.0.0.1")))
    port = free_port()
    service = lab.service({"t1": ["APP"]})
    destination = lab.destination(service, "t1", {"APP": f"127.0.0.1:{server.port}"}, more=["-b", "::1"],
                                  settings={"tcp": {"connection_retry_count": 1}})
    destination.wait_log(READY)
    lab.source(service, "t1", {"APP": port}).wait_log("Listening for new connection")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert client.recv(1) == b""
    destination.wait_log(rf"error.*127\.0\.0\.1:{server.port}: .*::1.*family")


# ---- names with several addresses ----

# RFC 8305 recommends 250 ms between two attempts. With the lookup, starting processes and a slow machine around
# it, a dead first address may cost a second; without the race it would cost the timeout of a connect, 15 seconds.
HEAD_START = 0.25
MOST_FOR_A_DEAD_ADDRESS = 1.0

NETWORK = {
    "one dead, of the other family": (["2001:db8::dead", "10.9.0.1"], "2001:db8::dead", True),
    "two dead, of the other family": (["2001:db8::dead", "2001:db8::beef", "10.9.0.1"], "2001:db8::", True),
    "one dead, of the same family": (["10.7.0.9", "10.8.0.1"], "10.7.0.9", True),
    "one that refuses": (["2001:db8::1", "10.9.0.1"], "2001:db8::1", False),
    # libc puts it last.
    "one unreachable": (["2001:db8:7::1", "10.9.0.1"], "10.9.0.1", False),
}


def moment(proxy, pattern):
    """The time of the first log line that matches."""
    return log_time(next(line for line in proxy.log.splitlines() if re.search(pattern, line)))


@pytest.fixture
def several(namespace):
    """A network with addresses that answer (those that end in 1), never answer, or cannot be reached."""
    net = namespace(resolver="options timeout:1")
    for address in ("10.9.0.1/24", "2001:db8::1/64"):
        net.add_address(address)
    # Both outside the local network, so that libc keeps the order of the answer (RFC 6724, 6, rule 9).
    net.ip("route", "add", "10.7.0.0/24", "dev", "v0")
    net.ip("route", "add", "local", "10.8.0.0/24", "dev", "lo", "src", "10.9.0.1")
    for address in ("10.9.0.9", "10.7.0.9", "2001:db8::dead", "2001:db8::beef"):
        net.add_black_hole(address)
    net.ip("-6", "route", "add", "unreachable", "2001:db8:7::/64")
    return net


def alive(addresses):
    return addresses[-1]


@pytest.mark.parametrize("case", NETWORK)
def test_a_service_with_several_addresses(lab, several, case):
    addresses, first, silent = NETWORK[case]
    lab.use(several.run(DnsServer, {"tunnel.test": addresses}))
    service = lab.service({"t1": ["APP"]}, listen=[f"{alive(addresses)}:0"], inside=several)
    source = lab.source(service, "t1", free_ports(["APP"]), at=f"tunnel.test:{service.port}", inside=several)
    source.wait_log(READY)
    assert source.find_log(rf"Resolved proxy server IP: {first}"), "libc gave another order"
    took = moment(source, "Connected successfully") - moment(source, "Resolved proxy server IP")
    assert took < MOST_FOR_A_DEAD_ADDRESS
    if silent:
        assert took >= HEAD_START * 0.9, "the first address was not tried first"
    assert source.find_log(rf"Connected successfully with proxy server at {re.escape(alive(addresses))}:{service.port}")
    assert source.log.count("Attempting to establish") == 1


@pytest.mark.parametrize("case", NETWORK)
def test_a_local_service_with_several_addresses(lab, several, case):
    addresses, _, _ = NETWORK[case]
    several.write("hosts", "".join(f"{address} app.test\n" for address in addresses))
    server = lab.use(several.run(EchoServer, several.run(server_on, alive(addresses))))
    port = free_port()
    _, destination = tunnel_between(lab, port, f"app.test:{server.port}", inside=several)
    several.run(echoes, "127.0.0.1", port)
    destination.wait_log(rf"Connected to {re.escape(alive(addresses))}, port: {server.port}")
    assert "next try" not in destination.log


def test_no_address_of_several_answers_in_time(lab, several):
    """The error names each, and the wait is that of one connect, not of one connect each."""
    several.write("hosts", "2001:db8::dead dead.test\n2001:db8::beef dead.test\n10.9.0.9 dead.test\n")
    source = lab.proxy(["-s", free_port(), "-e", "dead.test:443", "-v", 5,
                        *lab.settings(websocket={"connect_retry_count": 0})], token="unused", inside=several)
    assert source.wait(30) == 69
    line = source.find_log(r"cannot connect to the service: (.*)")[1]
    for address in ("[2001:db8::dead]", "[2001:db8::beef]", "10.9.0.9"):
        assert f"{address}:443: no answer" in line


# ---- machines with one family, or both ----

@pytest.mark.parametrize("families", [{"ipv6": False}, {"ipv4": False}, {}], ids=["IPv4 only", "IPv6 only", "both"])
def test_address_families_of_the_machine(lab, namespace, families):
    net = namespace(**families)
    home = "127.0.0.1" if families.get("ipv4", True) else "::1"
    service = lab.service({"t1": ["HTTP", "APP"]}, listen=[f"{bracketed(home)}:0"], inside=net)
    directory = lab.make_directory("web")
    (directory / "content").write_bytes(os.urandom(MEGABYTE))
    web = lab.use(net.run(WebServer, directory, address=home))
    server = lab.use(net.run(EchoServer, net.run(server_on, home)))
    ports = free_ports(["HTTP", "APP"])
    targets = {"HTTP": web.port, "APP": f"localhost:{server.port}"}
    lab.destination(service, "t1", targets, inside=net).wait_log(READY)
    source = lab.source(service, "t1", ports, inside=net)
    for port in ports.values():
        source.wait_log(rf"Listening for new connection on port {port}")
    copy = lab.directory / "copy"
    for host in ([home] if families else LOOPBACKS):
        net.run(subprocess.run, ["curl", "--noproxy", "*", "-sS", "--fail", "-o", copy,
                                 f"http://{bracketed(host)}:{ports['HTTP']}/content"], check=True, timeout=60)
        assert copy.read_bytes() == (directory / "content").read_bytes()
        copy.unlink()
        net.run(echoes, host, ports["APP"])


