"""Requests, answers, retries, waiting: against a real peer."""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from countersign_peer import API_KEY, Peer, Reply, Time, approve, end_as, leave, problem

import hitl_client
from hitl_client import HitlClient, HitlError

TICKETS = "/api/v1/tickets"
SEED = {"title": "Expand loan term to 7 years", "detail": "From five to seven years."}


def test_the_seed_example_submits_and_reads_its_decision(peer: Peer, client: HitlClient) -> None:
    ticket = client.submit_for_review(SEED)
    decision = client.get_decision(ticket_id=ticket["id"])
    assert (decision["status"], decision["comments"]) == ("approved", "Looks good")
    assert decision["allowed"] is True
    [sent] = peer.requests("POST", TICKETS)
    assert sent.body == {"checkpoint": "general", "proposal": SEED, "title": SEED["title"]}
    assert sent.headers["authorization"] == f"Bearer {API_KEY}"
    assert sent.headers["user-agent"].startswith("hitl-client/")


def test_a_given_title_and_other_fields_are_sent_as_they_are(
    peer: Peer, client: HitlClient
) -> None:
    until = datetime(2030, 1, 1, 12, tzinfo=UTC)
    client.submit_for_review(
        SEED, checkpoint="loans", title="Mine", priority="high", region=None, expires_at=until
    )
    [sent] = peer.requests("POST", TICKETS)
    assert sent.body == {
        "checkpoint": "loans",
        "proposal": SEED,
        "title": "Mine",
        "priority": "high",
        "expires_at": "2030-01-01T12:00:00+00:00",
    }


def test_submissions_get_a_key_of_their_own_unless_one_is_given(
    peer: Peer, client: HitlClient
) -> None:
    first, second = client.submit_for_review(SEED), client.submit_for_review(SEED)
    third = client.submit_for_review(SEED, idempotency_key="run-7")
    fourth = client.submit_for_review(SEED, idempotency_key="run-7")
    assert first["id"] != second["id"]
    assert third["id"] == fourth["id"]


def test_resubmit_cancel_acknowledge_and_result_post_what_they_say(
    peer: Peer, client: HitlClient
) -> None:
    peer.script("POST", f"{TICKETS}/T-1/resubmit", Reply(200, {"id": "1"}))
    peer.script("POST", f"{TICKETS}/T-1/cancel", Reply(200, {"id": "1"}))
    peer.script("POST", f"{TICKETS}/T-1/acknowledge", Reply(200, {"id": "1"}))
    peer.script("POST", f"{TICKETS}/T-1/receipt", Reply(200, {"result": "applied"}))
    client.resubmit("T-1", {"years": 6}, summary="six")
    client.cancel("T-1", "superseded")
    client.acknowledge("T-1")
    client.record_result("T-1", "c-9", "applied")
    assert [seen.body for seen in peer.seen] == [
        {"summary": "six", "proposal": {"years": 6}},
        {"reason": "superseded"},
        {},
        {"consumption_id": "c-9", "result": "applied"},
    ]
    assert all(seen.headers["idempotency-key"] for seen in peer.seen)


def test_an_own_reference_with_special_characters_stays_one_path_segment(
    peer: Peer, client: HitlClient
) -> None:
    peer.script("GET", f"{TICKETS}/order%2F7%3Fa%20%C3%A9", Reply(200, {"id": "1"}))
    assert client.get_decision("order/7?a é")["id"] == "1"


@pytest.mark.parametrize("ticket_id", ["", ".", "..", None, 7])
def test_what_cannot_name_a_ticket_is_refused_before_sending(
    peer: Peer, client: HitlClient, ticket_id: str
) -> None:
    with pytest.raises(hitl_client.Invalid):
        client.get_decision(ticket_id)
    assert peer.seen == []


@pytest.mark.parametrize(
    "proposal",
    [
        {"at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"n": float("nan")},
        {"n": 2**53},
        {1: "number as a key"},
        {"s": "\ud800"},
        ["a list"],
    ],
)
def test_what_json_cannot_say_exactly_is_refused_before_sending(
    peer: Peer, client: HitlClient, proposal: dict[str, object]
) -> None:
    with pytest.raises(hitl_client.Invalid):
        client.submit_for_review(proposal)
    assert peer.seen == []


def test_a_large_float_arrives_as_a_float(peer: Peer, client: HitlClient) -> None:
    client.submit_for_review({"n": 1e20})
    assert isinstance(peer.seen[0].body["proposal"]["n"], float)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed", hitl_client.Invalid),
        (401, "unauthenticated", hitl_client.Unauthenticated),
        (403, "scope-missing", hitl_client.Forbidden),
        (403, "own-work", hitl_client.NotEligible),
        (403, "machine-cannot-vote", hitl_client.NotEligible),
        (404, "not-found", hitl_client.NotFound),
        (409, "already-decided", hitl_client.Conflict),
        (409, "already-consumed", hitl_client.AlreadyConsumed),
        (412, "ticket-changed", hitl_client.TicketChanged),
        (422, "schema", hitl_client.Invalid),
        (428, "version-required", hitl_client.Invalid),
        (429, "too-many", hitl_client.RateLimited),
        (500, "oops", hitl_client.Unavailable),
        (418, "teapot", hitl_client.HitlError),
    ],
)
def test_a_problem_becomes_its_exception(
    peer: Peer, client: HitlClient, status: int, code: str, expected: type[HitlError]
) -> None:
    complaints = [{"pointer": "/amount", "message": "must be a number"}]
    reply = problem(status, code, errors=complaints, request_id="r-1")
    reply.headers["Retry-After"] = "3600"  # too long to wait for, so even a 429 comes at once
    peer.script("GET", f"{TICKETS}/1", reply)
    with pytest.raises(HitlError) as caught:
        client.get_decision("1")
    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.problem["request_id"] == "r-1"
    assert caught.value.errors == complaints
    assert caught.value.retry_after == 3600


def test_a_redirect_says_what_to_give_instead(peer: Peer, client: HitlClient) -> None:
    peer.script(
        "GET", f"{TICKETS}/1", Reply(301, b"<html>", {"Location": "https://other.example/"})
    )
    with pytest.raises(HitlError, match="give its own address"):
        client.get_decision("1")


@pytest.mark.parametrize(
    "body", [b"<html>gateway", b"", b"[1]", b'"yes"', b"\xff\xfe", b"[" * 9999]
)
@pytest.mark.parametrize("status", [200, 302, 403])
def test_an_answer_that_is_no_json_object_is_an_error(
    peer: Peer, client: HitlClient, status: int, body: bytes
) -> None:
    peer.script("GET", f"{TICKETS}/1", Reply(status, body, {"Location": "http://other.example/"}))
    with pytest.raises(HitlError) as caught:
        client.get_decision("1")
    assert "gateway" not in str(caught.value)


def test_control_characters_of_others_do_not_reach_the_message(
    peer: Peer, client: HitlClient
) -> None:
    peer.script("GET", f"{TICKETS}/1", Reply(404, {"detail": "\x1b[2Jgone\u202e\r\n" + "x" * 9999}))
    with pytest.raises(hitl_client.NotFound) as caught:
        client.get_decision("1")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "reply",
    [
        problem(429, "too-many"),
        problem(502, ""),
        problem(503, ""),
        problem(504, ""),
        problem(409, "busy"),
        problem(409, "idempotency-in-flight"),
        Reply(0, drop=True),
    ],
)
def test_a_passing_failure_is_retried_with_the_same_key(
    peer: Peer, client: HitlClient, clock: Time, reply: Reply
) -> None:
    peer.script("POST", TICKETS, reply, reply, reply)
    assert client.submit_for_review(SEED)["status"] == "pending"
    sent = peer.requests("POST", TICKETS)
    assert len(sent) == 4
    assert len({seen.headers["idempotency-key"] for seen in sent}) == 1
    assert len(clock.slept) == 3
    assert all(0.125 * 2**n <= pause <= 0.25 * 2**n for n, pause in enumerate(clock.slept))


@pytest.mark.parametrize("reply", [problem(500, ""), problem(409, "claimed"), problem(422, "x")])
def test_a_lasting_failure_is_not_retried(peer: Peer, client: HitlClient, reply: Reply) -> None:
    peer.script("POST", TICKETS, reply)
    with pytest.raises(HitlError):
        client.submit_for_review(SEED)
    assert len(peer.seen) == 1


def test_retries_end(peer: Peer, client: HitlClient, clock: Time) -> None:
    peer.script("GET", f"{TICKETS}/1", *[problem(503, "down")] * 9)
    with pytest.raises(hitl_client.Unavailable):
        client.get_decision("1")
    assert len(peer.seen) == 4


def test_retry_after_is_waited_for(peer: Peer, client: HitlClient, clock: Time) -> None:
    seconds, date = problem(429, "too-many"), problem(503, "")
    seconds.headers["Retry-After"] = "7"
    when = datetime.now(UTC) + timedelta(seconds=30)
    date.headers["Retry-After"] = f"{when:%a, %d %b %Y %H:%M:%S} GMT"
    peer.script("POST", TICKETS, seconds, date)
    client.submit_for_review(SEED)
    assert clock.slept[0] == 7
    assert 25 < clock.slept[1] <= 30


def test_nobody_listening_is_unavailable(clock: Time) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            HitlClient(url, API_KEY, sleep=clock.sleep) as client,
            pytest.raises(hitl_client.Unavailable) as caught,
        ):
            client.get_decision("1")
    assert caught.value.status is None
    assert len(clock.slept) == 3


def test_a_silent_peer_is_given_up(peer: Peer, clock: Time) -> None:
    release = threading.Event()
    reply = Reply(200, {"id": "1"}, before=lambda seen: hold(release))
    peer.script("GET", f"{TICKETS}/1", reply)
    try:
        with (
            HitlClient(peer.url, API_KEY, timeout=0.05, retries=0) as client,
            pytest.raises(hitl_client.Unavailable),
        ):
            client.get_decision("1")
    finally:
        release.set()


def hold(release: threading.Event) -> None:
    release.wait(5)


def test_connections_are_reused(peer: Peer, client: HitlClient) -> None:
    ticket = client.submit_for_review(SEED)
    for _ in range(5):
        client.get_decision(ticket["id"])
    assert len({seen.port for seen in peer.seen}) == 1


# Waiting


def test_waiting_holds_reads_until_the_decision(
    peer: Peer, client: HitlClient, clock: Time
) -> None:
    ticket = client.submit_for_review(SEED)
    path = f"{TICKETS}/{ticket['id']}"
    held = Reply(200, ticket, before=lambda seen: clock.sleep(50))
    peer.script("GET", path, held, held)
    assert client.wait_for_decision(ticket["id"], timeout=3600)["status"] == "approved"
    waits = [seen.headers["prefer"] for seen in peer.requests("GET", path)]
    assert waits == ["wait=50"] * 3
    assert clock.slept == [50, 50]  # the holds alone: no pause of ours in between


def test_waiting_ends_with_pending_at_the_timeout(
    peer: Peer, client: HitlClient, clock: Time
) -> None:
    peer.decide = leave
    ticket = client.submit_for_review(SEED)
    started = clock.at
    with pytest.raises(hitl_client.Pending) as caught:
        client.wait_for_decision(ticket["id"], timeout=90.5)
    assert caught.value.ticket_id == ticket["id"]
    assert caught.value.code == "pending"
    assert clock.at - started == pytest.approx(90.5)
    prefers = [seen.headers.get("prefer") for seen in peer.seen[1:]]
    assert prefers[0] == "wait=50"
    assert prefers[-1] is None
    assert len(prefers) < 40  # this peer never holds, so the pace is the client's


def test_a_timeout_of_nothing_asks_once(peer: Peer, client: HitlClient, clock: Time) -> None:
    peer.decide = leave
    ticket = client.submit_for_review(SEED)
    with pytest.raises(hitl_client.Pending):
        client.wait_for_decision(ticket["id"], timeout=0)
    assert len(peer.seen) == 2
    assert clock.slept == []


@pytest.mark.parametrize(
    "status", ["rejected", "needs_changes", "expired", "answered", "cancelled"]
)
def test_waiting_returns_whichever_way_it_went(peer: Peer, client: HitlClient, status: str) -> None:
    peer.decide = end_as(status)
    ticket = client.submit_for_review(SEED)
    assert client.wait_for_decision(ticket["id"])["status"] == status


def test_an_outage_of_a_minute_does_not_end_a_long_wait(
    peer: Peer, client: HitlClient, clock: Time
) -> None:
    ticket = client.submit_for_review(SEED)
    peer.script("GET", f"{TICKETS}/{ticket['id']}", *[Reply(0, drop=True), problem(503, "")] * 6)
    assert client.wait_for_decision(ticket["id"], timeout=None)["status"] == "approved"
    assert 10 < sum(clock.slept) < 60


def test_an_outage_that_stays_ends_the_wait(peer: Peer, client: HitlClient, clock: Time) -> None:
    ticket = client.submit_for_review(SEED)
    peer.script("GET", f"{TICKETS}/{ticket['id']}", *[problem(503, "")] * 500)
    with pytest.raises(hitl_client.Unavailable):
        client.wait_for_decision(ticket["id"], timeout=None)
    assert 120 <= sum(clock.slept) < 130


# The key


def test_the_key_shows_nowhere(
    peer: Peer, client: HitlClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Reply(403, {"code": "x", "detail": f"you sent Bearer {API_KEY}", "h": {"a": API_KEY}})
    for reply in (echo, Reply(0, drop=True), Reply(200, b"no json"), problem(503, "")):
        peer.script("GET", f"{TICKETS}/1", *[reply] * 4)
        with pytest.raises(HitlError) as caught:
            client.get_decision("1")
        peer.scripts.clear()
        # From the first frame of the client on: this test's own variables hold the key.
        below = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # type: ignore[union-attr]
        told = traceback.TracebackException.from_exception(below, capture_locals=True).format()
        assert API_KEY not in "".join(told)
        assert API_KEY not in repr(vars(caught.value))
        assert caught.value.__context__ is None
    assert API_KEY not in repr(client) + str(client) + repr(vars(client))
    assert API_KEY not in caplog.text
    assert caplog.records


def test_the_key_is_not_sent_where_it_is_not_needed(peer: Peer, client: HitlClient) -> None:
    peer.decide = approve
    ticket = client.submit_for_review(SEED)
    client.get_decision(ticket["id"])
    client.verify_receipt(client.receipt(ticket["id"])["receipt"])
    [read] = peer.requests("GET", "/.well-known/jwks.json")
    assert "authorization" not in read.headers


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel", None])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        HitlClient("https://countersign.example", key)
    assert not key or key.strip() == "" or key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "countersign.example", "ftp://x", "https://u:p@x", "https://x?y", "http://[", None]
)
def test_what_cannot_be_a_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="core_url"):
        HitlClient(url, API_KEY)
