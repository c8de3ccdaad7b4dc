"""`Prefer: wait=N`: the answer comes with the decision, and a waiter costs nothing for long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest
from django.test import AsyncClient

from approvals.services.keys import revoke_key
from audit.clock import db_now
from reviews.api import waiting
from tests.builders import make_cast

TICKETS = "/api/v1/tickets"
LONG = 30


def run(story: Callable[[], Awaitable[Any]]) -> Any:
    async def whole():
        try:
            return await asyncio.wait_for(story(), LONG)
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(whole())


async def read(cast, ticket, prefer):
    headers = {"Authorization": f"Bearer {cast.token}", "Prefer": prefer}
    return await AsyncClient().get(f"{TICKETS}/{ticket.pk}", headers=headers)


async def waiters(number):
    while waiting._waiters != number:  # noqa: ASYNC110  nothing of ours should tell a test
        await asyncio.sleep(0.005)


async def elsewhere(work, **given):
    """Do what another process would: not in the thread the waiting request occupies."""

    def alone():
        try:
            return work(**given)
        finally:
            connections.close_all()

    return await sync_to_async(alone, thread_sensitive=False)()


@pytest.mark.real
class TestWaiting:
    @pytest.fixture
    def cast(self, db):
        return make_cast()

    def test_a_waiter_hears_of_the_decision_at_once(self, cast):
        ticket = cast.open()

        async def story():
            started = time.monotonic()
            waiter = asyncio.create_task(read(cast, ticket, f"wait={LONG}"))
            await waiters(1)
            await elsewhere(cast.vote, ticket=ticket, person=cast.ann, choice="approve")
            return await waiter, time.monotonic() - started

        answer, took = run(story)

        assert answer.json()["status"] == "approved"
        assert answer.headers["Preference-Applied"] == f"wait={LONG}"
        assert answer.headers["ETag"] == '"1"'
        assert took < waiting.LOOK_AGAIN
        assert waiting._waiters == 0

    def test_a_vote_that_decides_nothing_wakes_nobody_for_good(self, cast):
        ticket, person = cast.open(), cast.as_person(cast.ann)

        async def story():
            waiter = asyncio.create_task(read(cast, ticket, f"wait={LONG}"))
            await waiters(1)
            await elsewhere(person.post, path=f"{TICKETS}/{ticket.pk}/claim")
            still = not waiter.done()
            await elsewhere(cast.vote, ticket=ticket, person=cast.ann, choice="reject")
            return still, await waiter

        still, answer = run(story)

        assert still
        assert answer.json()["status"] == "rejected"

    def test_a_lost_nudge_makes_a_waiter_late_and_not_deaf(self, cast, settings, monkeypatch):
        settings.CHANNEL_LAYERS = {}
        monkeypatch.setattr(waiting, "LOOK_AGAIN", 0.05)
        ticket = cast.open()

        async def story():
            waiter = asyncio.create_task(read(cast, ticket, f"wait={LONG}"))
            await waiters(1)
            await elsewhere(cast.vote, ticket=ticket, person=cast.ann, choice="approve")
            return await waiter

        assert run(story).json()["status"] == "approved"

    def test_nobody_decides_and_the_answer_is_pending(self, cast):
        ticket = cast.open()

        answer = run(lambda: read(cast, ticket, "respond-async, wait=1"))

        assert (answer.status_code, answer.json()["status"]) == (200, "pending")
        assert answer.headers["Preference-Applied"] == "wait=1"

    def test_what_is_decided_is_answered_at_once(self, cast):
        ticket = cast.open()
        cast.vote(ticket, cast.ann, "approve")

        started = time.monotonic()
        answer = run(lambda: read(cast, ticket, "wait=50"))

        assert answer.json()["status"] == "approved"
        assert time.monotonic() - started < waiting.LOOK_AGAIN

    def test_a_caller_who_goes_leaves_no_waiter_behind(self, cast):
        ticket = cast.open()

        async def story():
            waiter = asyncio.create_task(read(cast, ticket, f"wait={LONG}"))
            await waiters(1)
            waiter.cancel()
            await waiters(0)

        run(story)

    def test_a_full_house_is_answered_at_once(self, cast, monkeypatch):
        monkeypatch.setattr(waiting, "MOST_WAITERS", 0)
        ticket = cast.open()

        answer = run(lambda: read(cast, ticket, "wait=50"))

        assert answer.json()["status"] == "pending"
        assert "Preference-Applied" not in answer.headers

    def test_a_key_revoked_meanwhile_hears_nothing(self, cast):
        ticket = cast.open()

        async def story():
            waiter = asyncio.create_task(read(cast, ticket, f"wait={LONG}"))
            await waiters(1)
            await elsewhere(lambda: revoke_key(key=cast.key, by=cast.max, now=db_now()))
            await elsewhere(cast.vote, ticket=ticket, person=cast.ann, choice="approve")
            return await waiter

        assert run(story).status_code == 401

    def test_what_one_may_not_see_is_not_waited_for(self, cast):
        ticket = cast.open()
        started = time.monotonic()

        async def story():
            token = await elsewhere(lambda: cast.as_person(cast.otto)._credentials)
            headers = {"Authorization": token["HTTP_AUTHORIZATION"], "Prefer": "wait=50"}
            return await AsyncClient().get(f"{TICKETS}/{ticket.pk}", headers=headers)

        assert run(story).status_code == 404
        assert time.monotonic() - started < waiting.LOOK_AGAIN


@pytest.mark.db
def test_a_server_with_a_thread_per_call_does_not_wait(cast):
    ticket = cast.open()
    started = time.monotonic()

    answer = cast.as_key().get(f"{TICKETS}/{ticket.pk}", headers={"Prefer": "wait=50"})

    assert answer.json()["status"] == "pending"
    assert "Preference-Applied" not in answer.headers
    assert time.monotonic() - started < waiting.LOOK_AGAIN


@pytest.mark.parametrize(
    "header, seconds",
    [
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ("wait=10; foo, return=minimal", 10),
        ('wait = "7"', 7),
        ("WAIT=5", 5),
        ("wait=500", 50),
        ("wait=0", 0),
        ("", None),
        ("wait", None),
        ("wait=-1", None),
        ("await=5", None),
        ("wait=5x", None),
        ("return=minimal", None),
    ],
)
def test_a_preference_is_read(header, seconds):
    request = HttpRequest()
    request.META["HTTP_PREFER"] = header

    assert waiting.asked_wait(request) == seconds
