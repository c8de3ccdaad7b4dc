"""C9: what somebody may not see is nowhere: roles × routes × foreign objects, by every door.

Every call is made twice, once for a foreign object and once for one that does not exist. Both must
be refused alike, and no answer may hold a word of what is foreign.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from approvals.models import AccessKey, User
from approvals.services.delegations import start_delegation
from approvals.services.keys import create_key
from audit.clock import db_now
from audit.ids import least_id_at, new_id
from audit.models import AuditEvent
from reviews.api import desk_work
from reviews.models import Checkpoint, Region, Ticket
from reviews.services.comments import add_comment
from reviews.services.endpoints import create_endpoint
from reviews.services.requests import TicketRequest
from reviews.services.tickets import cancel_ticket, open_ticket
from reviews.services.votes import cast_vote
from tests.prove import web
from tests.prove.cast import cast, person
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

# Stands in every foreign text and nowhere else; what is searched for is another word.
CANARY, SOUGHT = "zanzibar", "quince"
HOST = "localhost"
ABSENT = str(new_id())
Json = dict[str, Any]


@dataclass
class Caller:
    """Somebody who may see things, but none of the foreign ones."""

    name: str
    user: User
    headers: dict[str, str]
    desk: Client | None = None

    @cached_property
    def client(self) -> Client:
        """Return the client of this caller; each new one would load every middleware."""
        return Client(raise_request_exception=False, headers={"host": HOST, **self.headers})

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body)
        given: Json = {} if data is None else {"data": data, "content_type": "application/json"}
        answer = self.client.generic(method, path, **given)
        return answer.status_code, _text(answer)

    def visit(self, path: str, sent: dict[str, str] | None = None) -> tuple[int, str]:
        assert self.desk is not None
        answer = self.desk.get(path) if sent is None else self.desk.post(path, sent)
        return answer.status_code, _text(answer)


def _text(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(body.decode("utf-8", "replace"))


@dataclass
class World:
    """Two regions, and what belongs to the one nobody here is of."""

    callers: list[Caller]
    tickets: list[Ticket]
    others: dict[str, list[str]]
    south: User
    own: Ticket
    leaks: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    cells: int = 0

    known: dict[Any, tuple[int, str]] = field(default_factory=dict)

    def once(self, key: Any, call: Any) -> tuple[int, str]:
        """Return what a call answers; what is not there is asked for once."""
        if key not in self.known:
            self.known[key] = call()
        return self.known[key]

    def note(self, cell: str, status: int, text: str, *, alike: tuple[int, str] | None) -> None:
        """Judge one cell: no foreign word, no 5xx, and no difference to what does not exist."""
        self.cells += 1
        self.answers[str(status)] += 1
        # 503 is what a probe says of a service without a scheduler.
        if CANARY in text or (status >= 500 and status != 503):
            self.leaks.append(f"{cell}: {status} tells")
        elif alike is not None and (status, text) != alike:
            self.leaks.append(f"{cell}: {status} differs from {alike[0]}")


def build() -> World:
    people = cast(voters=4, needed=1)
    reviewer, lead, nowhere, lender = people.voters
    otto, south = person("otto"), person("southerner", "reviewer")
    delegate = person("delegate")
    lead.groups.add(Group.objects.get_or_create(name="lead")[0])
    Region.objects.create(slug="north", name="North").people.set([reviewer, lead, lender])
    Region.objects.create(slug="south", name="South").people.set([south])
    tomorrow = db_now() + timedelta(days=1)
    start_delegation(lender=lender, delegate=delegate, ends_at=tomorrow, by=lender)
    other = person("other-owner")
    key, token = create_key(name="other", kind="service", owner=other, now=db_now())
    foreign = _foreign_tickets(people.key, south)
    second = person("second-southerner", "reviewer")
    loan = start_delegation(lender=south, delegate=second, ends_at=tomorrow, by=south)
    their_key, _ = create_key(name=CANARY, kind="personal", owner=south, now=db_now())
    endpoint = create_endpoint(name=CANARY, url=f"https://{CANARY}.invalid/hook", by=south)
    callers = [_signed_in(name, user) for name, user in (
        ("reviewer elsewhere", reviewer), ("lead elsewhere", lead),
        ("reviewer of no region", nowhere), ("delegate of one elsewhere", delegate),
        ("nobody's colleague", otto),
    )]  # fmt: skip
    for one in list(callers[:2]):
        headers = {"authorization": f"Bearer {_whole_token(one.user)}"}
        callers.append(Caller(f"{one.name}, by token", one.user, headers))
    callers.append(Caller("another key", key.user, {"authorization": f"Bearer {token}"}))
    own = people.open(region="north", title="A northern loan")
    others = {
        "key_id": [str(their_key.pk)],
        "delegation_id": [str(loan.pk)],
        "webhook_id": [str(endpoint.pk)],
        "user_id": [str(south.pk), south.username],
    }
    return World(callers, foreign, others, south, own)


def _whole_token(user: User) -> str:
    return web.token_of(user, [str(s) for s in AccessKey.Scope if s != AccessKey.Scope.RECEIPT])


def _signed_in(name: str, user: User) -> Caller:
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    desk = Client(raise_request_exception=False, headers={"host": HOST})
    desk.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cookie = "; ".join(f"{key}={morsel.value}" for key, morsel in desk.cookies.items())
    return Caller(name, user, {"cookie": cookie}, desk)


def _foreign_tickets(key: AccessKey, south: User) -> list[Ticket]:
    """Return foreign tickets that wait, are approved, are cancelled, and hold a remark."""
    found = []
    checkpoint = Checkpoint.objects.get(slug__startswith="proof-").slug
    for number in range(4):
        text = f"{SOUGHT} {CANARY} {number}"
        request = TicketRequest(
            checkpoint=checkpoint,
            region="south",
            title=text,
            summary=text,
            reference=f"{CANARY}-{number}",
            proposal={"payee": CANARY},
        )
        found.append(open_ticket(requester=key.user, key=key, request=request))
    cast_vote(ticket_id=found[1].pk, voter=south, choice="approve", version=1)
    cancel_ticket(ticket_id=found[2].pk, by=key.user, reason=CANARY)
    add_comment(ticket_id=found[3].pk, author=south, text=CANARY)
    return found


# --- The interface ------------------------------------------------------------------------------
def described() -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and description of every address, as the interface tells of itself."""
    for path, methods in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        for method, told in methods.items():
            yield method.upper(), path, told


def _body(told: Json) -> Any:
    content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    for example in content.get("examples", {}).values():
        return example["value"]
    return {} if content else None


def _naming(body: Any, name: str) -> Any:
    """Return the body with every member that names a ticket naming this one."""
    if isinstance(body, list):
        return [_naming(one, name) for one in body]
    if not isinstance(body, dict):
        return body
    return {
        member: name if member in ("id", "interaction_id", "previous") else _naming(value, name)
        for member, value in body.items()
    }


def _plain(answer: tuple[int, str], name: str) -> tuple[int, str]:
    """Return an answer without the name asked for and without what differs each time."""
    text = answer[1].replace(name, "it")
    return answer[0], re.sub(r'"(request_id|instance)":"[^"]*"', "", text)


def pairs_of(ticket: Ticket) -> list[tuple[str, str]]:
    """Return the names a foreign ticket goes by, each with one of the same kind nothing has."""
    return [
        (str(ticket.pk), ABSENT),
        (ticket.label, "T-999999"),
        (ticket.reference, "absent-reference"),
    ]


def interface(world: World, *, tickets: int) -> None:
    for method, path, told in described():
        names = re.findall(r"{(\w+)}", path)
        body = _body(told)
        if not names and method == "GET":
            _lists(world, path, told)
        elif names == ["identifier"]:
            for ticket in world.tickets[:tickets]:
                for name, absent in pairs_of(ticket):
                    _twice(world, method, path, "{identifier}", name, absent, body)
        elif names and names[0] in world.others:
            for name in world.others[names[0]]:
                absent = ABSENT if "-" in name else "999999"
                filled = re.sub(r"{(?!" + names[0] + r")\w+}", ABSENT, path)
                _twice(world, method, filled, "{" + names[0] + "}", name, absent, body)
        elif body is not None and _naming(body, "x") != body:
            for ticket in world.tickets[:tickets]:
                for name, absent in pairs_of(ticket)[:2]:
                    _twice(world, method, path, "", name, absent, body)


def _twice(
    world: World, method: str, path: str, marker: str, name: str, absent: str, body: Any
) -> None:
    for caller in world.callers:
        there, nothing = (
            world.once(
                (caller.name, method, path, json.dumps(body), one),
                lambda caller=caller, one=one: _plain(
                    caller.call(
                        method, path.replace(marker, one) if marker else path, _naming(body, one)
                    ),
                    one,
                ),
            )
            for one in (name, absent)
        )
        cell = f"{caller.name}: {method} {path}"
        world.note(cell, *there, alike=nothing)
        if there[0] < 400 and "bulk" not in path:
            world.leaks.append(f"{cell}: {there[0]} was done")


def _lists(world: World, path: str, told: Json) -> None:
    first = world.tickets[0]
    values = {"q": SOUGHT, "reference": first.reference, "region": "south", "expand": "events",
              "assignee": world.south.username, "requester": first.requester.username}  # fmt: skip
    asked = [given["name"] for given in told.get("parameters", []) if given["in"] == "query"]
    queries = ["", *(f"?{name}={values[name]}" for name in asked if name in values)]
    if "q" in asked:
        queries += [f"?q={one}" for one in (first.label, f"{SOUGHT}+0")]
    for caller in world.callers:
        for query in queries:
            status, text = caller.call("GET", path + query)
            world.note(f"{caller.name}: GET {path}{query}", status, text, alike=None)
            # A program has no region; of its own tickets none is in another's.
            if query == "?region=south" and status < 400 and not caller.user.is_machine:
                world.leaks.append(f"{caller.name}: {path} names a region not theirs: {status}")


# --- The desk -----------------------------------------------------------------------------------
def addresses(found: Any = None, before: str = "") -> Iterator[str]:
    """Yield every address of the service that takes no arguments."""
    for one in get_resolver().url_patterns if found is None else found:
        route = str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, before + route)
        elif isinstance(one, URLPattern) and not re.search(r"[<(\\^]", before + route):
            yield "/" + before + route


def desk(world: World, *, tickets: int) -> None:
    queue, first = "/admin/reviews/ticket/", world.tickets[0]
    pages = sorted({page for page in addresses() if "logout" not in page})
    pages += [f"{queue}?show={show}&q={SOUGHT}" for show in ("waiting", "mine", "decided", "all")]
    pages += [f"{queue}?show=all&q={first.label}", f"{queue}?show=all&queue=general",
              f"{queue}?show=all&region=south", f"{queue}?done={first.pk}"]  # fmt: skip
    acts = [None, *({"act": act, "choice": "approve", "version": "1", "reason": "x", "text": "x"}
            for act in ("vote", "claim", "skip", "remark", "escalate", "assign", "revoke",
                        "release", "take-back", "test-mail"))]  # fmt: skip
    for caller in world.callers:
        if caller.desk is None:
            continue
        for page in pages:
            world.note(f"{caller.name}: {page}", *caller.visit(page), alike=None)
        for ticket in world.tickets[:tickets]:
            _ticket_pages(world, caller, ticket, acts)


def _ticket_pages(world: World, caller: Caller, ticket: Ticket, acts: list[Any]) -> None:
    queue = "/admin/reviews/ticket/"
    name, absent = pairs_of(ticket)[0]

    def both(path: str, sent: dict[str, str] | None = None) -> None:
        there, nothing = (
            world.once(
                (caller.name, path, json.dumps(sent), one),
                lambda one=one: caller.visit(
                    f"{queue}{path.replace('ID', one)}",
                    None if sent is None else {k: v.replace("ID", one) for k, v in sent.items()},
                ),
            )
            for one in (name, absent)
        )
        # Pages carry a token that differs each time; their status and their words must not.
        world.note(f"{caller.name}: {path} {sent or ''}", *there, alike=(nothing[0], there[1]))

    for act in acts:
        both("ID/change/", act)
    for path in ("ID/history/", "ID/report", "ID/delete/", "arrivals/?show=all&rows=ID:1"):
        both(path)
    both("ID/viewing", {"state": "0-x"})
    both("bulk/", {"ticket": "ID:1", "act": "answer"})
    both("bulk/", {"ticket": "ID:1", "act": "assign"})


# --- The sockets --------------------------------------------------------------------------------
class Ear:
    """One socket of somebody, on the application in this process."""

    def __init__(self, caller: Caller, path: str) -> None:
        from hitl_project.asgi import application

        self.caller, self.path = caller, path
        where, _, query = path.partition("?")
        headers = {"host": HOST, "origin": f"http://{HOST}", **caller.headers}
        self.wire = ApplicationCommunicator(application, {
            "type": "websocket", "scheme": "ws", "path": where, "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1), "subprotocols": [],
        })  # fmt: skip

    async def opened(self) -> bool:
        await self.wire.send_input({"type": "websocket.connect"})
        return bool((await self.wire.receive_output(20))["type"] == "websocket.accept")

    async def hear(self) -> str:
        return str((await self.wire.receive_output(20))["text"])

    async def heard(self) -> list[str]:
        """Return all that was heard up to now."""
        await self.wire.send_input({"type": "websocket.receive", "text": "ping"})
        found = []
        while (text := await self.hear()) != "pong":
            found.append(text)
        return found


async def sockets(world: World) -> None:
    before = least_id_at(db_time(world))
    token = await asyncio.to_thread(_whole_token, world.south)
    witness = Ear(Caller("south", world.south, {"authorization": f"Bearer {token}"}), "/ws/v1/me")
    assert await witness.opened()
    ears: list[Ear] = []
    for caller in world.callers:
        paths = ["/ws/v1/me", f"/ws/v1/me?after={before}", f"/ws/hitl/{caller.user.pk}"]
        paths += [f"/ws/v1/me?ticket={ticket.pk}" for ticket in world.tickets]
        for path in paths:
            ears.append(Ear(caller, path))
            if not await ears[-1].opened():
                world.leaks.append(f"{caller.name}: {path} is refused")
        for name in world.others["user_id"]:
            world.cells += 1
            if await Ear(caller, f"/ws/hitl/{name}").opened():
                world.leaks.append(f"{caller.name}: the socket of {name} is open")
    for ticket in world.tickets:
        await asyncio.to_thread(
            add_comment, ticket_id=ticket.pk, author=world.south, text=f"{CANARY} again"
        )
        while str(ticket.pk) not in await witness.hear():
            pass
    for ear in ears:
        told = " ".join(await ear.heard())
        for ticket in world.tickets:
            world.cells += 1
            if str(ticket.pk) in told or CANARY in told:
                world.leaks.append(f"{ear.caller.name}: {ear.path} tells of a foreign ticket")
    for ear in [*ears, witness]:
        await ear.wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await ear.wire.wait(20)


def db_time(world: World) -> Any:
    """Return an instant before the first foreign ticket was there."""
    return world.tickets[0].created_at - timedelta(seconds=1)


# --- All of it ----------------------------------------------------------------------------------
def attempt(scene: Scene) -> Figure:
    # A 429 would hide whether both are refused alike.
    desk_work.BULKS_A_MINUTE = 10**9
    world = build()
    streams = [ticket.stream for ticket in world.tickets]
    events = AuditEvent.objects.filter(stream__in=streams).count()
    interface(world, tickets=scene.size(4))
    desk(world, tickets=scene.size(4))
    changed = AuditEvent.objects.filter(stream__in=streams).count() - events
    asyncio.run(sockets(world))
    return figure(
        f"{len(world.callers)} callers × {len(list(described()))} addresses, the desk and the "
        f"sockets × {len(world.tickets)} foreign tickets: {world.cells} cells",
        details={"leaks": sorted(set(world.leaks))[:60], "answers": dict(world.answers)},
        leaks=len(world.leaks),
        foreign_events=changed,
        cells_below_2000=int(world.cells < 2000 * min(scene.scale, 1.0)),
    )


def run(scene: Scene) -> Figure:
    return attempt(scene)


def control(scene: Scene) -> Figure:
    """Show every ticket to everybody who is signed in."""
    scene.switch_off("scope")
    return attempt(scene)


ROW = Row("C9", "What is not yours to see is not there", run, control)
