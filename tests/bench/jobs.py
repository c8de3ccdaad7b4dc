"""What a worker can do. Every job takes and returns plain JSON; times are seconds of this machine's
monotonic clock, so that those of several processes can be laid side by side.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.conf import settings
from django.db import OperationalError, transaction

Json = dict[str, Any]
_state: dict[str, Any] = {}


def furnish() -> Json:
    """Make the cast in an empty database; return the tokens of the key and of a reviewer."""
    from tests import builders

    cast = builders.make_cast()
    _state["key"], _state["ann"] = cast.key, cast.ann
    return {"key": cast.token, "ann": builders.personal_token(cast.ann)}


def _cast() -> tuple[Any, Any]:
    from approvals.models import AccessKey, User

    if "key" not in _state:
        _state["ann"] = User.objects.get(username="ann")
        _state["key"] = AccessKey.objects.select_related("user", "owner").get(kind="service")
    return _state["key"], _state["ann"]


def open_tickets(*, count: int) -> list[str]:
    """Open tickets and return their ids."""
    from reviews.services.requests import TicketRequest
    from reviews.services.tickets import open_ticket

    key, _ = _cast()
    request = TicketRequest(title="Pay ACME", proposal={"payee": "ACME", "total": 900})
    return [str(open_ticket(requester=key.user, key=key, request=request).pk) for _ in range(count)]


def decide(*, ids: Sequence[str]) -> Json:
    """Approve tickets one after the other."""
    from reviews.services.votes import cast_vote

    _, ann = _cast()

    def one(ticket: str) -> None:
        cast_vote(ticket_id=UUID(ticket), voter=ann, choice="approve", version=1, reason="Fine.")

    return _timed([partial(one, each) for each in ids])


def decide_one(*, ticket: str) -> float:
    """Approve one ticket; return when it was committed."""
    return float(decide(ids=[ticket])["ended"])


def crowd_of_people(*, count: int) -> list[str]:
    """Make reviewers and return a token of each."""
    from tests import builders

    role = builders.Group.objects.get(name="reviewer")
    people = [builders.make_person(f"crowd-{n}", roles=[role]) for n in range(count)]
    return [builders.personal_token(person) for person in people]


def statements_of_a_decide(*, ticket: str) -> int:
    """Approve a ticket; return how many statements that took, BEGIN and COMMIT among them."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as made:
        decide(ids=[ticket])
    return len(made)


def _timed(acts: Sequence[Callable[[], object]]) -> Json:
    """Do these; return begin, end, what each took, and how many the database refused."""
    from approvals.errors import Busy

    took: list[float] = []
    errors = 0
    begun = time.monotonic()
    for act in acts:
        before = time.monotonic()
        try:
            act()
        except (Busy, OperationalError):
            errors += 1
        took.append(time.monotonic() - before)
    return {"begun": begun, "ended": time.monotonic(), "took": took, "errors": errors}


_FLOOR_TABLES = """
CREATE TABLE IF NOT EXISTS bench_subject (id uuid PRIMARY KEY, state text, at timestamptz);
CREATE TABLE IF NOT EXISTS bench_fact (id uuid PRIMARY KEY, subject uuid, what text, at timestamptz)
"""


def prepare_floor(*, count: int) -> None:
    """Make the rows the floor's updates find."""
    raw = _raw()
    raw.execute(_FLOOR_TABLES)
    _state["subjects"] = [uuid4() for _ in range(count)]
    with raw.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bench_subject VALUES (%s, 'pending', now())",
            [[subject] for subject in _state["subjects"]],
        )
    raw.commit()


def floor_transactions(*, count: int) -> Json:
    """Insert, update, insert and commit, by psycopg alone: the least any decision could do."""
    raw, subjects = _raw(), _state["subjects"]
    insert = "INSERT INTO bench_fact VALUES (%s, %s, %s, now())"

    def one(subject: UUID) -> None:
        raw.execute(insert, [uuid4(), subject, "vote"])
        raw.execute(
            "UPDATE bench_subject SET state = 'approved', at = now() WHERE id = %s", [subject]
        )
        raw.execute(insert, [uuid4(), subject, "event"])
        raw.commit()

    return _timed([partial(one, subjects[i % len(subjects)]) for i in range(count)])


def _raw() -> psycopg.Connection[Any]:
    if "raw" not in _state:
        given = settings.DATABASES["default"]
        _state["raw"] = psycopg.connect(
            host=given["HOST"], port=given["PORT"] or None, user=given["USER"],
            dbname=given["NAME"],
        )  # fmt: skip
    found: psycopg.Connection[Any] = _state["raw"]
    return found


def append(*, stream: str, count: int) -> Json:
    """Append facts to the chain of one stream, each in a transaction of its own."""
    from audit.clock import db_now
    from audit.services import Actor, Draft, record_alone

    actor = Actor("1", "human", "Ann")

    def one() -> None:
        record_alone(stream, Draft("bench.told", db_now(), actor, "Fine.", {"n": 1}))

    return _timed([one] * count)


def append_unchained(*, stream: str, count: int) -> Json:
    """Insert the same rows as `append` does, without head, hash and lock."""
    from audit.clock import db_now
    from audit.ids import new_id
    from audit.models import AuditEvent

    start = _state["unchained"] = _state.get("unchained", 0) + count
    filler = "0" * 56

    def one(seq: int) -> None:
        with transaction.atomic():
            AuditEvent(
                id=new_id(), stream=stream, seq=seq, type="bench.told", actor_id="1",
                actor_kind="human", actor_label="Ann", at=db_now(), channel="system",
                reason="Fine.", data={"n": 1}, salts={"reason": filler},
                field_commitments={"reason": filler}, previous_hash=f"{seq:064x}",
                hash=f"{seq:064x}",
            ).save(force_insert=True)  # fmt: skip

    return _timed([partial(one, seq) for seq in range(start, start + count)])


def fill(*, count: int, seed: float) -> Json:
    """Make this many waiting tickets, and look at some of them; see `million`."""
    from tests.bench import million

    begun = time.monotonic()
    million.fill(count, seed=seed)
    wrong = million.check(sample=50)
    if wrong:
        raise RuntimeError(wrong[0])
    return {"seconds": time.monotonic() - begun}


def pages(*, count: int, username: str, deep: bool = False) -> Json:
    """Read a page of the queue again and again: the first, or one from its middle."""
    from approvals.models import User
    from audit.clock import db_now
    from reviews.ordering import waiting_page

    person = User.objects.get(username=username)
    after = _middle(person) if deep else None

    def one() -> None:
        page = waiting_page(person, now=db_now(), after=after)
        assert len(page.tickets) == 50

    one()
    return _timed([one] * count)


def _middle(person: Any) -> Any:
    """Return the place of a ticket that about as many come before as after."""
    from audit.clock import db_now
    from reviews.models import Ticket
    from reviews.ordering import Cursor

    now = db_now()
    ids = list(Ticket.objects.values_list("pk", flat=True).order_by("pk")[:2_000_000])
    some = Ticket.objects.filter(pk__in=ids[:: max(1, len(ids) // 500)]).visible_to(person)
    ranked = list(some.waiting().most_urgent_first(now))
    middle: Any = ranked[len(ranked) // 2]
    return Cursor(now, middle.score, middle.pk)


def visit(*, username: str, path: str, count: int) -> Json:
    """Ask for an address as somebody who is signed in; also say how many queries it takes.

    `{ticket}` stands for the most urgent one, `{middle}` for a cursor in the middle of the list.
    """
    from django.db import connection
    from django.test import Client

    from approvals.api.paging import read_cursor, write_cursor
    from approvals.models import User
    from audit.clock import db_now
    from reviews.models import Ticket
    from reviews.ordering import waiting_page

    person = User.objects.get(username=username)
    client = Client(SERVER_NAME="localhost")
    client.force_login(person)
    if "{ticket}" in path:
        urgent = waiting_page(person, now=db_now(), size=1).tickets[0]
        path = path.replace("{ticket}", str(urgent.pk))
    if "{middle}" in path:
        half = Ticket.objects.count() // 2
        middle = Ticket.objects.order_by("-pk").values_list("pk", flat=True)[half]
        # A cursor begins with its list's name, which a page of the list tells.
        short = client.get(f"{path.partition('?')[0]}?limit=1").json()
        of_list = read_cursor(short["next_cursor"]).partition(":")[0]
        path = path.replace("{middle}", write_cursor(f"{of_list}:{middle}"))

    def one() -> None:
        answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"

    for _ in range(8):  # until the plans of its queries are kept
        one()
    queries = 0

    def counted(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    with connection.execute_wrapper(counted):
        one()
    return _timed([one] * count) | {"queries": queries}


def warm(*, url: str, key: str, ann: str, count: int) -> None:
    """Send the traffic of a small office: open, read and decide tickets, four at a time."""
    from tests.bench.load import Client

    def person(_: int) -> None:
        office = Client(url, token=key)
        desk = Client(url, token=ann)
        for _ in range(count):
            ticket = office.post("/api/v1/tickets", {"title": "Pay ACME", "proposal": {"n": 1}})
            office.get(f"/api/v1/tickets/{ticket['id']}")
            desk.post(f"/api/v1/tickets/{ticket['id']}/votes", {"choice": "approve", "version": 1})
            desk.get("/api/v1/tickets")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(person, range(4)))


def add_rule() -> None:
    """Give the general checkpoint rules to run; the last of them matches."""
    from reviews.models import Checkpoint, Rule

    general = Checkpoint.objects.get(slug="general")
    whens = ["ticket.amount > 1000000", 'ticket.domain == "none"', 'ticket.priority == "high"']
    for position, when in enumerate(whens):
        Rule.objects.create(
            checkpoint=general, position=position, name=f"Rule {position}", when=when
        )


def dispatched(*, url: str, count: int) -> float:
    """Let this many messages wait, have them sent, and return the seconds it took."""
    from celery import current_app

    from audit.clock import db_now
    from audit.services import Draft
    from reviews import outbox
    from reviews.models import Delivery, WebhookEndpoint
    from reviews.nudges import DISPATCH
    from reviews.representation import cloud_event
    from reviews.services.endpoints import create_endpoint

    if not WebhookEndpoint.objects.exists():
        _, ann = _cast()
        for number in range(4):
            create_endpoint(name=f"Ledger {number}", url=url, types=["ticket.decided"], by=ann)
        _state["ticket"] = open_tickets(count=1)[0]
    endpoints = list(WebhookEndpoint.objects.all())
    ticket = _ticket(_state["ticket"])
    rows = []
    for number in range(count):
        draft = Draft("ticket.opened", db_now())
        body, endpoint = cloud_event(ticket=ticket, draft=draft), endpoints[number % 4]
        rows.append(
            outbox.delivery(
                draft, "webhook", str(endpoint.pk), body=body, ticket=ticket, endpoint=endpoint
            )
        )
    Delivery.objects.bulk_create(rows, batch_size=500)
    waiting = Delivery.objects.filter(state="waiting")
    begun = nudged = time.monotonic()
    current_app.send_task(DISPATCH, expires=5)
    while waiting.exists():
        time.sleep(0.01)
        if time.monotonic() > nudged + 0.1:  # as often as the service does it by itself
            current_app.send_task(DISPATCH, expires=5)
            nudged = time.monotonic()
        if nudged > begun + 120:
            raise RuntimeError(f"{waiting.count()} messages did not leave.")
    return time.monotonic() - begun


def _ticket(pk: str) -> Any:
    from reviews.models import Ticket

    return Ticket.objects.select_related("decision", "checkpoint").get(pk=pk)


def queue_nothing(*, count: int) -> None:
    """Let this many tasks that do nothing wait under another name, and one that says so."""
    from tests.bench.floor.bare_celery import app, last, nothing

    with app.producer_pool.acquire() as producer:
        for _ in range(count - 1):
            nothing.apply_async(queue="held", producer=producer)
        last.apply_async(queue="held", producer=producer)


def listen() -> None:
    """Let an endpoint hear of everything, so that whatever is told is also delivered."""
    from audit.clock import db_now
    from reviews.models import WebhookEndpoint

    _, ann = _cast()
    WebhookEndpoint.objects.create(
        name="listener", url="https://listener.invalid/hook", secret="whsec_" + "A" * 43 + "=",
        created_by=ann, created_at=db_now(),
    )  # fmt: skip


def make_due(*, count: int) -> None:
    """Let the end of this many waiting tickets have come a moment ago."""
    from django.db import connection

    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("SET LOCAL statement_timeout = 0")
        sql.execute(
            "UPDATE reviews_ticket SET expires_at = now(), next_deadline_at = now() WHERE id IN "
            "(SELECT id FROM reviews_ticket WHERE status = 'pending' ORDER BY id LIMIT %s)",
            [count],
        )


def sweep(*, count: int) -> Json:
    """Sweep what is due, and look that each left its row of history, its event and its message."""
    from reviews.services.sweeps import sweep_deadlines

    return _swept(lambda: sweep_deadlines(at_most=count), count)


def conclude_alone(*, count: int) -> Json:
    """Conclude what is due one by one, each in a transaction of its own."""
    from audit.clock import db_now
    from reviews.models import Ticket
    from reviews.services.sweeps import conclude_tickets

    ids = list(Ticket.objects.due_for_conclusion(db_now()).values_list("pk", flat=True)[:count])
    return _swept(lambda: sum(conclude_tickets([each], skip_locked=True) for each in ids), count)


def _swept(act: Callable[[], int], count: int) -> Json:
    from audit.models import AuditEvent
    from reviews.models import Delivery, Ticket

    def rows() -> list[int]:
        told = "ticket.expired"
        return [
            Ticket.history.filter(status="expired").count(),
            AuditEvent.objects.filter(type=told).count(),
            Delivery.objects.filter(type=told, channel="webhook").count(),
        ]

    before = rows()
    begun = time.monotonic()
    done = act()
    seconds = time.monotonic() - begun
    made = [after - earlier for after, earlier in zip(rows(), before, strict=True)]
    if done != count or made != [count] * 3:
        raise RuntimeError(f"{done} of {count} concluded; history, events, deliveries: {made}")
    return {"seconds": seconds}


def idle_ticks(*, count: int) -> Json:
    """Sweep again and again while nothing is due."""
    from reviews.services.sweeps import sweep_deadlines

    def one() -> None:
        assert sweep_deadlines() == 0

    one()
    return _timed([one] * count)
