"""What passed under a bypass, and the ticket in which somebody else looks at it afterwards."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from approvals.models import Bypass, Decision, Vote
from approvals.services.bypasses import mark_reviewed, renew_review
from audit.ids import least_id_at
from reviews.flags import BYPASS_REVIEW
from reviews.models import Checkpoint, Ticket
from reviews.services.ready import load_bypass_review
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket

log = logging.getLogger(__name__)

# So many are listed in the review one by one; the rest is counted.
MOST_LISTED = 200
# Ids are made by the machines' clocks, instants by the database's; they differ by less than this.
_CLOCKS_DIFFER = timedelta(hours=1)


def passed_under(bypass: Bypass) -> QuerySet[Ticket]:
    """Return the tickets that passed under a bypass, the earliest first."""
    ended = bypass.ended_at or bypass.ends_at
    uses = Decision.objects.filter(
        # Bounded by the primary key, so that a long past is not searched for a short hour.
        pk__gte=least_id_at(bypass.starts_at - _CLOCKS_DIFFER),
        pk__lt=least_id_at(ended + _CLOCKS_DIFFER),
        by=Decision.By.BYPASS,
        system__bypass=str(bypass.pk),
    )
    return Ticket.objects.filter(pk__in=uses.values("subject")).order_by("ref")


def open_review(bypass: Bypass) -> UUID:
    """Open the ticket in which a manager looks at what passed; it is the starter's own work."""
    passed = passed_under(bypass)
    count = passed.count()
    listed = passed.select_related("checkpoint").only("ref", "title", "checkpoint__title")
    who = bypass.started_by.label
    proposal: dict[str, Any] = {
        "by": who,
        "reason": bypass.reason,
        "scope": bypass.scope or ["everything"],
        "from": _written(bypass.starts_at),
        "until": _written(bypass.ended_at or bypass.ends_at),
        "ended": f"by {bypass.ended_by.label}" if bypass.ended_by else "by itself",
        "passed": count,
        "tickets": [
            {
                "ref": ticket.label,
                "title": ticket.title,
                "checkpoint": ticket.checkpoint.title,
                "link": f"{settings.BASE_URL}{_address(ticket)}",
            }
            for ticket in listed[:MOST_LISTED]
        ],
    }
    if count > MOST_LISTED:
        proposal["not_listed"] = count - MOST_LISTED
    if bypass.incident:
        proposal["incident"] = bypass.incident
    tickets = "1 ticket" if count == 1 else f"{count} tickets"
    request = TicketRequest(
        checkpoint=BYPASS_REVIEW,
        title=f"Look at the bypass of {who}: {tickets} passed"[:200],
        summary=bypass.reason,
        proposal=proposal,
        priority="high",
    )
    load_bypass_review()
    review = open_ticket(requester=bypass.started_by, key=None, request=request, by_service=True)
    return review.pk


def conclude_reviews() -> None:
    """Let people whose bypass was looked at start another; ask again where nobody answered."""
    waiting = Bypass.objects.filter(reviewed_at__isnull=True, ended_at__isnull=False)
    for bypass in waiting:
        review = review_of(bypass)
        if review is not None and review.status in (
            Ticket.Status.PENDING,
            Ticket.Status.NEEDS_CHANGES,
        ):
            continue
        try:
            if review is not None and review.status == Ticket.Status.ANSWERED:
                _reviewed(bypass, review.decision)
            else:
                renew_review(bypass_id=bypass.pk, instead_of=bypass.review, open_review=open_review)
        except Exception:
            log.exception("the review of bypass %s cannot be concluded", bypass.pk)


def _reviewed(bypass: Bypass, decision: Decision) -> None:
    counted = Vote.objects.filter(
        decision=decision, withdrawn_at__isnull=True, choice=decision.outcome
    ).select_related("voter")
    last = counted.order_by("-cast_at").first()
    mark_reviewed(
        bypass_id=bypass.pk,
        outcome=decision.outcome,
        reason=decision.reason,
        by=last.voter if last else None,
    )


def passable(checkpoints: list[str]) -> tuple[list[str], list[str]]:
    """Return which of these a bypass can be for, and the names no such checkpoint bears."""
    found = Checkpoint.objects.filter(slug__in=checkpoints, active=True).exclude(slug=BYPASS_REVIEW)
    known = set(found.values_list("slug", flat=True))
    return sorted(known), [slug for slug in checkpoints if slug not in known]


def review_of(bypass: Bypass) -> Ticket | None:
    """Return the ticket in which a bypass is looked at, once it is over."""
    if bypass.review is None:
        return None
    return Ticket.objects.select_related("decision").filter(pk=bypass.review).first()


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _address(ticket: Ticket) -> str:
    return reverse("admin:reviews_ticket_change", args=[ticket.pk])
