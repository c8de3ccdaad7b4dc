"""Find the tickets whose time has come, and conclude them; nobody waits for anybody."""

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from audit.clock import db_now
from reviews.models import Checkpoint, Queue, Ticket
from reviews.services.conclusions import conclude
from reviews.services.turns import end_turns, take_turns, writing

log = logging.getLogger(__name__)


def conclude_tickets(ticket_ids: Iterable[UUID], *, skip_locked: bool = False) -> int:
    """Conclude these tickets in one transaction; return how many changed.

    The only implementation: one ticket is a sequence of one. With `skip_locked` (the sweeps)
    a ticket somebody is writing to is left for the next time.
    """
    with writing():
        locked = Ticket.objects.locked(skipping=skip_locked).defer(*_NOT_READ)
        tickets = list(locked.filter(pk__in=list(ticket_ids)).order_by("pk"))
        if not tickets:
            return 0
        _share(tickets)
        turns = take_turns(tickets=tickets, now=db_now())
        for turn in turns:
            conclude(turn)
        end_turns(turns)
    return sum(bool(turn.story.drafts) for turn in turns)


# What concluding looks at in no ticket; it is most of what would be read.
_NOT_READ = ("proposal", "ai", "asked", "interaction", "labels")


def _share(tickets: Iterable[Ticket]) -> None:
    """Give tickets of one checkpoint, and of one queue, the same row, read once."""
    checkpoints = Checkpoint.objects.in_bulk({ticket.checkpoint_id for ticket in tickets})
    queues = Queue.objects.select_related("calendar").in_bulk({t.queue_id for t in tickets})
    for ticket in tickets:
        ticket.checkpoint = checkpoints[ticket.checkpoint_id]
        ticket.queue = queues[ticket.queue_id]


def sweep_deadlines(*, batch: int | None = None, at_most: int = 2000) -> int:
    """Conclude what is due, the longest overdue first, in batches; never wait for a lock."""
    swept = 0
    broken: list[UUID] = []
    batch = batch or _batch()
    while swept < at_most:
        due = Ticket.objects.due_for_conclusion(db_now()).exclude(pk__in=broken)
        ids = list(due.values_list("pk", flat=True)[: min(batch, at_most - swept)])
        if not ids:
            break
        try:
            moved = conclude_tickets(ids, skip_locked=True) > 0
        except Exception:
            # One ticket nobody can conclude must not hold up the ninety-nine beside it.
            failed = _conclude_apart(ids)
            broken += failed
            moved = bool(failed)
        if not moved:
            break
        swept += len(ids)
    return swept


def lateness() -> float:
    """Return for how many seconds the most overdue deadline has waited for a sweep; 0 for none."""
    now = db_now()
    due = Ticket.objects.due_for_conclusion(now).values_list("next_deadline_at", flat=True)
    oldest = due.first()
    return 0.0 if oldest is None else (now - oldest).total_seconds()


def _batch() -> int:
    # SQLite has one writer: whoever votes waits until a batch is over.
    return 250 if connection.vendor == "postgresql" else 100


def _conclude_apart(ticket_ids: Iterable[UUID]) -> list[UUID]:
    """Conclude each in a transaction of its own; return those that could not be."""
    failed = []
    for ticket_id in ticket_ids:
        try:
            conclude_tickets([ticket_id], skip_locked=True)
        except Exception:
            log.exception("ticket %s cannot be concluded", ticket_id)
            failed.append(ticket_id)
    return failed
