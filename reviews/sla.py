"""Turn a question's timing, a ticket's priority and its queue's calendar into instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from approvals.timing import Timing
from reviews.calendars import (
    LONGEST,
    Calendar,
    add_business_time,
    business_time_between,
    next_open,
)

DEFAULT_PRIORITY = "medium"
DUE: dict[str, timedelta] = {
    "critical": timedelta(hours=1),
    "high": timedelta(hours=4),
    "medium": timedelta(hours=24),
    "low": timedelta(days=3),
}
PRIORITIES = tuple(DUE)
SHORTEST_EXPIRY = timedelta(hours=24)
REMIND_AFTER = timedelta(hours=24)


@dataclass(frozen=True)
class Deadlines:
    """Hold the instants a ticket waits for; ``escalations`` are (instant, role), earliest first.

    ``due_soon_at`` is None where that moment was before the clock stood still.
    """

    due_at: datetime
    due_soon_at: datetime | None
    expires_at: datetime
    remind_at: datetime | None
    escalations: tuple[tuple[datetime, str], ...]


def deadlines(
    *,
    priority: str | None,
    timing: Timing,
    created_at: datetime,
    requested_expires_at: datetime | None = None,
    calendar: Calendar | None = None,
    used: timedelta = timedelta(0),
) -> Deadlines:
    """Return when a ticket is due, nearly due (a quarter of the time left), escalated and over.

    Due is the question's, else by priority (None is medium); expiry the question's, else twice
    the due time and at least 24 hours. A requester may only bring the expiry forward. Nothing is
    due after the end, and what would escalate then is left out.

    :param calendar: whose opening hours all lengths are of; None is always open.
    :param used: how long the clock had run when it stood still; it goes on from ``created_at``.
    :raises ValueError: for an unknown priority.
    """
    name = priority or DEFAULT_PRIORITY
    if name not in DUE:
        raise ValueError(f"{name} is not a priority; use one of {', '.join(PRIORITIES)}.")

    def after(length: timedelta) -> datetime:
        return add_business_time(calendar, created_at, min(length, LONGEST) - used)

    due = min(DUE[name] if timing.due is None else timing.due, LONGEST)
    expires = max(SHORTEST_EXPIRY, 2 * due) if timing.expires is None else timing.expires
    expires_at = after(expires)
    if requested_expires_at is not None:
        expires_at = min(expires_at, requested_expires_at)
    due_at = min(after(due), expires_at)
    given = used + business_time_between(calendar, created_at, due_at)
    escalations = ((max(after(step.after), created_at), step.role) for step in timing.escalate)
    return Deadlines(
        due_at=due_at,
        due_soon_at=after(given * 3 / 4) if given * 3 / 4 > used or not used else None,
        expires_at=expires_at,
        remind_at=reminder(created_at, expires_at=expires_at, calendar=calendar),
        escalations=tuple(sorted(step for step in escalations if step[0] < expires_at)),
    )


def reminder(
    last: datetime, *, expires_at: datetime, calendar: Calendar | None = None
) -> datetime | None:
    """Return when people are next reminded after they heard of it last, or None before the end.

    Once a day, and in opening hours: a length of opening hours would be a reminder in three days.
    """
    at = next_open(calendar, last + REMIND_AFTER)
    return at if at < expires_at else None
