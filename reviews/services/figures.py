"""Figures of past days and of today, for whoever needs them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from approvals.models import Vote
from reviews.models import Assignment

LOOKS_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ReviewerRate:
    """How somebody answered lately.

    `minutes` one review took on average, `approval_rate` the share of votes (0 to 1) that let
    something pass or answered it; both are 0 where `votes` is.
    """

    minutes: float
    approval_rate: float
    votes: int


NOTHING_YET = ReviewerRate(minutes=0.0, approval_rate=0.0, votes=0)


def reviewer_rates(people: Collection[int], *, now: datetime) -> dict[int, ReviewerRate]:
    """Return how each of these people answered over the last 30 days; everybody has an entry."""
    votes = Vote.objects.filter(
        voter__in=people, cast_at__gte=now - LOOKS_BACK, cast_at__lt=now
    ).select_related("decision")
    counted: dict[int, list[float]] = {person: [0, 0, 0.0] for person in people}
    for vote in votes:
        effects = {option["key"]: option["effect"] for option in vote.decision.question["options"]}
        began = (
            Assignment.objects.filter(
                ticket=vote.decision.subject, person=vote.voter_id, created_at__lte=vote.cast_at
            )
            .order_by("-created_at")
            .values_list("created_at", flat=True)
            .first()
        )
        took = vote.cast_at - max(began or vote.decision.opened_at, vote.decision.opened_at)
        row = counted[vote.voter_id]
        row[0] += 1
        row[1] += effects.get(vote.choice) in ("allow", "answer")
        row[2] += min(took, timedelta(minutes=30)).total_seconds() / 60
    return {
        person: ReviewerRate(minutes / cast, allows / cast, int(cast)) if cast else NOTHING_YET
        for person, (cast, allows, minutes) in counted.items()
    }
