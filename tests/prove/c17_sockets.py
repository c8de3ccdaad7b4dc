"""C17: a hundred open sockets of people who lost what let them in: silent within 10 s."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from approvals.models import AccessKey, User
from approvals.services.keys import revoke_key
from audit.clock import db_now
from tests.prove import web
from tests.prove.cast import Cast, cast
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

SILENT_AFTER = 10.0
# What a hint may hold; everything else would be something somebody could read.
HINT = {"type", "seq", "id", "version", "kind"}
SOCKETS = 100


def logged_out(person: User) -> None:
    for session in Session.objects.all():
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            session.delete()


def deactivated(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False)


def new_password(person: User) -> None:
    person.set_password("another password nobody guesses")
    person.save(update_fields=["password"])


def key_revoked(person: User) -> None:
    for key in AccessKey.objects.filter(owner=person):
        revoke_key(key=key, by=person, now=db_now())


def role_lost(person: User) -> None:
    person.groups.clear()


WAYS: list[Callable[[User], None]] = [logged_out, deactivated, new_password, key_revoked, role_lost]


@dataclass
class Ear:
    """One socket: when it heard what, and whether it was closed."""

    wire: ClientConnection
    heard: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    closed_at: float | None = None

    async def listen(self) -> None:
        try:
            async for text in self.wire:
                self.heard.append((time.monotonic(), json.loads(text)))
        except ConnectionClosed:
            pass
        self.closed_at = time.monotonic()


def headers_of(person: User, url: str, way: Callable[[User], None]) -> dict[str, str]:
    """Return what a browser of this person, or a program with their key, sends."""
    if way is key_revoked:
        return {"Authorization": f"Bearer {web.token_of(person)}"}
    return {"Cookie": web.session_of(person)["Cookie"], "Origin": url}


async def refused(url: str, path: str, headers: dict[str, str]) -> bool:
    """Tell whether a socket is refused before it is open."""
    try:
        async with connect(url.replace("http", "ws") + path, additional_headers=headers):
            return False
    except InvalidStatus as answer:
        return answer.response.status_code == 403


def strangers_let_in(url: str, people: Cast) -> list[str]:
    """Return who was let in and should not have been."""
    ann, ben = people.voters[0], people.voters[1]
    cookie = web.session_of(ann)["Cookie"]
    token = {"Authorization": f"Bearer {web.token_of(ann)}"}
    tries: dict[str, tuple[str, dict[str, str]]] = {
        "foreign origin": ("/ws/v1/me", {"Cookie": cookie, "Origin": "http://evil.example"}),
        "null origin": ("/ws/v1/me", {"Cookie": cookie, "Origin": "null"}),
        "no origin": ("/ws/v1/me", {"Cookie": cookie}),
        "token in the address": (f"/ws/v1/me?token={token['Authorization'][7:]}", {}),
        "nobody": ("/ws/v1/me", {"Origin": url}),
        "foreign origin, interactions": (
            f"/ws/hitl/{ann.pk}", {"Cookie": cookie, "Origin": "http://evil.example"},
        ),
        "another's id": (f"/ws/hitl/{ben.pk}", {"Cookie": cookie, "Origin": url}),
        "another's name": (f"/ws/hitl/{ben.username}", token),
    }  # fmt: skip
    return [name for name, (path, headers) in tries.items()
            if not asyncio.run(refused(url, path, headers))]  # fmt: skip


async def story(
    url: str, people: Cast, sockets: Sequence[tuple[str, dict[str, str]]]
) -> tuple[list[Ear], Ear, float]:
    """Open all sockets, take the rights away, and let tickets come until silence is due."""
    ears: list[Ear] = []
    base = url.replace("http", "ws")
    for path, headers in sockets:
        ears.append(Ear(await connect(base + path, additional_headers=headers, compression=None)))
    staying = people.voters[-1]
    token = {"Authorization": f"Bearer {await asyncio.to_thread(web.token_of, staying)}"}
    witness = Ear(await connect(f"{base}/ws/v1/me", additional_headers=token))
    tasks = [asyncio.create_task(ear.listen()) for ear in [*ears, witness]]
    caller = web.Client(url, people.token)

    def come() -> None:
        told = {"checkpoint": people.checkpoint, "title": "One more"}
        status, answer, _ = caller.call("POST", "/api/v1/tickets", told)
        assert status == 201, answer

    await asyncio.to_thread(come)
    async with asyncio.timeout(60):
        while not all(len(ear.heard) > 1 for ear in [*ears, witness]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for person, way in zip(people.voters, WAYS, strict=False):
        await asyncio.to_thread(way, person)
    taken_at = time.monotonic()
    while time.monotonic() < taken_at + SILENT_AFTER + 2:
        await asyncio.to_thread(come)
        await asyncio.sleep(0.25)
    for ear in [*ears, witness]:
        await ear.wire.close()
    await asyncio.gather(*tasks)
    return ears, witness, taken_at


def attempt(scene: Scene) -> Figure:
    people = cast(voters=len(WAYS) + 1)
    each = max(2, round(SOCKETS * min(scene.scale, 1.0)) // len(WAYS))
    with scene.served() as url:
        sockets = []
        for person, way in zip(people.voters, WAYS, strict=False):
            for number in range(each):
                # One in ten listens as programs of earlier designs do.
                path = f"/ws/hitl/{person.pk}" if number % 10 == 9 else "/ws/v1/me"
                sockets.append((path, headers_of(person, url, way)))
        strangers = strangers_let_in(url, people)
        ears, witness, taken_at = asyncio.run(story(url, people, sockets))
    late = [
        (way.__name__, told)
        for number, ear in enumerate(ears)
        for way in [WAYS[number // each]]
        for at, told in ear.heard
        if at > taken_at + SILENT_AFTER
    ]
    # Who lost a role alone is still somebody; the others are closed.
    open_yet = sum(
        ear.closed_at is None or ear.closed_at > taken_at + SILENT_AFTER
        for number, ear in enumerate(ears)
        if WAYS[number // each] is not role_lost
    )
    wordy = [
        told
        for (path, _), ear in zip(sockets, ears, strict=True)
        for _, told in ear.heard
        if path == "/ws/v1/me" and told["type"] == "ticket" and set(told) != HINT
    ]
    heard_on = sum(at > taken_at + SILENT_AFTER for at, _ in witness.heard)
    return figure(
        f"{len(ears)} sockets, {len(WAYS)} ways to lose the right; a witness heard {heard_on} "
        f"hints after {SILENT_AFTER:.0f} s; 8 strangers",
        details={"late": late[:20], "strangers": strangers, "wordy": wordy[:5],
                 "heard before": sum(len(ear.heard) for ear in ears),
                 "cookie": settings.SESSION_COOKIE_NAME},
        messages_after_10_s=len(late),
        sockets_still_open=open_yet,
        strangers_let_in=len(strangers),
        frames_that_are_more_than_hints=len(wordy),
        witnesses_that_heard_nothing=int(heard_on == 0),
    )  # fmt: skip


def run(scene: Scene) -> Figure:
    return attempt(scene)


def control(scene: Scene) -> Figure:
    """Never look again who may still be here."""
    scene.switch_off("socket-check")
    return attempt(scene)


ROW = Row("C17", "A socket is silent once its right is gone", run, control)
