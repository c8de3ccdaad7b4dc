"""One answer to many tickets of low risk; each is a vote of its own, with a fate of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from approvals.answers import check_text
from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    Busy,
    ChannelNotAllowed,
    IdentityNotConfirmed,
    MachineCannotVote,
    NotEligible,
    NotVisible,
    OwnWork,
    Refusal,
    TicketChanged,
    TooManyVotes,
)
from approvals.models import User
from approvals.services.polls import question_of
from reviews.models import Ticket
from reviews.models.checkpoint import Risk
from reviews.services.lookup import find_ticket
from reviews.services.votes import cast_vote

MOST = 50
Fate = Literal[
    "done", "changed", "already-decided", "not-eligible", "needs-single-review", "not-found", "busy"
]
_FATES: dict[type[Refusal], Fate] = {
    TicketChanged: "changed",
    AlreadyDecided: "already-decided",
    AlreadyVoted: "not-eligible",
    NotEligible: "not-eligible",
    OwnWork: "not-eligible",
    NotVisible: "not-found",
    Busy: "busy",
    IdentityNotConfirmed: "needs-single-review",
    ChannelNotAllowed: "needs-single-review",
    TooManyVotes: "busy",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One ticket, by id, ref or reference, and the version that was seen of it."""

    ticket: str
    version: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one of the votes; `ticket` is None where there is none to see."""

    item: Item
    fate: Fate
    detail: str
    ticket: Ticket | None


def cast_bulk_votes(
    *, voter: User, choice: str, reason: str, items: Sequence[Item]
) -> list[Result]:
    """Cast the same vote on several tickets, each in a transaction of its own, in their order.

    What carries more than a low risk, or asks more than a reason for this answer, is left for a
    look of its own.

    :raises Refusal: MachineCannotVote, SchemaMismatch. What concerns one ticket is in its result.
    """
    if voter.is_machine:
        raise MachineCannotVote
    check_text(reason, at="/reason")
    results: list[Result] = []
    done: set[str] = set()
    for item in items:
        result = _one(voter, choice, reason, item)
        key = item.ticket if result.ticket is None else str(result.ticket.pk)
        if key not in done:
            results.append(result)
        done.add(key)
    return results


def _one(voter: User, choice: str, reason: str, item: Item) -> Result:
    ticket = None
    try:
        ticket = find_ticket(item.ticket, user=voter)
        why = why_single(ticket, choice)
        if why:
            return Result(item, "needs-single-review", why, ticket)
        answer = cast_vote(
            ticket_id=ticket.pk, voter=voter, choice=choice, version=item.version, reason=reason
        )
        return Result(item, "done", "", answer.ticket)
    except Refusal as refusal:
        fates = (fate for kind, fate in _FATES.items() if isinstance(refusal, kind))
        return Result(item, next(fates, "needs-single-review"), refusal.detail, ticket)


def why_single(ticket: Ticket, choice: str) -> str:
    """Return why this answer to this ticket cannot be one of many, or nothing."""
    if ticket.risk != Risk.LOW:
        return f"It carries a {ticket.risk} risk."
    for option in question_of(ticket.decision).options:
        if option.key == choice:
            return "This answer asks for more than a reason." if option.form else ""
    return "It cannot be answered like this."
