"""Count what happened since the last count, once; the figures are read in `figures`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from approvals.models import Decision, User, Vote
from approvals.options import ALLOWING
from audit.clock import db_now
from reviews import lifecycle
from reviews.insights.agreement import ai_was_right, confidence_of, model_of
from reviews.insights.facts import Counts, Ended, Reviewed, review_time
from reviews.models import Assignment, Counted, DayFigures, Lane, ReviewerDay, Ticket

# A transaction may still be writing a fact of a moment ago; none of ours lasts as long as this.
SETTLES_IN = timedelta(minutes=5)
# A run that catches up on a long past stops after so many seconds; the next one goes on.
PATIENCE = 30.0
# No piece is so long that a busy day's would keep the database from answering in time.
_PIECE = timedelta(hours=3)
_DAY = timedelta(days=1)
_ENDED = (
    *(Ticket.Status.APPROVED, Ticket.Status.ANSWERED, Ticket.Status.REJECTED),
    *(Ticket.Status.EXPIRED, Ticket.Status.CANCELLED, Ticket.Status.REVOKED),
)
_BY = {
    **dict.fromkeys([Decision.By.VOTES, Decision.By.OVERRIDE], "people"),
    **dict.fromkeys([Decision.By.RULE, Decision.By.FLAG, Decision.By.STUB], "rule"),
    Decision.By.BYPASS: "bypass",
    Decision.By.TIMEOUT: "timeout",
}


class Place(NamedTuple):
    """Where a fact about a ticket belongs."""

    day: date
    lane: UUID | None
    checkpoint: UUID
    model: str


Ticketed = dict[Place, Counts]
Worked = dict[tuple[date, int], Counts]


def count_figures() -> datetime | None:
    """Add what happened since the last count to the figures of its days.

    :returns: the instant up to which everything is counted, or None while nothing ever happened.
    """
    stop, until = monotonic() + PATIENCE, None
    # Read once: chasing a present that goes on would never end.
    settled = db_now() - SETTLES_IN
    while monotonic() < stop:
        with transaction.atomic():
            mark = Counted.objects.select_for_update().order_by("pk").first() or _begun()
            if mark is None:
                return None
            until = min(mark.until + _PIECE, _next_midnight(mark.until), settled)
            if until <= mark.until:
                return mark.until
            _keep(*counted(mark.until, until))
            mark.until = until
            mark.save()
    return until


def count_again(*, since: date) -> None:
    """Forget the figures from this day on, so that the next runs count them anew.

    For rows that came in behind the count, such as tickets brought over from elsewhere.
    """
    with transaction.atomic():
        DayFigures.objects.filter(day__gte=since).delete()
        ReviewerDay.objects.filter(day__gte=since).delete()
        mark = Counted.objects.select_for_update().order_by("pk").first()
        if mark is not None:
            mark.until = min(mark.until, midnight(since))
            mark.begun_at = db_now()
            mark.save()


def first_day() -> datetime | None:
    """Return the beginning of the day on which the first ticket was opened, if any was."""
    first = Ticket.objects.order_by("created_at").values_list("created_at", flat=True).first()
    return None if first is None else midnight(day_of(first))


def midnight(day: date) -> datetime:
    """Return the first instant of a day, in UTC."""
    return datetime.combine(day, time(), UTC)


def day_of(at: datetime) -> date:
    """Return the day of an instant, in UTC."""
    return at.astimezone(UTC).date()


def _begun() -> Counted | None:
    start = first_day()
    if start is None:
        return None
    # Two that begin at once write the same row; the second waits for the first, then finds it.
    mark = Counted(pk=1, until=start, begun_at=db_now())
    Counted.objects.bulk_create([mark], ignore_conflicts=True)
    return Counted.objects.select_for_update().get(pk=1)


def _next_midnight(at: datetime) -> datetime:
    return midnight(day_of(at) + _DAY)


def _keep(tickets: Ticketed, people: Worked) -> None:
    days = {place.day for place in tickets}
    known = {
        Place(row.day, row.lane_id, row.checkpoint_id, row.model): row
        for row in DayFigures.objects.filter(day__in=days)
    }
    for place, counts in tickets.items():
        day, lane, checkpoint, model = place
        row = known.get(place) or DayFigures(
            day=day, lane_id=lane, checkpoint_id=checkpoint, model=model
        )
        row.counts = dict(Counts(row.counts) + counts)
        row.save()
    worked = ReviewerDay.objects.filter(day__in={day for day, _ in people})
    reviewers = {(row.day, row.person_id): row for row in worked}
    for (day, person), counts in people.items():
        their = reviewers.get((day, person)) or ReviewerDay(day=day, person_id=person)
        for name, value in counts.items():
            setattr(their, name, getattr(their, name) + value)
        their.save()


def counted(since: datetime, until: datetime) -> tuple[Ticketed, Worked]:
    """Return all that happened from one instant up to (not at) another, straight from the rows."""
    tickets: Ticketed = {}
    for place, counts in (*_opened(since, until), *_ended(since, until), *_undone(since, until)):
        tickets.setdefault(place, Counts()).update(counts)
    return tickets, _worked(since, until)


def _opened(since: datetime, until: datetime) -> Iterable[tuple[Place, Counts]]:
    rows = list(
        Ticket.objects.filter(created_at__gte=since, created_at__lt=until).values_list(
            *("id", "created_at", "checkpoint_id", "lane_id", "queue_id", "region_id"),
            *("round", "ai__model"),
        )
    )
    first = _first_rounds([row[0] for row in rows if row[6] > 1])
    for ticket, at, checkpoint, now_in, queue, region, _, now_by in rows:
        lane, model = now_in, now_by
        if ticket in first:
            # What was asked at the opening, not what became of it since.
            policy, model = first[ticket]
            lane = Lane.id_of(queue_id=queue, policy_id=policy, region_id=region)
        name = model_of({"model": model})
        yield Place(day_of(at), lane, checkpoint, name), Counts(opened=1)


def _first_rounds(tickets: list[UUID]) -> dict[UUID, tuple[UUID, Any]]:
    """Return by ticket the policy and the AI model of its first round."""
    found: dict[UUID, tuple[UUID, Any]] = {}
    for some in _portions(tickets):
        policies = dict(
            Decision.objects.filter(subject__in=some, round=1).values_list("subject", "policy_id")
        )
        models = dict(Ticket.history.filter(id__in=some, round=1).values_list("id", "ai__model"))
        found |= {one: (policy, models.get(one)) for one, policy in policies.items()}
    return found


def _portions(ids: list[UUID]) -> Iterable[list[UUID]]:
    yield from (ids[start : start + 500] for start in range(0, len(ids), 500))


_ENDING = (
    *("closed_at", "checkpoint_id", "lane_id", "status", "due_at"),
    *("ai__model", "ai__prediction", "ai__confidence", "ai__options"),
    *("decision__by", "decision__effect", "decision__outcome", "decision__opened_at"),
    *("decision__settled_at", "decision__approved_action_digest"),
    *("decision__question__options", "decision__question__timing__ask"),
)


def _ended(since: datetime, until: datetime) -> Iterable[tuple[Place, Counts]]:
    rows = Ticket.objects.filter(
        status__in=_ENDED, closed_at__gte=since, closed_at__lt=until
    ).values(*_ENDING)
    for row in rows.iterator():
        yield _place(row, row["closed_at"]), _ending(row).counts()


def _place(row: Mapping[str, Any], at: datetime) -> Place:
    model = model_of({"model": row["ai__model"]})
    return Place(day_of(at), row["lane_id"], row["checkpoint_id"], model)


def _ending(row: Mapping[str, Any]) -> Ended:
    effect, settled = row["decision__effect"], row["decision__settled_at"]
    outcome = row["status"]
    if outcome == Ticket.Status.REVOKED:
        # It is counted as it ended; that it was undone is a fact of another day.
        outcome = lifecycle.status_for(effect)
    decided = outcome not in (Ticket.Status.CANCELLED, Ticket.Status.EXPIRED)
    by = _BY.get(row["decision__by"], "") if decided else ""
    if outcome == Ticket.Status.EXPIRED:
        by = "timeout"
    ai = {name: row[f"ai__{name}"] for name in ("prediction", "confidence", "options")}
    amended = bool(row["decision__approved_action_digest"])
    keys = [option["key"] for option in row["decision__question__options"] or ()]
    after = row["decision__question__timing__ask"] == "after"
    return Ended(
        outcome=outcome,
        by=by,
        in_time=(settled or row["closed_at"]) <= row["due_at"],
        took=(settled or row["closed_at"]) - row["decision__opened_at"],
        amended=amended,
        overturned=after and by == "people" and outcome == Ticket.Status.REJECTED,
        right=ai_was_right(
            ai, choice=row["decision__outcome"], effect=effect, keys=keys, amended=amended
        ),
        confidence=confidence_of(ai),
    )


def _undone(since: datetime, until: datetime) -> Iterable[tuple[Place, Counts]]:
    rows = Ticket.objects.filter(
        status=Ticket.Status.REVOKED,
        closed_at__isnull=False,  # as the index has it
        decision__effect__in=ALLOWING,
        decision__revoked_at__gte=since,
        decision__revoked_at__lt=until,
    ).values("decision__revoked_at", "checkpoint_id", "lane_id", "ai__model")
    for row in rows:
        at = row["decision__revoked_at"]
        assert at is not None  # asked for
        yield _place(row, at), Counts(overturned=1)


def _worked(since: datetime, until: datetime) -> Worked:
    people = User.objects.filter(kind=User.Kind.HUMAN).values_list("pk", flat=True)
    # Named one by one, each is looked up in the index of who voted when.
    votes = Vote.objects.filter(voter__in=list(people), cast_at__gte=since, cast_at__lt=until)
    return votes_counted(votes)


def votes_counted(votes: QuerySet[Vote]) -> Worked:
    """Return what these votes add to the days of those who cast them."""
    ticket = Ticket.objects.filter(pk=OuterRef("decision__subject"))
    held = Assignment.objects.filter(
        ticket=OuterRef("decision__subject"),
        person=OuterRef("voter"),
        created_at__lte=OuterRef("cast_at"),
    )
    rows = votes.order_by().values(
        *("voter_id", "cast_at", "choice", "amendments", "decision__opened_at"),
        *("decision__subject", "decision__round", "decision__question__options"),
        ai=Subquery(ticket.values("ai")[:1]),
        round=Subquery(ticket.values("round")[:1]),
        held_from=Subquery(held.order_by("-created_at").values("created_at")[:1]),
    )
    found: Worked = {}
    for row in rows.iterator():
        ai = row["ai"] or {}
        if row["round"] != row["decision__round"]:
            ai = _ai_of(row["decision__subject"], row["decision__round"])
        effects = {one["key"]: one["effect"] for one in row["decision__question__options"] or ()}
        effect = effects.get(row["choice"], "none")
        right = ai_was_right(
            ai,
            choice=row["choice"],
            effect=effect,
            keys=effects,
            amended=row["amendments"] is not None,
        )
        took = review_time(
            asked_at=row["decision__opened_at"],
            held_from=row["held_from"],
            cast_at=row["cast_at"],
        )
        key = (day_of(row["cast_at"]), row["voter_id"])
        counts = Reviewed(allows=effect in ALLOWING, took=took, right=right).counts()
        found.setdefault(key, Counts()).update(counts)
    return found


def _ai_of(ticket: UUID, round: int) -> dict[str, Any]:
    """Return what the AI said in an earlier round of a ticket."""
    past = Ticket.history.filter(id=ticket, round=round)
    return past.values_list("ai", flat=True).first() or {}
