"""`@require_approval`: what runs, with what, and how often."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from countersign_peer import Peer, end_as, leave, modify

import hitl_client
from hitl_client import HitlClient, HitlError, require_approval

TICKETS = "/api/v1/tickets"
ran: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def pay(amount: float, to: str = "ana", /, *notes: str, urgent: bool = False, **more: Any) -> str:
    """Pay somebody."""
    ran.append((amount, to, notes, urgent, more))
    return "paid"


NAME = f"{pay.__module__}.pay"


def test_an_approved_call_runs_with_its_arguments_and_is_recorded(
    peer: Peer, client: HitlClient
) -> None:
    asking = require_approval(client, checkpoint="payments", priority="high")(pay)
    assert asking(12.5, "bo", "a", "b", urgent=True, ref=7) == "paid"
    assert ran == [(12.5, "bo", ("a", "b"), True, {"ref": 7})]
    [sent] = peer.requests("POST", TICKETS)
    assert sent.body["checkpoint"] == "payments"
    assert sent.body["priority"] == "high"
    assert sent.body["title"] == f"Call {NAME}"
    assert sent.body["proposal"] == {
        "function": NAME,
        "arguments": {
            "amount": 12.5,
            "to": "bo",
            "notes": ["a", "b"],
            "urgent": True,
            "more": {"ref": 7},
        },
    }
    assert [result for _, result in peer.results] == ["applied"]
    assert asking.__name__ == "pay"
    assert asking.__doc__ == "Pay somebody."


def test_reviewers_see_defaults_as_well(peer: Peer, client: HitlClient) -> None:
    require_approval(client)(pay)(1)
    shown = peer.seen[0].body["proposal"]["arguments"]
    assert shown == {"amount": 1, "to": "ana", "notes": [], "urgent": False, "more": {}}


def test_a_call_that_needs_no_approval_just_runs(peer: Peer, client: HitlClient) -> None:
    asking = require_approval(client, when=lambda amount, *a, **k: amount > 100)(pay)
    assert asking(1) == "paid"
    assert peer.seen == []
    assert asking(101) == "paid"
    assert len(peer.tickets) == 1


def test_a_condition_that_raises_runs_nothing(peer: Peer, client: HitlClient) -> None:
    asking = require_approval(client, when=lambda *a, **k: bool(1 / 0))(pay)
    with pytest.raises(ZeroDivisionError):
        asking(1)
    assert ran == []


@pytest.mark.parametrize(
    ("status", "allowed", "expected"),
    [
        ("rejected", False, hitl_client.Rejected),
        ("needs_changes", None, hitl_client.NeedsChanges),
        ("expired", False, hitl_client.Expired),
        ("cancelled", False, hitl_client.Cancelled),
        ("revoked", False, hitl_client.Revoked),
    ],
)
def test_any_other_end_raises_and_runs_nothing(
    peer: Peer,
    client: HitlClient,
    status: str,
    allowed: bool | None,
    expected: type[HitlError],
) -> None:
    peer.decide = end_as(status, allowed)
    with pytest.raises(expected):
        require_approval(client)(pay)(1)
    assert ran == []


def test_waiting_ends_as_pending(peer: Peer, client: HitlClient) -> None:
    peer.decide = leave
    with pytest.raises(hitl_client.Pending) as caught:
        require_approval(client, timeout=60)(pay)(1)
    assert caught.value.ticket_id in peer.tickets
    assert ran == []


def test_the_same_call_asks_anew_each_time(peer: Peer, client: HitlClient) -> None:
    asking = require_approval(client)(pay)
    asking(1)
    asking(1)
    assert len(peer.tickets) == 2
    assert len(ran) == 2
    assert all(ticket["_used"] for ticket in peer.tickets.values())


def test_a_restarted_run_finds_its_approval_and_uses_it_once(
    peer: Peer, client: HitlClient
) -> None:
    peer.decide = leave
    with pytest.raises(hitl_client.Pending) as caught:
        require_approval(client, mode="raise", run_id="run-7")(pay)(1)
    ticket = peer.tickets[str(caught.value.ticket_id)]
    ticket.update(status="approved", allowed=True)
    again = require_approval(client, mode="raise", run_id=lambda: "run-7")(pay)
    assert again(1) == "paid"
    with pytest.raises(hitl_client.AlreadyConsumed):
        again(1)
    assert len(ran) == 1
    assert len(peer.tickets) == 1


def test_other_runs_arguments_and_checkpoints_do_not_share_a_ticket(
    peer: Peer, client: HitlClient
) -> None:
    for run_id, checkpoint, amount in [
        ("a", "one", 1),
        ("b", "one", 1),
        ("a", "two", 1),
        ("a", "one", 2),
    ]:
        require_approval(client, run_id=run_id, checkpoint=checkpoint)(pay)(amount)
    assert len(peer.tickets) == 4


def test_a_run_id_that_is_none_asks_anew(peer: Peer, client: HitlClient) -> None:
    asking = require_approval(client, run_id=lambda: None)(pay)
    asking(1)
    asking(1)
    assert len(peer.tickets) == 2


def test_what_the_caller_changes_meanwhile_is_not_what_runs(peer: Peer, client: HitlClient) -> None:
    to = ["ana"]

    def change(ticket: dict[str, Any]) -> None:
        to.append("mallory")
        ticket.update(status="approved", allowed=True)

    peer.decide = change

    @require_approval(client)
    def mail(to: list[str]) -> None:
        ran.append(to)

    mail(to)
    assert ran == [["ana"]]


def test_what_a_reviewer_modified_is_what_runs(peer: Peer, client: HitlClient) -> None:
    arguments = {"amount": 5, "to": "bo", "notes": ["less"], "urgent": False, "more": {"a": 1}}
    peer.decide = modify({"function": NAME, "arguments": arguments})
    require_approval(client)(pay)(50, "bo")
    assert ran == [(5, "bo", ("less",), False, {"a": 1})]


@pytest.mark.parametrize(
    "amended",
    [
        {"function": "os.system", "arguments": {}},
        {"function": NAME, "arguments": {"amount": 5}},
        {"function": NAME, "arguments": None},
        {
            "function": NAME,
            "arguments": {"amount": 1, "to": "b", "notes": "x", "urgent": False, "more": {}},
        },
        {
            "function": NAME,
            "arguments": {
                "amount": 1,
                "to": "b",
                "notes": [],
                "urgent": False,
                "more": {"urgent": True},
            },
        },
        {"function": NAME, "arguments": {}, "extra": 1},
    ],
)
def test_a_modification_into_another_call_runs_nothing(
    peer: Peer, client: HitlClient, amended: dict[str, Any]
) -> None:
    peer.decide = modify(amended)
    with pytest.raises(hitl_client.ReceiptInvalid):
        require_approval(client)(pay)(1)
    assert ran == []
    assert all(ticket["_used"] is None for ticket in peer.tickets.values())


def test_an_approval_of_something_else_runs_nothing(peer: Peer, client: HitlClient) -> None:
    def swap(ticket: dict[str, Any]) -> None:
        changed = {"function": NAME, "arguments": {"amount": 10**6}}
        peer.tickets[ticket["id"]]["proposal"] = changed
        ticket.update(status="approved", allowed=True)

    peer.decide = swap
    with pytest.raises(hitl_client.ReceiptInvalid):
        require_approval(client)(pay)(1)
    assert ran == []


def test_arguments_that_are_not_json_are_refused(peer: Peer, client: HitlClient) -> None:
    with pytest.raises(hitl_client.Invalid):
        require_approval(client)(pay)(1, day=datetime.date(2026, 1, 1))
    assert peer.seen == []
    assert ran == []


def test_a_function_that_raises_is_recorded_as_failed(peer: Peer, client: HitlClient) -> None:
    @require_approval(client)
    def fail() -> None:
        raise LookupError("no such account")

    with pytest.raises(LookupError, match="no such account"):
        fail()
    assert [result for _, result in peer.results] == ["failed"]


def test_functions_that_run_later_are_refused_when_decorated(client: HitlClient) -> None:
    async def coroutine() -> None: ...
    def generator() -> Iterator[int]:
        yield 1

    async def both() -> AsyncIterator[int]:
        yield 1

    for function in (coroutine, generator, both):
        with pytest.raises(TypeError):
            require_approval(client)(function)


def test_an_unknown_mode_is_refused(client: HitlClient) -> None:
    with pytest.raises(ValueError, match="mode"):
        require_approval(client, mode="hope")  # type: ignore[call-overload]
