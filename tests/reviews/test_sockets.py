"""Sockets: who gets one, what each hears, and when they hear it no longer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import AccessKey
from approvals.services.delegations import start_delegation
from approvals.services.keys import renew_key, revoke_key
from audit.clock import db_now, shifted
from hitl_project.asgi import application
from reviews.audience import audience
from reviews.live import hub
from reviews.models import Ticket
from reviews.sockets import hints, room
from tests.builders import make_cast, make_person, make_region, personal_token
from tests.prove.web import session_of

pytestmark = pytest.mark.real

HOST = "testserver"
LONG = 20


@pytest.fixture
def cast(db):
    return make_cast()


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(room, "LOOK_AGAIN", 0.05)


def run(story: Callable[[], Awaitable[Any]]) -> Any:
    async def whole():
        try:
            return await asyncio.wait_for(story(), LONG)
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(whole())


async def elsewhere(work, **given):
    def alone():
        try:
            return work(**given)
        finally:
            connections.close_all()

    return await sync_to_async(alone, thread_sensitive=False)()


def by_key(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def by_cookie(person, origin: str = f"http://{HOST}") -> dict[str, str]:
    return {"cookie": session_of(person)["Cookie"], "origin": origin}


class Ear:
    """One socket of a test."""

    def __init__(self, path: str, headers: dict[str, str]) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        where, _, query = path.partition("?")
        self.wire = ApplicationCommunicator(
            application,
            {
                "type": "websocket",
                "scheme": "ws",
                "path": where,
                "query_string": query.encode(),
                "headers": [(b"host", HOST.encode()), *pairs],
                "client": ("127.0.0.1", 5),
                "subprotocols": [],
            },
        )

    async def _asked(self) -> dict[str, Any]:
        await self.wire.send_input({"type": "websocket.connect"})
        return await self.wire.receive_output(10)

    async def open(self) -> "Ear":
        assert await self._asked() == {"type": "websocket.accept"}
        return self

    async def refused(self) -> bool:
        return (await self._asked())["type"] == "websocket.close"

    async def hear(self) -> dict[str, Any]:
        return json.loads((await self.wire.receive_output(10))["text"])

    async def closed(self) -> int:
        while (message := await self.wire.receive_output(10))["type"] != "websocket.close":
            pass
        return message["code"]

    async def ping(self) -> list[dict[str, Any]]:
        """Return what was heard up to now; whatever is announced later comes after the pong."""
        await self.wire.send_input({"type": "websocket.receive", "text": "ping"})
        heard = []
        while (text := (await self.wire.receive_output(10))["text"]) != "pong":
            heard.append(json.loads(text))
        return heard

    async def close(self) -> None:
        await self.wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wire.wait(10)


async def listening(path="/ws/v1/me", **headers: str) -> Ear:
    ear = await Ear(path, headers).open()
    if path.startswith("/ws/v1"):
        assert (await ear.hear())["type"] == "hello"
    return ear


class TestTheDoor:
    def test_a_page_of_ours_and_a_program_with_a_key_are_let_in(self, cast):
        ours, key = by_cookie(cast.ann), by_key(cast.token)

        async def story():
            for headers in (ours, key):
                ear = await listening(**headers)
                await ear.close()

        run(story)

    def test_everybody_else_is_refused(self, cast):
        cookie = by_cookie(cast.ann)
        gone = make_person("gone")
        of_gone = by_cookie(gone)
        gone.is_active = False
        gone.save()
        writing = personal_token(cast.ann, scopes=[AccessKey.Scope.VOTE])
        refused = {
            "nobody": {},
            "no origin": {"cookie": cookie["cookie"]},
            "foreign origin": {**cookie, "origin": "http://evil.example"},
            "other port": {**cookie, "origin": f"http://{HOST}:81"},
            "other scheme": {**cookie, "origin": f"https://{HOST}"},
            "the null origin": {**cookie, "origin": "null"},
            "a key from a foreign page": {**by_key(cast.token), "origin": "http://evil.example"},
            "unknown session": {**cookie, "cookie": f"{settings.SESSION_COOKIE_NAME}=nonsense"},
            "unknown key": by_key(cast.token[:-1] + "x"),
            "not a key": {"authorization": "Basic YTpi"},
            "a key without the scope": by_key(writing),
            "somebody who left": of_gone,
        }

        async def story():
            return [name for name, headers in refused.items()
                    if not await Ear("/ws/v1/me", headers).refused()]  # fmt: skip

        assert run(story) == []

    def test_a_token_in_the_address_opens_nothing(self, cast):
        async def story():
            return await Ear(f"/ws/v1/me?token={cast.token}", {}).refused()

        assert run(story)

    def test_an_address_without_a_socket_refuses(self, cast):
        async def story():
            return await Ear("/ws/other", by_key(cast.token)).refused()

        assert run(story)

    def test_one_person_has_so_many_sockets_and_no_more(self, cast, monkeypatch):
        monkeypatch.setattr(room, "MOST_OF_ONE", 2)
        headers = by_key(cast.token)

        async def story():
            kept = [await listening(**headers) for _ in range(2)]
            assert await Ear("/ws/v1/me", headers).refused()
            await kept[0].close()
            await listening(**headers)

        run(story)


class TestHints:
    def test_an_event_is_an_id_a_version_and_a_kind(self, cast):
        headers = by_cookie(cast.ann)

        async def story():
            ear = await listening(**headers)
            ticket = await elsewhere(cast.open)
            opened = await ear.hear()
            await elsewhere(cast.vote, ticket=ticket, person=cast.ben, choice="approve")
            return ticket, opened, await ear.hear()

        ticket, opened, decided = run(story)

        assert set(opened) == {"type", "seq", "id", "version", "kind"}
        assert (opened["type"], opened["id"], opened["version"]) == ("ticket", str(ticket.pk), 1)
        assert (opened["kind"], decided["kind"]) == ("opened", "decided")
        assert opened["seq"] < decided["seq"]

    def test_each_hears_of_what_they_may_see_and_of_nothing_else(self, cast):
        make_region("eu", cast.ann)
        ann, ben = by_cookie(cast.ann), by_cookie(cast.ben)
        machine, otto = by_key(cast.token), by_cookie(cast.otto)

        async def story():
            ears = [await listening(**headers) for headers in (ann, ben, machine, otto)]
            here = await elsewhere(cast.open, region="eu")
            hint = await ears[0].hear()
            others = [await ear.ping() for ear in ears[1:]]
            return str(here.pk), hint, others

        here, hint, (ben_heard, machine_heard, otto_heard) = run(story)

        assert hint["id"] == here
        assert [one["id"] for one in machine_heard] == [here]
        assert ben_heard == otto_heard == []

    def test_who_loses_a_role_hears_nothing_of_the_next_event(self, cast):
        headers, watching = by_cookie(cast.ann), by_cookie(cast.ben)

        async def story():
            ear, other = await listening(**headers), await listening(**watching)
            await elsewhere(cast.open)
            await ear.hear(), await other.hear()
            await elsewhere(cast.ann.groups.clear)
            await elsewhere(cast.open)
            await other.hear()
            return await ear.ping()

        assert run(story) == []

    def test_a_ticket_alone_is_heard_where_only_that_is_asked(self, cast):
        first, second = cast.open(), cast.open()
        headers = by_cookie(cast.ann)

        async def story():
            ear = await listening(f"/ws/v1/me?ticket={first.pk}", **headers)
            nothing = await listening("/ws/v1/me?ticket=nonsense", **headers)
            for ticket in (second, first):
                await elsewhere(cast.vote, ticket=ticket, person=cast.ben, choice="approve")
            return await ear.hear(), await nothing.ping()

        hint, nothing = run(story)

        assert hint["id"] == str(first.pk)
        assert nothing == []

    def test_who_comes_back_hears_what_they_missed(self, cast):
        headers = by_cookie(cast.ann)

        async def story():
            ear = await Ear("/ws/v1/me", headers).open()
            seq = (await ear.hear())["seq"]
            await ear.close()
            ticket = await elsewhere(cast.open)
            again = await listening(f"/ws/v1/me?after={seq}", **headers)
            return ticket, await again.ping()

        ticket, hints = run(story)

        # Once or twice: what is still on its way when somebody comes back may reach them as well.
        assert {(hint["id"], hint["kind"]) for hint in hints} == {(str(ticket.pk), "opened")}

    @pytest.mark.parametrize(
        "after",
        [
            "nonsense",
            "0" * 32,
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
            "ffffffff-ffff-7fff-bfff-ffffffffffff",
        ],
    )
    def test_a_sequence_that_tells_nothing_means_look_at_everything(self, cast, after):
        headers = by_cookie(cast.ann)

        async def story():
            ear = await listening(f"/ws/v1/me?after={after}", **headers)
            return await ear.ping()

        assert run(story) == [{"type": "reload"}]

    def test_too_much_missed_means_look_at_everything(self, cast, monkeypatch):
        monkeypatch.setattr(hints, "MOST_MISSED", 1)
        headers = by_cookie(cast.ann)

        async def story():
            ear = await Ear("/ws/v1/me", headers).open()
            seq = (await ear.hear())["seq"]
            for _ in range(2):
                await elsewhere(cast.open)
                await ear.hear()  # else it might still be on its way when the other begins
            again = await listening(f"/ws/v1/me?after={seq}", **headers)
            return await again.ping()

        assert run(story) == [{"type": "reload"}]

    def test_who_does_not_read_is_told_to_look_at_everything(self, cast, monkeypatch):
        monkeypatch.setattr(room, "MOST_UNREAD", 3)
        socket = hints.HintSocket(caller=None, only=None)

        for number in range(10):
            socket.tell(str(number), "{}")

        assert len(socket._unread) <= 3
        assert "reload" in socket._unread


WAYS: dict[str, Callable[[Any], object]] = {}


def way(act):
    WAYS[act.__name__] = act
    return act


@way
def logging_out(cast):
    Session.objects.all().delete()


@way
def the_session_running_out(cast):
    Session.objects.update(expire_date=timezone.now())


@way
def leaving(cast):
    cast.ann.is_active = False
    cast.ann.save()


@way
def a_new_password(cast):
    cast.ann.set_password("another horse battery staple")
    cast.ann.save()


class TestLeaving:
    @pytest.mark.parametrize("act", WAYS)
    def test_a_page_is_closed_after(self, cast, act):
        headers = by_cookie(cast.ann)

        async def story():
            ear = await listening(**headers)
            await elsewhere(WAYS[act], cast=cast)
            return await ear.closed()

        assert run(story) == room.LEFT

    def test_a_program_is_closed_after_its_key_is_revoked(self, cast):
        async def story():
            ear = await listening(**by_key(cast.token))
            await elsewhere(lambda: revoke_key(key=cast.key, by=cast.max, now=db_now()))
            return await ear.closed()

        assert run(story) == room.LEFT

    def test_a_renewed_key_keeps_its_sockets_for_its_time_of_grace(self, cast, monkeypatch):
        async def story():
            ear = await listening(**by_key(cast.token))
            await elsewhere(lambda: renew_key(key=cast.key, by=cast.max, now=db_now()))
            await elsewhere(cast.open)
            await ear.hear()
            with shifted(timedelta(hours=25)):
                return await ear.closed()

        assert run(story) == room.LEFT

    def test_others_stay(self, cast):
        ann, ben = by_cookie(cast.ann), by_cookie(cast.ben)

        async def story():
            leaving_, staying = await listening(**ann), await listening(**ben)
            await elsewhere(WAYS["leaving"], cast=cast)
            assert await leaving_.closed() == room.LEFT
            await elsewhere(cast.open)
            return await staying.hear()

        assert run(story)["kind"] == "opened"


class TestInteractions:
    def test_what_waits_comes_first_and_what_comes_follows(self, cast):
        before = cast.open()
        headers = by_cookie(cast.ann)

        async def story():
            ear = await listening(f"/ws/hitl/{cast.ann.pk}", **headers)
            first = await ear.hear()
            after = await elsewhere(cast.open)
            second = await ear.hear()
            await elsewhere(cast.vote, ticket=after, person=cast.ben, choice="approve")
            return first, second, after, await ear.ping()

        first, second, after, rest = run(story)

        assert first["type"] == "pending_interactions"
        assert [one["interaction_id"] for one in first["data"]] == [str(before.pk)]
        assert second["type"] == "new_interaction"
        assert second["data"]["interaction_id"] == str(after.pk)
        assert second["data"]["ui_schema"]["fields"]
        assert rest == []

    def test_what_came_while_nothing_could_be_heard_follows(self, cast):
        headers = by_cookie(cast.ann)

        async def story():
            ear = await listening(f"/ws/hitl/{cast.ann.pk}", **headers)
            await ear.hear()
            await get_channel_layer().flush()  # what is announced now reaches nobody
            ticket = await elsewhere(cast.open)
            for one in hub()._listeners:  # as a hub does that hears again
                one.miss()
            return ticket, await ear.hear()

        ticket, told = run(story)

        assert told["type"] == "new_interaction"
        assert told["data"]["interaction_id"] == str(ticket.pk)

    def test_the_address_names_the_caller_by_id_or_user_name(self, cast):
        ann = by_cookie(cast.ann)

        async def story():
            await listening("/ws/hitl/ann", **ann)
            return [name for name in (str(cast.ben.pk), "ben", "nobody", "0")
                    if not await Ear(f"/ws/hitl/{name}", ann).refused()]  # fmt: skip

        assert run(story) == []

    def test_an_interaction_that_waits_for_others_is_not_sent(self, cast):
        make_region("eu", cast.ben)
        ann, ben = by_cookie(cast.ann), by_cookie(cast.ben)

        async def story():
            ears = [await listening("/ws/hitl/ann", **ann), await listening("/ws/hitl/ben", **ben)]
            for ear in ears:
                await ear.hear()
            await elsewhere(cast.open, region="eu")
            await ears[1].hear()
            return await ears[0].ping()

        assert run(story) == []


def test_all_at_once_see_what_each_alone_sees(cast):
    eu, us = make_region("eu", cast.ann), make_region("us", cast.ben, cast.cleo)
    tomorrow = db_now() + timedelta(days=1)
    start_delegation(lender=cast.ben, delegate=cast.otto, ends_at=tomorrow, by=cast.ben)
    start_delegation(
        lender=cast.lena, delegate=cast.ann, roles=[cast.roles["lead"]], ends_at=tomorrow,
        by=cast.lena,
    )  # fmt: skip
    boss = make_person("boss", is_superuser=True)
    gone = make_person("gone", roles=[cast.roles["auditor"]], is_active=False)
    for region in (None, eu, us):
        for more in ({}, {"on_behalf_of": "otto@example.org"}, {"on_behalf_of": "ann"}):
            cast.open(**({"region": region.slug} if region else {}), **more)
    people = [cast.ann, cast.ben, cast.cleo, cast.lena, cast.max, cast.ada, cast.otto]
    people += [boss, gone, cast.machine]
    tickets = list(Ticket.objects.values_list("pk", flat=True))

    with CaptureQueriesContext(connections["default"]) as few:
        found = audience([person.pk for person in people], tickets)
    with CaptureQueriesContext(connections["default"]) as fewer:
        audience([people[0].pk], tickets[:1])

    sees = {person.pk: set(Ticket.objects.visible_to(person).values_list("pk", flat=True))
            for person in people}  # fmt: skip
    assert len(found) == len(tickets)
    for seen in found:
        assert seen.by == {person for person, theirs in sees.items() if seen.ticket_id in theirs}
    assert any(sees.values())
    assert len(few) <= len(fewer) + 1
