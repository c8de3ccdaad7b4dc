"""The asynchronous client does what the blocking one does, and leaves the loop free."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from countersign_peer import API_KEY, Peer, Reply, Time, end_as, leave, modify, problem

import hitl_client
from hitl_client import AsyncGuard, AsyncHitlClient, HitlClient, HitlError, require_approval

TICKETS = "/api/v1/tickets"
ACTION = {"title": "Pay", "amount": 12.5}

Story = Callable[[AsyncHitlClient], Awaitable[Any]]


def play(peer: Peer, story: Story, clock: Time | None = None) -> Any:
    """Return what a story comes to with an asynchronous client."""
    time = clock or Time()

    async def sleep(seconds: float) -> None:
        time.sleep(seconds)

    async def played() -> Any:
        async with AsyncHitlClient(
            peer.url, API_KEY, timeout=2.0, sleep=sleep, monotonic=time.monotonic
        ) as client:
            return await story(client)

    return asyncio.run(played())


def names(client: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_") or name == "__init__"
    }


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    assert names(AsyncHitlClient) == names(HitlClient)
    asynchronous = [
        name
        for name, method in inspect.getmembers(AsyncHitlClient, inspect.iscoroutinefunction)
        if not name.startswith("_")
    ]
    assert set(asynchronous) == set(names(HitlClient)) - {"__init__"}


async def told_to(client: Any, name: str, *arguments: Any, **named: Any) -> Any:
    answer = getattr(client, name)(*arguments, **named)
    return await answer if inspect.isawaitable(answer) else answer


async def whole_story(client: Any) -> list[Any]:
    """Drive every method once, with either client; return the answers without what is random."""
    ticket = await told_to(client, "submit_for_review", ACTION, priority="high")
    name = ticket["id"]
    decided = await told_to(client, "wait_for_decision", name, timeout=10)
    approved = await told_to(client, "approved_action", decided, ACTION)
    receipt = await told_to(client, "receipt", name)
    claims = await told_to(client, "verify_receipt", receipt["receipt"], action=ACTION)
    consumed = await told_to(client, "consume", name, ACTION)
    result = await told_to(client, "record_result", name, consumed["consumption_id"], "applied")
    again = await told_to(client, "resubmit", "T-9", {"a": 1}, summary="s")
    stopped = await told_to(client, "cancel", "T-9", "enough")
    known = await told_to(client, "acknowledge", "T-9")
    read = await told_to(client, "get_decision", name)
    told = [ticket["status"], decided["allowed"], approved, claims["allowed"], result["result"]]
    return [*told, again, stopped, known, read["status"]]


def test_both_clients_send_and_answer_the_same(clock: Time) -> None:
    told = []
    for asynchronous in (False, True):
        peer = Peer()
        try:
            peer.script(
                "POST", f"{TICKETS}/T-9/resubmit", problem(503, ""), Reply(200, {"id": "9"})
            )
            peer.script("POST", f"{TICKETS}/T-9/cancel", Reply(200, {"id": "9"}))
            peer.script("POST", f"{TICKETS}/T-9/acknowledge", Reply(200, {"id": "9"}))
            if asynchronous:
                answers = play(peer, whole_story)
            else:
                with HitlClient(
                    peer.url, API_KEY, sleep=clock.sleep, monotonic=clock.monotonic
                ) as client:
                    answers = asyncio.run(whole_story(client))
            [ticket_id] = peer.tickets
            random = {"idempotency-key", "host", "content-length"}
            sent = [
                (
                    seen.method,
                    seen.path.replace(ticket_id, "ID"),
                    {name: value for name, value in seen.headers.items() if name not in random},
                    set(seen.body or ()),
                )
                for seen in peer.seen
            ]
            told.append((answers, sent))
        finally:
            peer.stop()
    assert told[0] == told[1]
    assert len(told[0][1]) > 10


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (problem(404, "not-found"), hitl_client.NotFound),
        (problem(412, "ticket-changed"), hitl_client.TicketChanged),
        (Reply(200, b"no json"), HitlError),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), HitlError),
        (problem(500, "oops"), hitl_client.Unavailable),
    ],
)
def test_problems_become_the_same_exceptions(
    peer: Peer, reply: Reply, expected: type[HitlError]
) -> None:
    peer.script("GET", f"{TICKETS}/1", reply)
    with pytest.raises(expected) as caught:
        play(peer, lambda client: client.get_decision("1"))
    assert type(caught.value) is expected
    assert API_KEY not in repr(vars(caught.value))


def test_a_dropped_connection_is_retried_with_the_same_key(peer: Peer, clock: Time) -> None:
    peer.script("POST", TICKETS, Reply(0, drop=True), problem(503, ""))
    play(peer, lambda client: client.submit_for_review(ACTION), clock)
    sent = peer.requests("POST", TICKETS)
    assert len(sent) == 3
    assert len({seen.headers["idempotency-key"] for seen in sent}) == 1
    assert len(clock.slept) == 2


def test_waiting_ends_with_pending(peer: Peer) -> None:
    peer.decide = leave

    async def story(client: AsyncHitlClient) -> None:
        ticket = await client.submit_for_review(ACTION)
        with pytest.raises(hitl_client.Pending) as caught:
            await client.wait_for_decision(ticket["id"], timeout=60)
        assert caught.value.ticket_id == ticket["id"]

    play(peer, story)


def test_many_wait_at_once_on_one_client(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> list[str]:
        tickets = await asyncio.gather(*(client.submit_for_review({"n": n}) for n in range(30)))
        waits = (client.wait_for_decision(ticket["id"]) for ticket in tickets)
        return [ticket["status"] for ticket in await asyncio.gather(*waits)]

    assert play(peer, story) == ["approved"] * 30


def test_cancelling_a_wait_leaves_the_client_usable(peer: Peer) -> None:
    peer.decide = leave

    async def story() -> str:
        async with AsyncHitlClient(peer.url, API_KEY) as client:
            ticket = await client.submit_for_review(ACTION)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.wait_for_decision(ticket["id"])
            status: str = (await client.get_decision(ticket["id"]))["status"]
            return status

    assert asyncio.run(story()) == "pending"


def test_the_key_shows_nowhere(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(client: AsyncHitlClient) -> str:
        await client.submit_for_review(ACTION)
        return repr(client) + repr(vars(client))

    assert API_KEY not in play(peer, story) + caplog.text
    with pytest.raises(ValueError, match="api_key"):
        AsyncHitlClient(peer.url, "two words")


# The guard


def test_the_guard_executes_once_and_records(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> None:
        ticket = await client.submit_for_review(ACTION)
        async with await AsyncGuard(client).verify_and_consume(ticket["id"], ACTION) as approval:
            assert approval.action == ACTION
            assert peer.results == []
        assert peer.results == [(approval.consumption_id, "applied")]
        with pytest.raises(hitl_client.Conflict):
            await approval.record("failed")
        with pytest.raises(hitl_client.Conflict):
            async with approval:
                raise AssertionError("must not be entered again")
        with pytest.raises(hitl_client.AlreadyConsumed):
            await AsyncGuard(client, ticket["id"]).verify_and_consume(ACTION)

    play(peer, story)


def test_of_many_tasks_one_gets_it(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> list[Any]:
        ticket = await client.submit_for_review(ACTION)
        guard = AsyncGuard(client, ticket["id"])
        tries = (guard.verify_and_consume(ACTION) for _ in range(16))
        return await asyncio.gather(*tries, return_exceptions=True)

    got = play(peer, story)
    refused = [one for one in got if isinstance(one, hitl_client.AlreadyConsumed)]
    assert len(refused) == len(got) - 1 == 15


def test_another_action_or_no_ticket_uses_nothing_up(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> None:
        ticket = await client.submit_for_review(ACTION)
        with pytest.raises(hitl_client.ReceiptInvalid):
            await AsyncGuard(client).verify_and_consume(ticket["id"], {**ACTION, "amount": 1})
        with pytest.raises(hitl_client.Invalid):
            await AsyncGuard(client).verify_and_consume(ACTION)

    play(peer, story)
    assert all(ticket["_used"] is None for ticket in peer.tickets.values())


def test_a_block_that_raises_or_is_cancelled_is_recorded_as_failed(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> None:
        for problem_in_it in (ZeroDivisionError, asyncio.CancelledError):
            ticket = await client.submit_for_review(ACTION)
            with pytest.raises(problem_in_it):
                async with await AsyncGuard(client).verify_and_consume(ticket["id"], ACTION):
                    raise problem_in_it

    play(peer, story)
    assert [result for _, result in peer.results] == ["failed", "failed"]


def test_a_result_that_cannot_be_recorded_does_not_hide_what_happened(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(client: AsyncHitlClient) -> str | None:
        ticket = await client.submit_for_review(ACTION)
        path = f"{TICKETS}/{ticket['id']}/receipt"
        peer.script("POST", path, Reply(201, {"consumption_id": "c-1"}), problem(409, "other"))
        async with await AsyncGuard(client).verify_and_consume(ticket["id"], ACTION) as approval:
            pass
        return approval.recorded

    assert play(peer, story) is None
    assert "c-1" in caplog.text


# require_approval


def test_an_approved_coroutine_runs_once_with_what_was_approved(peer: Peer) -> None:
    ran: list[Any] = []

    async def story(client: AsyncHitlClient) -> str:
        @require_approval(client, checkpoint="payments")
        async def pay(amount: float, *, to: str = "ana") -> str:
            await asyncio.sleep(0)
            ran.append((amount, to))
            return "paid"

        name = f"{pay.__module__}.{pay.__qualname__}"
        changed = {"function": name, "arguments": {"amount": 5, "to": "bo"}}
        peer.decide = modify(changed)
        assert inspect.iscoroutinefunction(pay)
        return await pay(50)

    assert play(peer, story) == "paid"
    assert ran == [(5, "bo")]
    assert [result for _, result in peer.results] == ["applied"]
    [sent] = peer.requests("POST", TICKETS)
    assert sent.body["proposal"]["arguments"] == {"amount": 50, "to": "ana"}


@pytest.mark.parametrize("mode", ["wait", "raise"])
def test_a_no_runs_nothing(peer: Peer, mode: Any) -> None:
    peer.decide = end_as("rejected")

    async def story(client: AsyncHitlClient) -> None:
        @require_approval(client, mode=mode)
        async def pay() -> None:
            raise AssertionError("must not run")

        with pytest.raises(hitl_client.Rejected):
            await pay()

    play(peer, story)


def test_conditions_may_be_plain_or_awaited(peer: Peer) -> None:
    async def large(amount: int) -> bool:
        return amount > 100

    async def story(client: AsyncHitlClient) -> None:
        async def pay(amount: int) -> int:
            return amount

        for when in (large, lambda amount: amount > 100):
            asking = require_approval(client, when=when)(pay)
            assert await asking(1) == 1
            assert await asking(101) == 101

    play(peer, story)
    assert len(peer.tickets) == 2


def test_a_coroutine_that_raises_is_recorded_as_failed(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> None:
        @require_approval(client)
        async def fail() -> None:
            raise LookupError("no such account")

        with pytest.raises(LookupError, match="no such account"):
            await fail()

    play(peer, story)
    assert [result for _, result in peer.results] == ["failed"]


def test_a_restarted_run_finds_its_approval_and_uses_it_once(peer: Peer) -> None:
    async def story(client: AsyncHitlClient) -> None:
        @require_approval(client, run_id="run-7")
        async def pay() -> str:
            return "paid"

        assert await pay() == "paid"
        with pytest.raises(hitl_client.AlreadyConsumed):
            await pay()

    play(peer, story)
    assert len(peer.tickets) == 1


def test_functions_and_clients_that_do_not_go_together_are_refused(
    peer: Peer, client: HitlClient
) -> None:
    async def coroutine() -> None: ...
    def plain() -> None: ...
    async def generator() -> AsyncIterator[int]:
        yield 1

    async def story(asynchronous: AsyncHitlClient) -> None:
        for function in (plain, generator):
            with pytest.raises(TypeError):
                require_approval(asynchronous)(function)  # type: ignore[arg-type]

    play(peer, story)
    with pytest.raises(TypeError, match="AsyncHitlClient"):
        require_approval(client)(coroutine)
