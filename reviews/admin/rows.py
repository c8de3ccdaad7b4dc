"""A ticket as lists show it: where it stands in time, its votes, and who holds it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch

from approvals.models import User, Vote
from approvals.options import ALLOWING
from reviews.display import moments
from reviews.display.fields import currency_of, money
from reviews.models import Assignment, Ticket
from reviews.models.checkpoint import Risk
from reviews.querysets import TicketQuerySet

_WORDS = {
    Ticket.Status.APPROVED: ("done", "good", "Approved"),
    Ticket.Status.ANSWERED: ("done", "good", "Answered"),
    Ticket.Status.REJECTED: ("no", "", "Rejected"),
    Ticket.Status.NEEDS_CHANGES: ("return", "", "Needs changes"),
    Ticket.Status.EXPIRED: ("clock", "", "Expired"),
    Ticket.Status.CANCELLED: ("no", "", "Cancelled"),
    Ticket.Status.REVOKED: ("return", "", "Revoked"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A word with its icon; the tone only repeats what the word says."""

    icon: str
    tone: str
    word: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket in the list."""

    ticket: Ticket
    amount: str
    chip: Chip
    needed: int
    given: int
    holder: User | None

    @property
    def selectable(self) -> bool:
        """Tell whether it may be chosen together with others: it waits, and no risk is high."""
        return self.waits and self.ticket.risk != Risk.HIGH

    @property
    def waits(self) -> bool:
        """Tell whether people are asked about it now."""
        return self.ticket.status == Ticket.Status.PENDING and not self.ticket.decision.settled_at

    @property
    def together(self) -> bool:
        """Tell whether many like it may get one answer."""
        return self.ticket.risk == Risk.LOW

    @property
    def dots(self) -> list[bool]:
        """Return one mark per vote needed, true where it is given; none where one is enough."""
        return [place < self.given for place in range(self.needed)] if self.needed > 1 else []


def chip_of(ticket: Ticket, *, now: datetime) -> Chip:
    """Return where a ticket stands in time, or how it ended."""
    decision = ticket.decision
    if ticket.paused_at is not None and ticket.status == Ticket.Status.NEEDS_CHANGES:
        return Chip("pause", "", "Needs changes, clock paused", ticket.paused_at)
    if ticket.status != Ticket.Status.PENDING:
        icon, tone, word = _WORDS[Ticket.Status(ticket.status)]
        return Chip(icon, tone, word, ticket.closed_at or ticket.created_at)
    if decision.settled_at is not None and decision.final_at is not None:
        return Chip("pause", "", f"In effect {moments.clock(decision.final_at, now=now)}",
                    decision.final_at)  # fmt: skip
    left = ticket.due_at - now
    if left <= timedelta(0):
        return Chip("overdue", "bad", f"Overdue {moments.length(-left)}", ticket.due_at)
    # No moment is left in which it would be told: it was.
    if ticket.due_soon_at is None or ticket.due_soon_at <= now:
        return Chip("soon", "warn", f"Due soon, {moments.length(left)}", ticket.due_at)
    return Chip("clock", "", f"On track, {moments.length(left)}", ticket.due_at)


def progress(question: dict[str, Any], votes: list[Vote]) -> tuple[int, int]:
    """Return (votes needed through all stages, votes the leading answer has).

    For the list only: every vote counts here, the ticket's own page re-checks each voter's rights.
    """
    needed = sum(
        need["count"]
        for stage in question["stages"]
        for need in stage["needs"]
        if isinstance(need["count"], int)
    )
    effects = {option["key"]: option["effect"] for option in question["options"]}
    tally: dict[tuple[str, str], int] = {}
    for vote in votes:
        if effects.get(vote.choice) in ALLOWING:
            outcome = (vote.choice, vote.outcome_digest)
            tally[outcome] = tally.get(outcome, 0) + 1
    return needed, min(max(tally.values(), default=0), needed)


def row_of(ticket: Ticket, *, now: datetime) -> Row:
    """Return what the list shows of a ticket whose votes and assignments are prefetched."""
    needed, given = progress(ticket.decision.question, list(ticket.decision.votes.all()))
    held = [
        assignment
        for assignment in ticket.assignments.all()
        if assignment.until is None or assignment.until > now
    ]
    amount = "" if ticket.amount is None else money(ticket.amount, currency_of(ticket.proposal))
    return Row(
        ticket=ticket,
        amount=amount,
        chip=chip_of(ticket, now=now),
        needed=needed,
        given=given,
        holder=held[0].person if held else None,
    )


def for_rows(tickets: TicketQuerySet) -> TicketQuerySet:
    """Read with the tickets all that their rows show, in a fixed number of queries."""
    return (
        tickets.select_related("checkpoint", "requester", "decision", "queue", "region")
        .defer(
            *("ai", "asked", "interaction", "pipeline", "decision__content"),
            *("decision__approved_content", "checkpoint__proposal_schema", "checkpoint__view"),
        )
        .prefetch_related(
            Prefetch("decision__votes", Vote.objects.filter(withdrawn_at__isnull=True)),
            Prefetch(
                "assignments",
                Assignment.objects.filter(released_at__isnull=True).select_related("person"),
            ),
        )
    )
