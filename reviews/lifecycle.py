"""The life of a ticket, as tables: which status may follow which, and what each one means.

The transition table is the only one; the database trigger, the documentation and the tests are
made from it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

Status = Literal[
    "pending",
    "approved",
    "rejected",
    "needs_changes",
    "answered",
    "expired",
    "cancelled",
    "revoked",
]

TRANSITIONS: dict[str, frozenset[str]] = {
    "pending": frozenset(
        {"approved", "rejected", "needs_changes", "answered", "expired", "cancelled"}
    ),
    "needs_changes": frozenset({"pending", "expired", "cancelled"}),
    "approved": frozenset({"revoked"}),
    "rejected": frozenset({"revoked"}),
    "answered": frozenset({"revoked"}),
    "expired": frozenset(),
    "cancelled": frozenset(),
    "revoked": frozenset(),
}
STATUSES = tuple(TRANSITIONS)
REVOCABLE = frozenset(old for old, new in TRANSITIONS.items() if "revoked" in new)

_STATUS_OF_EFFECT: dict[str, Status] = {
    "allow": "approved",
    "deny": "rejected",
    "return": "needs_changes",
    "answer": "answered",
}

Deadline = Literal["final", "expires", "escalate", "due", "due_soon", "remind"]


class IllegalTransition(Exception):
    """Say that a ticket may not go from one status to the other."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"A ticket that is {old} cannot become {new}.")
        self.old = old
        self.new = new


def check(old: str, new: str) -> None:
    """Refuse a change of status that is not in the table; staying the same is no change.

    :raises IllegalTransition: when it is not.
    """
    if new not in TRANSITIONS.get(old, frozenset()):
        raise IllegalTransition(old, new)


def status_for(effect: str) -> Status:
    """Return the status in which a winning option of this effect ends the ticket.

    :raises ValueError: for ``none`` (an abstention never wins) and unknown effects.
    """
    try:
        return _STATUS_OF_EFFECT[effect]
    except KeyError:
        raise ValueError(f"An option of effect {effect} cannot win.") from None


def timeout_status(effect: str | None) -> Status:
    """Return the status in which silence on an option of this effect ends the ticket.

    Without an option, or with one that cannot win, the ticket expires like a denied one.

    :raises ValueError: for an unknown effect.
    """
    if effect in (None, "deny", "none"):
        return "expired"
    assert effect is not None
    return status_for(effect)


def allowed(status: str, *, ask_after: bool = False) -> bool | None:
    """Return what the caller may do: True go ahead, False do not, None not yet.

    ``ask_after`` is a question that is asked after the act: it stands allowed while pending.
    Callers pass ``pending`` for a ticket that is settled but still held.

    :raises ValueError: for an unknown status.
    """
    if status not in TRANSITIONS:
        raise ValueError(f"{status} is not a status.")
    if status == "pending":
        return True if ask_after else None
    if status == "needs_changes":
        return None
    return status in ("approved", "answered")


def next_deadline(
    *,
    final_at: datetime | None = None,
    expires_at: datetime | None = None,
    escalate_at: datetime | None = None,
    due_at: datetime | None = None,
    due_soon_at: datetime | None = None,
    remind_at: datetime | None = None,
) -> tuple[Deadline, datetime] | None:
    """Return which deadline comes next and when, or None when nothing is left to wait for.

    Callers pass None for what has already been handled. A settled ticket (it has ``final_at``)
    never times out, so its hold is all it waits for. Of two at the same instant the graver wins.
    """
    if final_at is not None:
        return "final", final_at
    by_gravity: list[tuple[Deadline, datetime | None]] = [
        ("expires", expires_at),
        ("escalate", escalate_at),
        ("due", due_at),
        ("due_soon", due_soon_at),
        ("remind", remind_at),
    ]
    waiting = [(kind, at) for kind, at in by_gravity if at is not None]
    return min(waiting, key=lambda deadline: deadline[1]) if waiting else None


def markdown_table() -> str:
    """Return the transition table as Markdown, old statuses down, new ones across."""
    lines = [
        "| from \\ to | " + " | ".join(STATUSES) + " |",
        "|---" * (len(STATUSES) + 1) + "|",
    ]
    for old in STATUSES:
        marks = ("✓" if new in TRANSITIONS[old] else "·" for new in STATUSES)
        lines.append(f"| **{old}** | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"
