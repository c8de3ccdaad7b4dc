"""Thousands of tickets whose time comes in the same second, and processes that sweep them."""

import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.sweeps import sweep_deadlines
from tests.prove.crew import Hand


def waiting(count: int) -> list[UUID]:
    """Fill an empty database with this many waiting tickets and return their ids."""
    from tests.bench import million

    million.fill(count)
    return list(Ticket.objects.order_by("pk").values_list("pk", flat=True))


def all_due(ids: list[UUID]) -> datetime:
    """Let a step of the ladder and the due time of all these come at one instant: now."""
    at = db_now()
    with connection.cursor() as sql:
        sql.execute("SET statement_timeout = 0")
    Ticket.objects.filter(pk__in=ids).update(
        due_at=at,
        due_soon_at=None,
        expires_at=at + timedelta(days=30),
        escalation_steps=[[at.isoformat(), "lead"]],
        next_deadline_at=at,
    )
    return at


def raise_it(hand: Hand, ids: list[str]) -> None:
    """Once every hand is there, let all these come due; the first hand does it for all."""
    hand.meet()
    if hand.number == 0:
        hand.note(at=all_due([UUID(pk) for pk in ids]).isoformat())
    hand.meet()


def beat(hand: Hand) -> None:
    """Sweep again and again, as a worker does whose scheduler ticks, until nothing is due."""
    raise_it(hand, hand.parcel["ids"])
    while Ticket.objects.due_for_conclusion(db_now()).exists():
        hand.note(swept=sweep_deadlines())
        time.sleep(0.005)  # another may hold the last of them


def lateness(ids: list[UUID], ledger: list[dict[str, Any]]) -> list[float]:
    """Return after how many seconds each was handled, in order."""
    at = next(datetime.fromisoformat(line["at"]) for line in ledger if "at" in line)
    breached = Ticket.objects.filter(pk__in=ids).values_list("breached_at", flat=True)
    return sorted((each - at).total_seconds() for each in breached if each is not None)


def wrong(ids: list[UUID]) -> dict[str, int]:
    """Return how many of these were told more than once, and how many not at all."""
    told: dict[tuple[str, str], int] = {}
    kinds = ("ticket.escalated", "ticket.breached")
    with connection.cursor() as sql:
        sql.execute(
            "SELECT stream, type, count(*) FROM audit_auditevent WHERE type = ANY(%s) "
            "GROUP BY stream, type",
            [list(kinds)],
        )
        told = {(stream, type_): count for stream, type_, count in sql.fetchall()}
    found: dict[str, Any] = {"handled_twice": 0, "not_handled": 0}
    for pk in ids:
        for kind in kinds:
            count = told.get((f"ticket:{pk}", kind), 0)
            found["handled_twice"] += count > 1
            found["not_handled"] += count == 0
    return found


def share(times: list[float], part: float) -> float:
    """Return the time within which this part of them was done."""
    return times[min(int(len(times) * part), len(times) - 1)] if times else float("inf")
