"""F11: when an event cannot be written (a full disk), nothing of what it would tell happens."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, models

from approvals.errors import Refusal
from approvals.models import Decision, Receipt, Vote
from audit.clock import db_now
from reviews.models import Assignment, Comment, Delivery, Ticket
from reviews.services.assignments import claim_ticket, release_ticket
from reviews.services.comments import add_comment
from reviews.services.receipts import consume_receipt
from reviews.services.sweeps import conclude_tickets, sweep_deadlines
from reviews.services.tickets import cancel_ticket, resubmit_ticket, revoke_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.prove import switches
from tests.prove.cast import Cast, cast
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

TABLES: list[type[models.Model]] = [Ticket, Decision, Vote, Assignment, Receipt, Delivery, Comment]


def refuse_events() -> None:
    """Let the database answer every new event as a full disk would."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER disk_full BEFORE INSERT ON audit_auditevent "
                "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
            return
        cursor.execute(
            "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
            "RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $body$"
        )
        cursor.execute(
            "CREATE TRIGGER disk_full BEFORE INSERT ON audit_auditevent "
            "FOR EACH ROW EXECUTE FUNCTION disk_full()"
        )


def accept_events() -> None:
    """Let events be written again."""
    with connection.cursor() as cursor:
        on = " ON audit_auditevent" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER disk_full{on}")
        if on:
            cursor.execute("DROP FUNCTION disk_full()")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the sweep from logging each ticket it sets aside."""
    log = logging.getLogger("reviews.services.conclusions")
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def snapshot() -> dict[str, dict[Any, Any]]:
    """Return every row of the tables that hold what people decided."""
    rows = {model.__name__: model._default_manager.order_by("pk").values() for model in TABLES}
    return {table: {row["id"]: str(row) for row in found} for table, found in rows.items()}


def changed(before: dict[str, dict[Any, Any]], after: dict[str, dict[Any, Any]]) -> dict[str, int]:
    """Return how many rows differ, per table."""
    found = {
        table: sum(before[table].get(pk) != rows.get(pk) for pk in {*before[table], *rows})
        for table, rows in after.items()
    }
    return {table: count for table, count in found.items() if count}


def prepare(people: Cast, count: int) -> list[tuple[str, Callable[[], object]]]:
    """Return acts, each on a ticket made ready for it, that all would change something."""
    one, two, *_ = people.voters
    acts: list[tuple[str, Callable[[], object]]] = []

    def act(name: str, do: Callable[..., object], *given: Any, **named: Any) -> None:
        acts.append((name, lambda: do(*given, **named)))

    def approved(ticket: UUID) -> None:
        for voter in (one, two):
            cast_vote(ticket_id=ticket, voter=voter, choice="approve", version=1)

    for _ in range(count):
        ready = people.open_many(11)
        act("open", people.open)
        act("vote", cast_vote, ticket_id=ready[0], voter=one, choice="approve", version=1)
        cast_vote(ticket_id=ready[1], voter=one, choice="approve", version=1)
        act("deciding vote", cast_vote, ticket_id=ready[1], voter=two, choice="approve", version=1)
        cast_vote(ticket_id=ready[2], voter=one, choice="approve", version=1)
        act("withdraw", withdraw_vote, ticket_id=ready[2], voter=one)
        machine = people.key.user
        act("resubmit", resubmit_ticket, ticket_id=ready[3], requester=machine, proposal={"n": 2})
        act("cancel", cancel_ticket, ticket_id=ready[4], by=machine, reason="")
        act("claim", claim_ticket, ticket_id=ready[5], person=one)
        claim_ticket(ticket_id=ready[6], person=one)
        act("release", release_ticket, ticket_id=ready[6], person=one)
        approved(ready[7])
        act("revoke", revoke_ticket, ticket_id=ready[7], by=one, reason="no")
        approved(ready[8])
        digest = Decision.objects.get(subject=ready[8]).executed_digest
        act(
            "consume", consume_receipt, ticket_id=ready[8], key=people.key, nonce="n", digest=digest
        )
        act("comment", add_comment, ticket_id=ready[9], author=one, text="hm")
        past = db_now() - timedelta(seconds=1)
        Ticket.objects.filter(pk=ready[10]).update(expires_at=past, next_deadline_at=past)
        act("timeout", conclude_tickets, [ready[10]])
    return acts


def attempt(scene: Scene, *, count: int) -> Figure:
    people = cast(voters=2, needed=2)
    acts = prepare(people, count)
    before = snapshot()
    refuse_events()
    failed = 0
    try:
        for _, do in acts:
            try:
                do()
            except (DatabaseError, Refusal):
                failed += 1
        with quiet():
            # A sweep sets aside what it cannot conclude, and goes on; it must change nothing too.
            sweep_deadlines()
    finally:
        accept_events()
    moved = changed(before, snapshot())
    # The same acts go through once events can be written: it was the events that stopped them.
    for _, do in acts:
        do()
    stopped = sum(changed(before, snapshot()).values()) < len(acts)
    return figure(
        f"{len(acts)} acts of {len({name for name, _ in acts})} kinds with events refused",
        details={"rows": moved, "failed": failed},
        rows_changed=sum(moved.values()),
        acts_that_seemed_done=len(acts) - failed,
        acts_not_possible_afterwards=int(stopped),
    )


def run(scene: Scene) -> Figure:
    return attempt(scene, count=scene.size(20, least=2))


def control(scene: Scene) -> Figure:
    """Write each event in a way whose failure is swallowed, as a log beside the tables would."""
    scene.switch_off("event-unity")
    switches.drop_foreign_keys("reviews_ticket", "last_event_id")
    switches.drop_foreign_keys("approvals_decision", "last_event_id")
    people = cast(voters=2, needed=2)
    acts = prepare(people, 1)
    before = snapshot()
    refuse_events()
    for _, do in acts:
        try:
            do()
        except (DatabaseError, Refusal):
            pass
    moved = changed(before, snapshot())
    return figure(f"{len(acts)} acts", details={"rows": moved}, rows_changed=sum(moved.values()))


ROW = Row("F11", "An event that cannot be written refuses what it tells of", run, control)
