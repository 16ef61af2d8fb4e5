"""A compromised helper against the real monitor: what it sends out of turn ends it or is ignored."""

import re
import shutil
import signal
import socket
import time

import pytest
from harness import processes
from harness.lab import is_root
from harness.paths import BUILD
from harness.ports import free_port
from harness.wait import until

HOSTILE = BUILD / "tests/sandbox/hostile-helper"

# Order -> what the monitor logs about it, for any helper.
VIOLATIONS = {
    "ready-twice": "READY is not allowed now",
    "unknown-type": "unknown message 65535",
    "type-zero": "unknown message 0",
    "one-byte": "a message without a number",
    "wrong-direction": "SETUP is not for this direction",
    "cut": "LOG of 1 bytes",
    "lying-length": "the fields of LOG are wrong",
    "too-long": "a message was cut off",
}


def hostile(lab, role, order):
    """A localproxy with a hostile helper that follows this order."""
    directory = lab.programs()
    program = directory / f"localproxy-{role}"
    shutil.copy(HOSTILE, program)
    with program.open("ab") as file:
        file.write(f"{' ' * 64}{order}".encode())
    program.chmod(0o755)
    return directory / "localproxy"


def start(lab, role, order, more=(), **options):
    """Starts such a localproxy, for a service that does not exist."""
    arguments = ["-e", options.pop("at", f"localhost:{free_port()}"), "-v", 5, *(more or ["-s", 0])]
    return lab.proxy(arguments, token="unused", program=hostile(lab, role, order), **options)


def end(proxy):
    """The monitor still reacts to signals; after a second one it does not wait for the helper, which reacts to nothing."""
    mark = proxy.mark()
    proxy.signal(signal.SIGTERM)
    proxy.wait_log("a second signal ends at once", since=mark)
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0, proxy.log


@pytest.mark.parametrize("order", list(VIOLATIONS))
def test_a_bridge_that_breaks_the_rules_ends_the_run(lab, order):
    proxy = start(lab, "bridge", order)
    assert proxy.wait() == 71, proxy.log
    assert proxy.find_log("violation by the bridge process|the fields of"), proxy.log
    assert proxy.find_log(re.escape(VIOLATIONS[order])), proxy.log
    assert proxy.find_log("bridge process was killed by SIGKILL"), proxy.log


@pytest.mark.parametrize("order", list(VIOLATIONS))
def test_a_launch_process_that_breaks_the_rules_ends_the_run(lab, order):
    proxy = start(lab, "launch", order)
    assert proxy.wait() == 71, proxy.log
    # Another READY changes nothing: the launch process has no request yet.
    assert proxy.find_log(re.escape(VIOLATIONS[order])), proxy.log


@pytest.mark.parametrize("order", ["up-twice", "unknown-type", "too-long"])
def test_a_net_that_breaks_the_rules_is_replaced(lab, order):
    with socket.create_server(("127.0.0.1", 0)) as service:
        at = f"localhost:{service.getsockname()[1]}"
        proxy = start(lab, "net", order, at=at)
        for _ in range(2):
            mark = proxy.mark()
            proxy.wait_log("violation by the net process", since=mark)
            proxy.wait_log("net process was killed by SIGKILL", since=mark)
        assert proxy.process.poll() is None
        end(proxy)


@pytest.mark.parametrize("order", ["unknown-type", "addresses", "close"])
def test_a_resolver_that_lies_finds_no_address(lab, order):
    settings = lab.settings(websocket={"connect_retry_count": 0})
    proxy = start(lab, "resolve", order, at="tunnel.example:443", more=["-s", 0, *settings])
    assert proxy.wait() == 69, proxy.log
    assert proxy.find_log("cannot resolve tunnel.example"), proxy.log


# Order -> what the helper logs when it is done; the order has no effect.
WITHOUT_EFFECT = {
    "cancel-unknown": "all were cancelled",
    "log-level": "of no level",
    "stderr": "so much for that",
}


@pytest.mark.parametrize("order", list(WITHOUT_EFFECT))
def test_messages_about_unknown_connections_are_ignored(lab, order):
    proxy = start(lab, "bridge", order, more=["-d", f"A=127.0.0.1:{free_port()}"])
    proxy.wait_log(WITHOUT_EFFECT[order])
    assert "\x1b" not in proxy.log
    end(proxy)


def test_ends_of_unknown_processes_are_ignored(lab):
    proxy = start(lab, "launch", "exited-unknown")
    proxy.wait_log("they have all ended")
    end(proxy)


def destination(lab, port, order):
    """A connected destination, whose bridge may ask for connections. port: of its local service."""
    service = lab.service({"t1": ["A"]})
    lab.may_breach = True
    return lab.destination(service, "t1", {"A": f"127.0.0.1:{port}"},
                           program=hostile(lab, "bridge", order))


@pytest.mark.parametrize("order", ["dial-range", "stdio-ended", "counters", "pong"])
def test_messages_beyond_its_rights_end_the_bridge(lab, order):
    with socket.create_server(("127.0.0.1", 0)) as target:
        proxy = start(lab, "bridge", order, more=["-d", f"A=127.0.0.1:{target.getsockname()[1]}"])
        assert proxy.wait() == 71, proxy.log
        # Once: nothing more is read from it.
        assert len(re.findall("(it may not ask for|has not got|was not asked for|without being asked), and is killed",
                              proxy.log)) == 1
        target.setblocking(False)
        with pytest.raises(BlockingIOError):
            target.accept()


def test_a_flood_of_dials_is_bounded(lab):
    with socket.create_server(("127.0.0.1", 0), backlog=1) as target:
        proxy = destination(lab, target.getsockname()[1], "dial-many")
        proxy.wait_log("all dials were asked for", timeout=60)
        assert len(re.findall("too many connections wait for a local service", proxy.log)) in range(1, 100)
        assert len(re.findall("Connected to 127", proxy.log)) <= 128
        end(proxy)


def test_unread_messages_are_bounded(lab):
    """The bridge is killed after limits::kMaxQueuedIpcMessages answers."""
    with socket.create_server(("127.0.0.1", 0)) as target:
        proxy = destination(lab, target.getsockname()[1], "dial-deaf")
        assert proxy.wait() == 71, proxy.log
        assert proxy.find_log("bridge process was killed by SIGKILL"), proxy.log


def test_a_cookie_is_used_once(lab):
    # Nothing listens there: the first dial is still being tried when the second one arrives.
    proxy = destination(lab, free_port(), "cookie-twice")
    assert proxy.wait() == 71, proxy.log
    assert proxy.find_log("asked for a connection that it may not ask for"), proxy.log


FLOOD = 100_000
# base/limits.h: kLogLinesAtOnce, kLogLinesPerSecond.
LINES_AT_ONCE, LINES_PER_SECOND = 2_000, 50
DROPPED = r"too many lines at once: ([\d,]+) w"


def total(proxy, pattern):
    """The sum of the counts that log lines have."""
    return sum(int(number.replace(",", "")) for number in re.findall(pattern, proxy.log))


def written(proxy):
    return sum(re.search(r": flood( \d+)?$", line) is not None for line in proxy.lines)


@pytest.mark.parametrize("way", ["log", "stderr"])
def test_a_flood_of_lines_is_bounded(lab, way):
    began = time.monotonic()
    proxy = start(lab, "bridge", f"{way}-flood")
    until(lambda: written(proxy) + total(proxy, DROPPED) == FLOOD, "all lines were written or counted", 60)
    seconds = time.monotonic() - began
    assert written(proxy) <= LINES_AT_ONCE + LINES_PER_SECOND * seconds
    # Not one with each line.
    assert len(re.findall(DROPPED, proxy.log)) <= seconds + 1
    end(proxy)


def test_repeated_lines_are_counted(lab):
    began = time.monotonic()
    proxy = start(lab, "bridge", "log-repeats")
    until(lambda: written(proxy) + total(proxy, r"flood \(\.\.\. ([\d,]+) more\)") == FLOOD, "all were counted", 60)
    assert written(proxy) == 1
    assert sum("flood" in line for line in proxy.lines) <= 2 + time.monotonic() - began
    end(proxy)


def test_a_new_process_gets_no_new_limits(lab):
    with socket.create_server(("127.0.0.1", 0)) as service:
        began = time.monotonic()
        proxy = start(lab, "net", "log-flood-end", at=f"localhost:{service.getsockname()[1]}",
                      more=["-s", 0, *lab.settings(websocket={"retry_delay_ms": 1})])
        for _ in range(3):
            proxy.wait_log("net process ended with status 99", timeout=60, since=proxy.mark())
        assert written(proxy) <= LINES_AT_ONCE + LINES_PER_SECOND * (time.monotonic() - began)
        end(proxy)


def test_the_monitor_hears_a_request_to_end_beside_an_endless_flood(lab):
    proxy = start(lab, "bridge", "stderr-endless")
    proxy.wait_log("it begins")
    proxy.wait_log(DROPPED)
    end(proxy)


def test_a_log_line_is_one_line_without_control_bytes(lab):
    proxy = start(lab, "bridge", "log-control")
    proxy.wait_log("forged")
    line = next(line for line in proxy.lines if "forged" in line)
    assert " bridge: " in line and not re.search(r"[\x00-\x1f]", line)
    end(proxy)


@pytest.mark.skipif(not is_root(), reason="only root may see the descriptors of a process that is not dumpable")
def test_the_monitor_takes_no_descriptor(lab):
    proxy = start(lab, "bridge", "descriptor")
    proxy.wait_log("with descriptor")
    before = len(processes.descriptors(proxy.pid))
    until(lambda: sum("with descriptor" in line for line in proxy.lines) == 500, "all lines have come")
    assert abs(len(processes.descriptors(proxy.pid)) - before) < 10
    end(proxy)


@pytest.mark.parametrize("order, why", [("silent", "the bridge process does not answer and is killed"),
                                        ("close", "the bridge process does not answer and is killed"),
                                        ("loop", "the bridge process does not answer and is killed")])
def test_an_unresponsive_helper_is_ended(lab, order, why):
    proxy = start(lab, "bridge", order)
    # limits::kAlive: three times ten seconds.
    proxy.wait_log(why, timeout=60)
    assert proxy.wait() == 71, proxy.log
