"""How the question of a ticket stands."""

from collections.abc import Collection
from datetime import datetime

from approvals.services.polls import Poll, read_poll
from reviews.models import Ticket


def poll_on(ticket: Ticket, also: Collection[int] = (), *, now: datetime | None = None) -> Poll:
    """Return a ticket's votes, with the rights of who cast them and of `also`, as of `now`."""
    within = ticket.people_within()
    return read_poll(decision=ticket.decision, also=also, within=within, now=now)
