"""A helper that hangs is noticed, and in every state a request ends the run."""

import os
import signal

import pytest
from harness import processes
from harness.dns_server import DnsServer
from harness.lab import READY, free_ports
from harness.ports import free_port
from harness.wait import until

# base/limits.h: three times kAlive, with some slack for a busy machine.
NOTICED = 90
# kStopChild and kStopLauncher, likewise.
STOPPED = 60


def serving(lab, _):
    service = lab.service({"t1": ["A"]})
    proxy = lab.source(service, "t1", free_ports(["A"]))
    proxy.wait_log("Listening for new connection")
    return proxy


def negotiating(lab, _):
    service = lab.service({"t1": ["A"]})
    service.control("fault", kind="hang", next=3)
    proxy = lab.source(service, "t1", free_ports(["A"]))
    proxy.wait_log("Successfully completed SSL handshake")
    return proxy


def resolving(lab, namespace):
    net = namespace(resolver="options timeout:10 attempts:1")
    dns = lab.use(net.run(DnsServer, {}, how="silence"))
    proxy = lab.proxy(["-s", free_port(), "-e", "tunnel.test:443", "-v", 5], token="unused", inside=net)
    until(lambda: dns.queries, "the name is asked for")
    return proxy


def waiting(lab, _):
    proxy = lab.proxy(["-s", free_port(), "-e", f"127.0.0.1:{free_port()}", "-v", 5,
                       *lab.settings(websocket={"retry_delay_ms": 60_000})], token="unused")
    proxy.wait_log("next try to connect in")
    return proxy


# The helpers that there are in each state.
STATES = {
    serving: ["net", "bridge", "launch"],
    negotiating: ["net", "bridge", "launch"],
    resolving: ["resolve", "bridge", "launch"],
    waiting: ["bridge", "launch"],
}


def stopped(lab, namespace, state):
    """For each role a proxy in this state, whose process of that role is stopped."""
    proxies = {}
    for role in STATES[state]:
        proxies[role] = state(lab, namespace)
        os.kill(proxies[role].pid_of(role), signal.SIGSTOP)
    return proxies


@pytest.mark.parametrize("state", [serving, waiting], ids=lambda state: state.__name__)
def test_a_helper_that_hangs_is_noticed(lab, namespace, state):
    proxies = stopped(lab, namespace, state)
    marks = {role: proxy.mark() for role, proxy in proxies.items()}
    for role, proxy in proxies.items():
        proxy.wait_log(f"the {role} process does not answer and is killed", NOTICED, marks[role])
    for role, proxy in proxies.items():
        if role == "net":
            proxy.wait_log(READY, NOTICED, marks[role])
        else:
            assert proxy.wait(STOPPED) == 71, proxy.log


def test_a_lookup_that_hangs_is_noticed(lab, namespace):
    proxy = resolving(lab, namespace)
    os.kill(proxy.pid_of("resolve"), signal.SIGSTOP)
    proxy.wait_log("cannot resolve tunnel.test: no answer from the name servers", NOTICED)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_request_ends_the_run_while_a_helper_hangs(lab, namespace, state):
    proxies = stopped(lab, namespace, state)
    before = [pid for proxy in proxies.values() for pids in proxy.processes().values() for pid in pids]
    for proxy in proxies.values():
        proxy.signal(signal.SIGTERM)
    assert {role: proxy.wait(STOPPED) for role, proxy in proxies.items()} == dict.fromkeys(proxies, 0)
    until(lambda: not any(processes.is_alive(pid) for pid in before), "no process is left")
