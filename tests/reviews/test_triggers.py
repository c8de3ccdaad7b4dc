"""What the database itself refuses about tickets, by SQL nobody reviewed."""

import pytest
from django.db import IntegrityError, transaction

from audit.clock import db_now
from audit.models import AuditEvent
from audit.services import Draft, record_alone
from reviews.lifecycle import STATUSES, TRANSITIONS
from reviews.models import Ticket
from tests.stories import run_sql, stopped_by_the_database, stored

pytestmark = pytest.mark.db


class Undone(Exception):
    """Raised to leave no trace."""


def event_id():
    """Tell something, so that a row may name it."""
    record_alone("system", Draft("system.noted", db_now()))
    event = AuditEvent.objects.filter(stream="system").order_by("seq").last()
    assert event is not None
    return event.pk


def move(ticket: Ticket, status: str) -> int:
    statement = "UPDATE reviews_ticket SET status = %s, last_event_id = %s WHERE id = %s"
    return run_sql(statement, status, stored(event_id()), stored(ticket.pk))


def ways(to: str) -> list[str]:
    """Return the statuses on a shortest way from pending."""
    reached = {"pending": []}
    while to not in reached:
        for old, way in list(reached.items()):
            for new in TRANSITIONS[old]:
                reached.setdefault(new, [*way, new])
    return reached[to]


@pytest.mark.parametrize("old", STATUSES)
def test_of_all_moves_only_the_listed_ones_pass(cast, old):
    ticket = cast.open()
    for status in ways(old):
        move(ticket, status)
    passed, refusals = set(), set()
    for new in STATUSES:
        try:
            with transaction.atomic():
                with transaction.atomic():
                    move(ticket, new)
                passed.add(new)
                raise Undone
        except Undone:
            continue
        except IntegrityError as problem:
            refusals.add(str(problem).splitlines()[0])

    assert passed - {old} == TRANSITIONS[old]
    assert refusals == {"a ticket does not move this way"}


@pytest.mark.parametrize(
    "change", ["status = 'approved'", "version = version + 1", "decision_id = %s"]
)
def test_nothing_that_counts_changes_without_its_event(cast, change):
    ticket, other = cast.open(), cast.open()
    parameters = [stored(other.decision_id)] if "%s" in change else []
    with stopped_by_the_database("only together with its audit event"):
        run_sql(f"UPDATE reviews_ticket SET {change} WHERE id = %s", *parameters, stored(ticket.pk))


@pytest.mark.parametrize(
    "change",
    [
        "ref = ref + 1000",
        "requester_id = requester_id - 1",
        "access_key_id = NULL",
        "created_at = closed_at",
    ],
)
def test_where_a_ticket_came_from_never_changes(cast, change):
    ticket = cast.open()
    with stopped_by_the_database("where a ticket came from never changes"):
        run_sql(f"UPDATE reviews_ticket SET {change} WHERE id = %s", stored(ticket.pk))


def test_a_ticket_is_never_deleted(cast):
    cast.open()
    with stopped_by_the_database("never deleted"):
        run_sql("DELETE FROM reviews_ticket")
    with stopped_by_the_database("never deleted"):
        Ticket.objects.all().delete()


def test_a_queryset_update_of_the_status_is_refused(cast):
    cast.open()
    with stopped_by_the_database("only together with its audit event"):
        Ticket.objects.update(status="approved")


def test_a_waiting_ticket_is_not_closed(cast):
    cast.open()
    with stopped_by_the_database("ticket_closed_is_not_waiting"):
        run_sql("UPDATE reviews_ticket SET closed_at = created_at")
