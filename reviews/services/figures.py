"""Figures for whoever needs them: those of counted days, and what happened since, counted now."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, OuterRef, QuerySet, Subquery

from approvals.models import User, Vote
from reviews.insights.facts import Counts
from reviews.models import Checkpoint, Counted, DayFigures, Lane, Region, ReviewerDay, Ticket
from reviews.services.counting import Place, Ticketed, Worked, counted, day_of, first_day, midnight
from reviews.services.counting import votes_counted as _votes_counted

LOOKS_BACK = timedelta(days=30)
# Counting what was not counted yet must not take longer than a page may; an installation that
# still catches up on its past shows its figures up to there, and says so.
MOST_LIVE = timedelta(days=2)
# So many waiting tickets are counted; more are "1,000+".
MANY = 1000

_Read = TypeVar("_Read")
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class ReviewerRate:
    """How somebody answered lately.

    `minutes` one review took on average, `approval_rate` the share of votes (0 to 1) that let
    something pass or answered it; both are 0 where `votes` is.
    """

    minutes: float
    approval_rate: float
    votes: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which tickets the figures are. None stands for all."""

    lanes: frozenset[UUID] | None = None
    checkpoint: UUID | None = None
    model: str | None = None
    reviewer: int | None = None

    def holds(self, place: Place) -> bool:
        """Tell whether a place lies within."""
        return (
            (self.lanes is None or place.lane in self.lanes)
            and self.checkpoint in (None, place.checkpoint)
            and self.model in (None, place.model)
        )

    def within(self, rows: QuerySet[_Row], *, model: str = "model") -> QuerySet[_Row]:
        """Return those rows, each of a lane, a checkpoint and a `model`, that lie within."""
        if self.lanes is not None:
            rows = rows.filter(lane__in=self.lanes)
        if self.checkpoint is not None:
            rows = rows.filter(checkpoint=self.checkpoint)
        return rows if self.model is None else rows.filter(**{model: self.model})


@dataclass(frozen=True, slots=True)
class Load:
    """How much one person reviewed; `minutes` of all their reviews together."""

    person: str
    votes: int
    allows: int
    corrections: int
    minutes: float


@dataclass(slots=True)
class Period:
    """What happened from the first day on, by day; `until` is how far it is complete."""

    first: date
    last: date
    until: datetime
    by_day: dict[date, Counts] = field(default_factory=dict)
    by_person: dict[int, Counts] = field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        """Return the counts of all its days."""
        total = Counts()
        for counts in self.by_day.values():
            total.update(counts)
        return total


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits now. `count` stops at `MANY`; `oldest` is when the oldest was opened."""

    count: int
    oldest: datetime | None
    late: int


def scope_of(
    user: User,
    *,
    region: Region | None = None,
    checkpoint: Checkpoint | None = None,
    model: str | None = None,
) -> Scope:
    """Return what a person may see the figures of: the lanes of their desk, narrowed as asked.

    Whoever sees only their own queues sees of reviewers only themselves.
    """
    everything = user.has_perm("reviews.view_any_ticket")
    lanes: frozenset[UUID] | None = None
    if region is not None or not everything:
        seen = Lane.objects.open_to(user)
        if region is not None:
            seen = seen.filter(region=region)
        lanes = frozenset(seen.values_list("pk", flat=True))
    return Scope(
        lanes=lanes,
        checkpoint=None if checkpoint is None else checkpoint.pk,
        model=model,
        reviewer=None if everything else user.pk,
    )


def period(*, scope: Scope, days: int, now: datetime) -> Period:
    """Return what happened in the last days (UTC), today included."""
    first = day_of(now) - timedelta(days=days - 1)

    def read(since: datetime | None) -> Period:
        found = Period(first, day_of(now), now)
        for row in scope.within(DayFigures.objects.filter(day__gte=first)):
            _add(found.by_day, row.day, row.counts)
        workers = ReviewerDay.objects.filter(day__gte=first)
        if scope.reviewer is not None:
            workers = workers.filter(person=scope.reviewer)
        for worker in workers:
            _add(found.by_person, worker.person_id, _of(worker))
        live, found.until = _live(since, now)
        for place, counts in live[0].items():
            if place.day >= first and scope.holds(place):
                _add(found.by_day, place.day, counts)
        for (day, person), counts in live[1].items():
            if day >= first and scope.reviewer in (None, person):
                _add(found.by_person, person, counts)
        return found

    return _steadily(read)


def loads(people: Mapping[int, Counts]) -> list[Load]:
    """Return how much each person reviewed, by name: this is no ranking."""
    names = {user.pk: user.label for user in User.objects.filter(pk__in=people)}
    return [
        Load(
            person=name,
            votes=people[person]["votes"],
            allows=people[person]["allows"],
            corrections=people[person]["corrections"],
            minutes=people[person]["review_ms"] / 60_000,
        )
        for person, name in sorted(names.items(), key=lambda item: item[1].casefold())
    ]


def waiting(*, scope: Scope, now: datetime) -> Waiting:
    """Return what waits now, found lane by lane in indexes: a long queue costs no more.

    Of whatever AI model: none of these indexes leads to a model.
    """
    # Named one by one: of lanes it must look for, the database does not know how few they are.
    here = Ticket.objects.waiting().filter(
        lane__in=list(_lanes(scope).values_list("pk", flat=True))
    )
    if scope.checkpoint is not None:
        here = here.filter(checkpoint=scope.checkpoint)
    late = here.filter(due_at__lte=now)
    return Waiting(
        count=here.order_by().values("pk")[: MANY + 1].count(),
        oldest=waiting_since(scope=scope),
        late=late.order_by().values("pk")[: MANY + 1].count(),
    )


def waiting_since(*, scope: Scope) -> datetime | None:
    """Return when the oldest ticket that waits for people was opened."""
    here = Ticket.objects.waiting().filter(lane=OuterRef("pk"))
    if scope.checkpoint is not None:
        here = here.filter(checkpoint=scope.checkpoint)
    first = here.order_by("created_at").values("created_at")[:1]
    found = _lanes(scope).annotate(since=Subquery(first))
    known = (since for since in found.values_list("since", flat=True) if since is not None)
    return min(known, default=None)


def _lanes(scope: Scope) -> QuerySet[Lane]:
    lanes = Lane.objects.all()
    return lanes if scope.lanes is None else lanes.filter(pk__in=scope.lanes)


def models_seen(*, scope: Scope, since: date) -> list[str]:
    """Return the AI models there are figures of, the most used first, at most twenty."""
    used: Counts = Counts()
    for row in scope.within(DayFigures.objects.filter(day__gte=since)):
        used[row.model] += row.counts.get("opened", 0)
    return [model for model, _ in used.most_common(20) if model]


def totals(*, now: datetime) -> dict[UUID, Counts]:
    """Return all that ever happened, by checkpoint.

    Counted days are read once and remembered, so this costs the same after years.
    """

    def read(since: datetime | None) -> dict[UUID, Counts]:
        found: dict[UUID, Counts] = {}
        mark = Counted.objects.order_by("pk").first()
        if mark is not None and since is not None:
            today = day_of(since)
            for place, past in _before(today, mark.begun_at):
                _add(found, place, past)
            for row in DayFigures.objects.filter(day=today):
                _add(found, row.checkpoint_id, row.counts)
        for where, counts in _live(since, now)[0][0].items():
            _add(found, where.checkpoint, counts)
        return found

    return _steadily(read)


@lru_cache(maxsize=1)
def _before(day: date, _begun_at: datetime) -> tuple[tuple[UUID, Counts], ...]:
    found: dict[UUID, Counts] = {}
    for row in DayFigures.objects.filter(day__lt=day).iterator():
        _add(found, row.checkpoint_id, row.counts)
    return tuple(found.items())


def reviewer_rates(people: Collection[int], *, now: datetime) -> dict[int, ReviewerRate]:
    """Return how each of these people answered over the last 30 days; everybody has an entry."""
    first = day_of(now) - LOOKS_BACK

    def read(since: datetime | None) -> dict[int, Counts]:
        found = {person: Counts() for person in people}
        for row in ReviewerDay.objects.filter(day__gte=first, person__in=people):
            found[row.person_id].update(_of(row))
        begin = max(since or midnight(first), midnight(first))
        votes = Vote.objects.filter(voter__in=people, cast_at__gte=begin, cast_at__lt=now)
        for (_, person), counts in _votes_counted(votes).items():
            found[person].update(counts)
        return found

    return {person: _rate(counts) for person, counts in _steadily(read).items()}


def _rate(counts: Counts) -> ReviewerRate:
    votes = counts["votes"]
    if not votes:
        return ReviewerRate(minutes=0.0, approval_rate=0.0, votes=0)
    minutes = counts["review_ms"] / 60_000 / votes
    return ReviewerRate(minutes=minutes, approval_rate=counts["allows"] / votes, votes=votes)


def _live(since: datetime | None, now: datetime) -> tuple[tuple[Ticketed, Worked], datetime]:
    """Return what was not counted yet, and up to when the figures are complete with it."""
    begin = since or first_day() or now
    if now - begin > MOST_LIVE:
        return ({}, {}), begin
    return counted(begin, now), now


def _steadily(read: Callable[[datetime | None], _Read]) -> _Read:
    """Return what is read while the count stood still: else a fact could be seen twice."""
    for _ in range(5):
        before = _until()
        found = read(before)
        if _until() == before:
            break
    return found


def _until() -> datetime | None:
    return Counted.objects.order_by("pk").values_list("until", flat=True).first()


def _of(row: ReviewerDay) -> Counts:
    names = ("votes", "allows", "corrections", "review_ms")
    return Counts({name: getattr(row, name) for name in names})


_Key = TypeVar("_Key")


def _add(into: dict[_Key, Counts], key: _Key, counts: Mapping[str, int]) -> None:
    into.setdefault(key, Counts()).update(counts)


# So many of the latest refusals are read for their reasons.
LOOKED_AT = 500


def refusals(*, scope: Scope, days: int, now: datetime) -> list[tuple[str, int]]:
    """Return why tickets were refused lately, the most frequent reason first, with how often.

    Reasons stay where they were written: they are read from the tickets, and count nowhere else.
    """
    since = midnight(day_of(now) - timedelta(days=days - 1))
    refused = scope.within(
        Ticket.objects.filter(status=Ticket.Status.REJECTED, closed_at__gte=since),
        model="ai__model",
    )
    found: dict[str, list[str]] = {}
    latest = refused.order_by("-closed_at").values_list("decision__reason", flat=True)
    for reason in latest[:LOOKED_AT]:
        words = " ".join(reason.split())[:120]
        found.setdefault(words.casefold().rstrip("."), []).append(words)
    ranked = sorted(found.values(), key=lambda alike: (-len(alike), alike[0]))
    return [(alike[0] or "Without a reason", len(alike)) for alike in ranked]
