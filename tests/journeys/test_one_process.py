"""`manage.py serve` alone: a program asks, a person decides, the program acts once."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hitl_client import (
    AlreadyConsumed,
    AsyncGuard,
    AsyncHitlClient,
    Conflict,
    Expired,
    Guard,
    HitlClient,
    NeedsChanges,
    Pending,
    ReceiptInvalid,
    Rejected,
    Revoked,
    require_approval,
)

from tests import serving
from tests.journeys.driving import Caller, Demo, Waiting

pytestmark = [pytest.mark.real, pytest.mark.once]

PAYMENT = {"title": "Pay ACME", "payee": "ACME", "total": 900}


@pytest.fixture(scope="module")
def served(
    migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Served]:
    """A running service with the demo's people; at the end it stops and its story verifies."""
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("served") / "data")
    seeded = serving.manage("seed_demo", folder=folder)
    assert seeded.returncode == 0, seeded.stderr
    with serving.serving(folder) as service:
        yield service
        service.stop()
        assert service.process.returncode == 0, service.log[-3000:]
        verified = serving.manage("verify_audit", folder=folder)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert "Traceback" not in service.log


@pytest.fixture(scope="module")
def demo(served: serving.Served) -> Demo:
    return Demo.read(served.folder)


@pytest.fixture
def client(served: serving.Served, demo: Demo) -> Iterator[HitlClient]:
    with HitlClient(served.url, demo.service_key) as client:
        yield client


@pytest.fixture
def reviewer(served: serving.Served, demo: Demo) -> Caller:
    return Caller(served.url, demo.reviewers()[0]["token"])


def test_a_waiting_program_hears_at_once_when_a_person_approves_in_the_browser(
    served, demo, client
):
    ticket = client.submit_for_review(PAYMENT)
    waiting = Waiting(lambda: client.wait_for_decision(ticket["id"], timeout=30))
    person, browser = demo.reviewers()[0], Caller(served.url)
    browser.sign_in(person["username"], person["password"])
    voted = browser.vote(ticket["id"], "approve", reason="Fine.")
    at = time.monotonic()
    decided = waiting.answer()

    assert voted.status == 201, voted.body
    assert time.monotonic() - at < 5
    assert (decided["status"], decided["allowed"], decided["comments"]) == (
        "approved", True, "Fine.",
    )  # fmt: skip
    assert decided["decision"]["by"] == "votes"


def test_a_person_with_a_token_approves_and_the_program_acts_exactly_once(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    assert reviewer.vote(ticket["ref"], "approve").status == 201
    claims = client.verify_receipt(client.receipt(ticket["id"])["receipt"], action=PAYMENT)
    assert (claims["allowed"], claims["status"]) == (True, "approved")

    done = []
    with Guard(client).verify_and_consume(ticket["id"], PAYMENT) as consumption:
        done.append(consumption.action)
    with pytest.raises(AlreadyConsumed):
        client.consume(ticket["id"], PAYMENT)

    assert done == [PAYMENT]
    told = [event["type"] for event in _events(reviewer, ticket["id"])]
    assert told == [
        "ticket.opened", "ticket.vote_cast", "ticket.decided", "ticket.consumed",
        "ticket.result_recorded",
    ]  # fmt: skip


def _events(caller: Caller, ticket: str) -> list[dict]:
    answer = caller.get(f"/api/v1/tickets/{ticket}/events")
    assert answer.status == 200, answer.body
    return answer.body["data"]


def test_many_pollers_after_one_approval_act_once(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    reviewer.vote(ticket["id"], "approve")
    attempts = [Waiting(lambda: client.consume(ticket["id"], PAYMENT)) for _ in range(6)]
    outcomes = []
    for attempt in attempts:
        try:
            outcomes.append(attempt.answer()["action_digest"])
        except AlreadyConsumed:
            outcomes.append("refused")

    assert sorted(outcomes)[1:] == ["refused"] * 5


def test_another_action_than_the_approved_one_is_never_executed(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    reviewer.vote(ticket["id"], "approve")
    with pytest.raises(ReceiptInvalid):
        client.consume(ticket["id"], {**PAYMENT, "total": 9000})
    assert client.consume(ticket["id"], PAYMENT)["consumption_id"]


def test_what_a_reviewer_modified_is_what_is_executed(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    reviewer.vote(ticket["id"], "modify", reason="Half.", amendments={"total": 450})
    decided = client.get_decision(ticket["id"])
    action = client.approved_action(decided, PAYMENT)
    with pytest.raises(ReceiptInvalid):
        client.consume(ticket["id"], PAYMENT)

    assert action == {**PAYMENT, "total": 450}
    assert client.consume(ticket["id"], action)["action_digest"] == decided["action_digest"]


def test_a_rejected_program_cannot_act(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    assert reviewer.vote(ticket["id"], "reject").status == 422
    assert reviewer.vote(ticket["id"], "reject", reason="No.").status == 201
    with pytest.raises(Rejected):
        client.consume(ticket["id"], PAYMENT)
    assert client.get_decision(ticket["id"])["comments"] == "No."


def test_changes_are_asked_for_made_and_approved_in_a_second_round(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    waiting = Waiting(lambda: client.wait_for_decision(ticket["id"], timeout=30))
    wish = {"feedback": "Half of it."}
    reviewer.vote(ticket["id"], "request_changes", reason="Too dear.", response=wish)
    returned = waiting.answer()
    assert (returned["status"], returned["allowed"]) == ("needs_changes", None)
    with pytest.raises(NeedsChanges):
        client.consume(ticket["id"], PAYMENT)

    changed = {**PAYMENT, "total": 450}
    again = client.resubmit(ticket["id"], changed)
    assert (again["round"], again["version"]) == (2, 2)
    stale = reviewer.vote(ticket["id"], "approve", version=1)
    assert (stale.status, stale.body["code"]) == (412, "ticket-changed")
    assert reviewer.vote(ticket["id"], "approve", version=2).status == 201
    assert client.consume(ticket["id"], changed)["claims"]["round"] == 2


def test_a_ticket_nobody_answers_ends_by_itself_and_the_waiting_program_hears_it(client):
    ticket = client.submit_for_review(PAYMENT, timeout_seconds=2)
    ended = client.wait_for_decision(ticket["id"], timeout=30)

    assert (ended["status"], ended["allowed"]) == ("expired", False)
    assert ended["decision"]["by"] == "timeout"
    with pytest.raises(Expired):
        client.consume(ticket["id"], PAYMENT)


def test_doors_that_stay_closed(served, demo, client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    path = f"/api/v1/tickets/{ticket['id']}"
    stranger = next(p for p in demo.people.values() if not p["roles"])
    machine = Caller(served.url, demo.service_key)

    assert Caller(served.url, "").get(path).status in {401, 403}
    assert Caller(served.url, stranger["token"]).get(path).status == 404
    voted = machine.vote(ticket["id"], "approve")
    assert (voted.status, voted.body["code"]) == (403, "machine-cannot-vote")
    unsaid = reviewer.post(f"{path}/votes", {"choice": "approve"})
    assert (unsaid.status, unsaid.body["code"]) == (428, "version-required")
    assert client.get_decision(ticket["id"])["status"] == "pending"


def test_the_same_submission_sent_again_opens_one_ticket(client):
    first = client.submit_for_review(PAYMENT, idempotency_key="order-77")
    again = client.submit_for_review(PAYMENT, idempotency_key="order-77")

    assert first["id"] == again["id"]


def _asked_about(reviewer: Caller, title: str) -> dict[str, Any]:
    """Return the ticket with this title, once its program has asked."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        rows = reviewer.get("/api/v1/tickets?status=pending").body["data"]
        for row in rows:
            if row["title"] == title:
                return dict(row)
    raise AssertionError(f"Nobody asked about {title!r}.")


def test_a_function_that_needs_approval_waits_runs_once_and_is_recorded(client, reviewer):
    ran: list[tuple[str, int]] = []

    @require_approval(client, timeout=30, title="Transfer by hand")
    def transfer(payee: str, total: int = 5) -> str:
        ran.append((payee, total))
        return "sent"

    waiting = Waiting(lambda: transfer("ACME"))
    ticket = _asked_about(reviewer, "Transfer by hand")
    assert ran == []
    assert reviewer.vote(ticket["id"], "approve").status == 201

    assert waiting.answer() == "sent"
    assert ran == [("ACME", 5)]
    told = [event["type"] for event in _events(reviewer, ticket["id"])]
    assert told[-2:] == ["ticket.consumed", "ticket.result_recorded"]


def test_a_restarted_run_finds_its_approval_and_uses_it_once(client, reviewer):
    ran: list[int] = []

    @require_approval(client, mode="raise", run_id=lambda: "run-7")
    def order(pieces: int) -> None:
        ran.append(pieces)

    for _ in range(2):
        with pytest.raises(Pending) as caught:
            order(3)
    reviewer.vote(str(caught.value.ticket_id), "approve")
    order(3)
    with pytest.raises(AlreadyConsumed):
        order(3)
    # Another call of the same run asks anew.
    with pytest.raises(Pending) as other:
        order(4)

    assert ran == [3]
    assert other.value.ticket_id != caught.value.ticket_id


def test_a_coroutine_waits_too_and_a_rejected_one_never_runs(served, demo, reviewer):
    ran: list[str] = []

    async def story() -> None:
        async with AsyncHitlClient(served.url, demo.service_key) as client:

            @require_approval(client, timeout=30, title="Write to everybody")
            async def write(text: str) -> None:
                ran.append(text)

            sending = asyncio.create_task(write("hello"))
            ticket = await asyncio.to_thread(_asked_about, reviewer, "Write to everybody")
            await asyncio.to_thread(reviewer.vote, ticket["id"], "approve")
            await sending
            assert ran == ["hello"]
            refused = asyncio.create_task(write("again"))
            ticket = await asyncio.to_thread(_asked_about, reviewer, "Write to everybody")
            await asyncio.to_thread(reviewer.vote, ticket["id"], "reject", reason="Once is enough.")
            with pytest.raises(Rejected):
                await refused

            opened = await client.submit_for_review(PAYMENT)
            guard = AsyncGuard(client, opened["id"])
            await asyncio.to_thread(reviewer.vote, opened["id"], "approve")
            with pytest.raises(ReceiptInvalid):
                await guard.verify_and_consume({**PAYMENT, "total": 1})
            async with await guard.verify_and_consume(PAYMENT) as consumption:
                ran.append(consumption.action["payee"])

    asyncio.run(story())

    assert ran == ["hello", "ACME"]


def test_a_program_acknowledges_that_its_approval_was_revoked(client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    reviewer.vote(ticket["id"], "approve")
    with pytest.raises(Conflict):
        client.acknowledge(ticket["id"])
    taken_back = reviewer.post(f"/api/v1/tickets/{ticket['id']}/revoke", {"reason": "No."})
    assert taken_back.status == 200, taken_back.body

    with pytest.raises(Revoked):
        Guard(client, ticket["id"]).verify_and_consume(PAYMENT)
    seen = client.acknowledge(ticket["id"])
    again = client.acknowledge(ticket["id"])

    assert (seen["status"], seen["allowed"]) == ("revoked", False)
    assert seen["decision"]["revoked_seen_at"]
    assert again["decision"] == seen["decision"]
