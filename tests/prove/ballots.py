"""Cast votes and write down what was answered; read the tables and the story afterwards."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from approvals.errors import Busy, Refusal
from approvals.models import User, Vote
from audit.models import AuditEvent
from reviews.models import Delivery, Ticket
from reviews.services.votes import cast_vote
from tests.prove.crew import Hand


class AnyVersion(int):
    """A version that equals every other: what a vote names when nothing compares versions."""

    def __ne__(self, other: object) -> bool:
        return False

    __eq__ = object.__eq__
    __hash__ = int.__hash__


def vote(hand: Hand, *, ticket: UUID, voter: User, choice: str, version: int = 1) -> dict[str, Any]:
    """Cast a vote, again while the ticket is busy, and write the answer into the ledger."""
    told = {"ticket": ticket, "voter": voter.pk, "choice": choice, "version": int(version)}
    for _ in range(20):
        try:
            answer = cast_vote(
                ticket_id=ticket, voter=voter, choice=choice, version=version, reason="seen"
            )
        except Busy:
            hand.note(code="busy", **told)
            continue
        except Refusal as refusal:
            hand.note(code=refusal.code, **told)
        except IntegrityError as problem:
            # Never in a run: under the lock the constraints have nothing to refuse.
            hand.note(code="integrity", detail=str(problem)[:200], **told)
        else:
            hand.note(
                code="replayed" if answer.replayed else "taken",
                vote=answer.vote.pk,
                digest=answer.vote.digest,
                status=answer.ticket.status,
                **told,
            )
        return hand.ledger[-1]
    hand.note(code="gave-up", **told)
    return hand.ledger[-1]


def codes(ledger: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return how often each answer was given."""
    return dict(Counter(line["code"] for line in ledger).most_common())


DECIDED = {"approved", "rejected", "answered"}


def outcomes_told(tickets: list[UUID]) -> dict[UUID, list[str]]:
    """Return every status the story announced as decided, per ticket."""
    streams = {f"ticket:{ticket}": ticket for ticket in tickets}
    told: dict[UUID, list[str]] = defaultdict(list)
    events = AuditEvent.objects.filter(stream__in=streams, type="ticket.decided")
    for stream, data in events.values_list("stream", "data"):
        told[streams[stream]].append(data["status"])
    return told


def effects(tickets: list[UUID]) -> Counter[UUID]:
    """Return how many messages about a decision leave, per ticket (one listener is set up)."""
    rows = Delivery.objects.filter(ticket__in=tickets, type="ticket.decided")
    return Counter(rows.values_list("ticket_id", flat=True))


def standing(tickets: list[UUID]) -> dict[UUID, str]:
    """Return the status of each ticket."""
    return dict(Ticket.objects.filter(pk__in=tickets).values_list("pk", "status"))


def stored_votes(tickets: list[UUID]) -> list[tuple[UUID, UUID, int, str]]:
    """Return (ticket, vote, voter, choice) of every vote that was not withdrawn."""
    rows = Vote.objects.filter(decision__subject__in=tickets, withdrawn_at__isnull=True)
    return list(rows.values_list("decision__subject", "pk", "voter_id", "choice"))
