"""Find the tickets whose time has come, and conclude them; nobody waits for anybody."""

import logging
from collections.abc import Iterable
from uuid import UUID

from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.conclusions import conclude
from reviews.services.turns import take_turn, writing

log = logging.getLogger(__name__)


def conclude_tickets(ticket_ids: Iterable[UUID], *, skip_locked: bool = False) -> int:
    """Conclude these tickets in one transaction; return how many changed.

    The only implementation: one ticket is a sequence of one. With `skip_locked` (the sweeps)
    a ticket somebody is writing to is left for the next time.
    """
    changed = 0
    with writing():
        locked = Ticket.objects.select_for_update(
            of=("self",), no_key=True, skip_locked=skip_locked
        )
        tickets = list(locked.filter(pk__in=list(ticket_ids)).order_by("pk"))
        if not tickets:
            return 0
        now = db_now()
        for ticket in tickets:
            turn = take_turn(ticket=ticket, now=now, actor=None)
            conclude(turn)
            changed += bool(turn.story.drafts)
            turn.end()
    return changed


def sweep_deadlines(*, batch: int = 100, at_most: int = 2000) -> int:
    """Conclude what is due, the longest overdue first, in batches; never wait for a lock."""
    swept = 0
    broken: list[UUID] = []
    while swept < at_most:
        due = Ticket.objects.due_for_conclusion(db_now()).exclude(pk__in=broken)
        ids = list(due.values_list("pk", flat=True)[:batch])
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
