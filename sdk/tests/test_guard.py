"""The guard: the approved action, once, or nothing."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from countersign_peer import Peer, Reply, approve, end_as, leave, problem

import hitl_client
from hitl_client import Guard, HitlClient, HitlError

ACTION = {"title": "Pay", "amount": 12.5}


@pytest.fixture
def ticket(client: HitlClient) -> dict[str, Any]:
    return client.submit_for_review(ACTION)


def test_an_approved_action_runs_and_is_recorded_as_applied(
    peer: Peer, client: HitlClient, ticket: dict[str, Any]
) -> None:
    with Guard(client).verify_and_consume(ticket["id"], ACTION) as approval:
        assert approval.action == ACTION
        assert approval.action is not ACTION
        assert peer.results == []
    assert peer.results == [(approval.consumption_id, "applied")]
    assert approval.recorded == "applied"


def test_a_guard_for_one_ticket_needs_the_action_only(
    peer: Peer, client: HitlClient, ticket: dict[str, Any]
) -> None:
    assert Guard(client, ticket["id"]).verify_and_consume(ACTION).ticket_id == ticket["id"]
    with pytest.raises(hitl_client.Invalid):
        Guard(client).verify_and_consume(ACTION)


def test_an_action_that_raises_is_recorded_as_failed(
    peer: Peer, client: HitlClient, ticket: dict[str, Any]
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        Guard(client).verify_and_consume(ticket["id"], ACTION),
    ):
        _ = 1 / 0
    assert [result for _, result in peer.results] == ["failed"]


def test_a_result_that_cannot_be_recorded_does_not_hide_what_happened(
    peer: Peer, client: HitlClient, ticket: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/api/v1/tickets/{ticket['id']}/receipt"
    peer.script("POST", path, Reply(201, {"consumption_id": "c-1"}), problem(409, "other"))
    with (
        caplog.at_level(logging.WARNING),
        Guard(client).verify_and_consume(ticket["id"], ACTION) as approval,
    ):
        pass
    assert "c-1" in caplog.text
    assert approval.recorded is None
    approval.record("applied")
    assert peer.results == [("c-1", "applied")]


def test_another_action_is_refused_and_uses_nothing_up(
    peer: Peer, client: HitlClient, ticket: dict[str, Any]
) -> None:
    with pytest.raises(hitl_client.ReceiptInvalid):
        Guard(client).verify_and_consume(ticket["id"], {**ACTION, "amount": 1250})
    assert peer.tickets[ticket["id"]]["_used"] is None


def test_an_approval_works_once(peer: Peer, client: HitlClient, ticket: dict[str, Any]) -> None:
    approval = Guard(client).verify_and_consume(ticket["id"], ACTION)
    with pytest.raises(hitl_client.AlreadyConsumed):
        Guard(client).verify_and_consume(ticket["id"], ACTION)
    with approval:
        pass
    with pytest.raises(hitl_client.Conflict), approval:
        raise AssertionError("must not be entered again")


def test_of_many_at_once_one_gets_it(
    peer: Peer, client: HitlClient, ticket: dict[str, Any]
) -> None:
    got: list[str] = []
    barrier = threading.Barrier(16)

    def race() -> None:
        barrier.wait()
        try:
            Guard(client).verify_and_consume(ticket["id"], ACTION)
            got.append("consumed")
        except hitl_client.AlreadyConsumed:
            got.append("refused")

    racers = [threading.Thread(target=race) for _ in range(16)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(got) == ["consumed"] + ["refused"] * 15


def test_a_lost_answer_to_consuming_is_asked_for_again(
    peer: Peer, client: HitlClient, ticket: dict[str, Any]
) -> None:
    path = f"/api/v1/tickets/{ticket['id']}/receipt"
    peer.script("POST", path, Reply(0, drop=True))
    Guard(client).verify_and_consume(ticket["id"], ACTION)
    first, second = peer.requests("POST", path)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("status", "allowed", "expected"),
    [
        ("pending", None, hitl_client.Pending),
        ("rejected", False, hitl_client.Rejected),
        ("needs_changes", None, hitl_client.NeedsChanges),
        ("expired", False, hitl_client.Expired),
        ("cancelled", False, hitl_client.Cancelled),
        ("revoked", False, hitl_client.Revoked),
        ("approved", False, hitl_client.Rejected),
        ("approved", None, hitl_client.Pending),
        ("approved", "true", hitl_client.Rejected),
        ("approved", 1, hitl_client.Rejected),
        ("something new", None, hitl_client.Pending),
    ],
)
def test_what_is_not_allowed_is_refused_by_its_status(
    peer: Peer,
    client: HitlClient,
    ticket: dict[str, Any],
    status: str,
    allowed: Any,
    expected: type[HitlError],
) -> None:
    peer.decide = end_as(status, allowed)
    with pytest.raises(HitlError) as caught:
        Guard(client).verify_and_consume(ticket["id"], ACTION)
    assert type(caught.value) is expected
    assert caught.value.ticket_id == ticket["id"]
    assert peer.requests("POST", f"/api/v1/tickets/{ticket['id']}/receipt") == []


@pytest.mark.parametrize("changed", [{"allowed": False}, {"allowed": "true"}, {"sub": "other"}])
def test_a_genuine_receipt_that_says_something_else_is_refused(
    peer: Peer, client: HitlClient, ticket: dict[str, Any], changed: dict[str, Any]
) -> None:
    approve(peer.tickets[ticket["id"]])
    path = f"/api/v1/tickets/{ticket['id']}/receipt"
    token = peer.sign(peer.claims(peer.tickets[ticket["id"]], **changed))
    peer.script("GET", path, Reply(200, {"receipt": token}))
    with pytest.raises(hitl_client.ReceiptInvalid):
        client.consume(ticket["id"], ACTION)
    assert peer.requests("POST", path) == []


@pytest.mark.parametrize("answer", [{}, {"consumption_id": ""}, {"consumption_id": None}])
def test_consuming_without_a_consumption_id_is_no_consumption(
    peer: Peer, client: HitlClient, ticket: dict[str, Any], answer: dict[str, Any]
) -> None:
    peer.script("POST", f"/api/v1/tickets/{ticket['id']}/receipt", Reply(200, answer))
    with pytest.raises(HitlError) as caught:
        client.consume(ticket["id"], ACTION)
    assert caught.value.code == "unexpected-answer"


def test_the_guard_keeps_its_own_copy(peer: Peer, client: HitlClient) -> None:
    action: dict[str, Any] = {"to": ["ana@example.org"]}
    ticket = client.submit_for_review(action)
    approval = Guard(client).verify_and_consume(ticket["id"], action)
    action["to"].append("mallory@example.org")
    assert approval.action == {"to": ["ana@example.org"]}


def test_nothing_is_executed_while_nobody_has_looked(peer: Peer, client: HitlClient) -> None:
    peer.decide = leave
    ticket = client.submit_for_review(ACTION)
    with pytest.raises(hitl_client.Pending):
        client.consume(ticket["id"], ACTION)
