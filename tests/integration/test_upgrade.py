"""What the service may answer to the upgrade, and how the proxy reacts."""

import re

import pytest
from harness.lab import READY, free_ports
from harness.wait import until

BACK = 30


@pytest.fixture
def service(lab):
    return lab.service({"t1": ["APP"]})


def start(lab, service, **options):
    return lab.source(service, "t1", free_ports(["APP"]), **options)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_temporary_error_of_the_service_is_retried(lab, service, status):
    service.control("fault", kind="status", status=status, body="come back later", next=2)
    source = start(lab, service)
    source.wait_log(rf"{status}.*(\n.*)*")
    source.wait_log(READY, BACK)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_final_and_gives_the_reason(lab, service, status):
    service.control("fault", kind="status", status=status, body="Invalid access token: no such thing")
    source = start(lab, service)
    assert source.wait() == 77
    assert "Invalid access token: no such thing" in source.log
    assert str(status) in source.log
    assert service.status()["handshakes"]["accepted"] == 0


def test_retry_after_is_respected(lab, service):
    service.control("fault", kind="status", status=429, body="too many requests", retry_after="2")
    source = start(lab, service)
    source.wait_log(READY, BACK)
    wait = re.search(r"next try to connect in (\d+) ms", source.log)
    # Retry-After is added to the first delay of the backoff.
    assert 2000 < int(wait[1]) <= 2000 + 2500


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_the_reason_is_found_however_it_is_framed(lab, service, framing):
    service.control("fault", kind="status", status=403, body="the reason of the service", framing=framing)
    source = start(lab, service)
    assert source.wait() == 77
    assert "the reason of the service" in source.log


def test_an_unknown_token_is_refused(lab, service):
    source = start(lab, service, token="AQGAAXi-nobody-knows-this-token")
    assert source.wait() == 77
    assert source.find_log(READY) is None


def test_a_token_may_fill_the_request(lab, service):
    """The service takes 4,096 bytes: it reads this token, and does not know it."""
    source = start(lab, service, token="T" * 3600)
    assert source.wait() == 77
    assert source.find_log("the service refused the connection")


def test_a_token_that_leaves_no_room_for_the_rest_of_the_request(lab, service):
    source = start(lab, service, token="T" * 3796)
    assert source.wait() == 1
    assert source.find_log("upgrade cannot be asked for: upgrade request of more than 4096 bytes")


def test_the_token_of_the_other_side_is_refused(lab, service):
    source = start(lab, service, token=service.token("t1", "destination"))
    assert source.wait() == 77


BAD_ANSWERS = ["bad-accept", "bad-subprotocol", "no-subprotocol", "no-upgrade-header", "no-connection-header",
               "extension", "garbage", "huge-head", "close-before-response", "reset-before-response"]


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_a_bad_upgrade_response_is_refused_and_retried(lab, service, kind):
    service.control("fault", kind=kind)
    source = start(lab, service)
    source.wait_log(READY, BACK)
    attempts = [line for line in source.log.splitlines() if "Attempting to establish web socket connection" in line]
    assert len(attempts) == 2, "the bad answer was accepted"


@pytest.mark.parametrize("kind", ["slow-head", "no-channel-id"])
def test_an_unusual_answer_is_accepted(lab, service, kind):
    service.control("fault", kind=kind)
    source = start(lab, service)
    source.wait_log(READY, BACK)
    attempts = [line for line in source.log.splitlines() if "Attempting to establish web socket connection" in line]
    assert len(attempts) == 1


def test_a_service_that_never_answers_is_given_up(lab, service):
    service.control("fault", kind="hang")
    source = start(lab, service)
    # The upgrade has a limit of 20 seconds.
    source.wait_log(READY, 60)


def test_a_ping_from_the_service_is_answered(lab, service):
    source = start(lab, service)
    source.wait_log(READY)
    payload = b"anybody there?".hex()
    service.control("ping", tunnel="t1", side="source", hex=payload)
    until(lambda: service.status("t1")["source"]["connection"]["last_pong"] == payload, "the pong has come")


def test_pings_flow_and_need_no_answer(lab, service):
    service.control("pongs", mode="withhold")
    source = start(lab, service)
    source.wait_log(READY)
    # One every five seconds; none has been answered.
    until(lambda: service.status("t1")["source"]["connection"]["pings"] >= 2, "two pings have come", 30)
    assert service.status("t1")["source"]["upgrades"] == 1


def test_the_upgrade_request(lab, service):
    source = start(lab, service)
    source.wait_log(READY)
    connection = service.status("t1")["source"]["connection"]
    assert connection["server_name"] == "localhost"
    assert connection["subprotocol"] == "aws.iot.securetunneling-3.0"
    assert connection["tls_version"] in ("TLSv1.2", "TLSv1.3")
    assert connection["request_bytes"] <= 4096
    assert connection["headers"]["user-agent"]
    assert service.status("t1")["source"]["client_token_bound"], "no client token was sent"
