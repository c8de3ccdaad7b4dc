"""Turn a question's timing and a ticket's priority into instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

DEFAULT_PRIORITY = "medium"
DUE: dict[str, timedelta] = {
    "critical": timedelta(hours=1),
    "high": timedelta(hours=4),
    "medium": timedelta(hours=24),
    "low": timedelta(days=3),
}
PRIORITIES = tuple(DUE)
SHORTEST_EXPIRY = timedelta(hours=24)
# Instants must fit both databases; a duration beyond this is a slip of the pen.
LONGEST = timedelta(days=3650)


class _Escalation(Protocol):
    @property
    def after(self) -> timedelta: ...
    @property
    def role(self) -> str: ...


class Timing(Protocol):
    """Describe the part of ``approvals.question.Timing`` that deadlines are made of."""

    @property
    def due(self) -> timedelta | None: ...
    @property
    def escalate(self) -> Sequence[_Escalation]: ...
    @property
    def expires(self) -> timedelta | None: ...


@dataclass(frozen=True)
class Deadlines:
    """Hold the instants a ticket waits for; ``escalations`` are (instant, role), earliest first."""

    due_at: datetime
    due_soon_at: datetime
    expires_at: datetime
    escalations: tuple[tuple[datetime, str], ...]


def deadlines(
    *,
    priority: str | None,
    timing: Timing,
    created_at: datetime,
    requested_expires_at: datetime | None = None,
) -> Deadlines:
    """Return when a ticket is due, nearly due (a quarter of the time left), escalated and over.

    Due is the question's, else by priority (None is medium); expiry the question's, else twice
    the due time and at least 24 hours. A requester may only bring the expiry forward. Nothing is
    due after the end, and what would escalate then is left out.

    :raises ValueError: for an unknown priority.
    """
    name = priority or DEFAULT_PRIORITY
    if name not in DUE:
        raise ValueError(f"{name} is not a priority; use one of {', '.join(PRIORITIES)}.")
    due = min(DUE[name] if timing.due is None else timing.due, LONGEST)
    expires = max(SHORTEST_EXPIRY, 2 * due) if timing.expires is None else timing.expires
    expires_at = created_at + min(expires, LONGEST)
    if requested_expires_at is not None:
        expires_at = min(expires_at, requested_expires_at)
    due_at = min(created_at + due, expires_at)
    escalations = ((created_at + min(step.after, LONGEST), step.role) for step in timing.escalate)
    return Deadlines(
        due_at=due_at,
        due_soon_at=created_at + (due_at - created_at) * 3 / 4,
        expires_at=expires_at,
        escalations=tuple(sorted(step for step in escalations if step[0] < expires_at)),
    )
