"""The most urgent tickets first, exactly, at any moment, without scoring a whole queue.

A ticket's score is the smaller of two numbers that an index already orders: what it has while
its age still counts (`rank_young` plus what everybody's age adds) and what it has from 24 hours on
(`rank_base` plus the whole age weight). So per lane two lists are read from their tops, until no
ticket that was not read can come before the page's last one (Fagin's threshold algorithm). A lane
is seen as a whole or not at all, so nothing that is read is thrown away.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import OuterRef, Q, Subquery

from approvals import permissions
from approvals.models import User
from audit.clock import shown_now
from reviews.models import Lane, Ticket
from reviews.querysets import LaneQuerySet, TicketQuerySet
from reviews.ranking import SATURATES

# Scores are sums of floats; where a page goes on, look a little further up and skip what is known.
_SLACK = 1e-9
_SIZE = 50
# Where there are many lanes, none is read a whole page deep at first.
_AT_ONCE = 2000
_SHALLOW = 8
# After this many that `rows` leaves out, the database looks for the rest itself, one by one.
_PATIENCE = 800
# The least number of terms any of our databases takes in one compound statement is 500.
_TERMS = 400

Key = tuple[float, int]
_FIRST: Key = (float("-inf"), 0)
_LAST: Key = (float("inf"), 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended. The next one keeps its `now`, so that nothing is missed or seen twice."""

    now: datetime
    score: float
    id: UUID

    def __str__(self) -> str:
        return f"{self.now.timestamp()!r}_{self.score!r}_{self.id.hex}"

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Return the cursor a text stands for.

        :raises ValueError: when it stands for none.
        """
        now, score, ticket_id = text.split("_")
        if not isfinite(float(score)):
            raise ValueError("No ticket has such a score.")
        try:
            return cls(datetime.fromtimestamp(float(now), UTC), float(score), UUID(hex=ticket_id))
        except (OverflowError, OSError) as problem:
            raise ValueError("This instant lies outside of the calendar.") from problem


@dataclass(frozen=True, slots=True)
class Page:
    """Tickets in order, and where the next page begins (None: nowhere)."""

    tickets: list[Ticket]
    after: Cursor | None


@dataclass(slots=True)
class _List:
    """What was read of one lane by one of its two orders.

    `end` is the key before which every ticket of this list was read.
    """

    lane: UUID
    weight: float
    by: int
    depth: int = 0
    end: Key = _FIRST

    def scores(self, now: datetime, rank_base: float, rank_young: float) -> tuple[float, float]:
        """Return the score by base and the score by youth; the smaller one is the ticket's."""
        aged = self.weight * (now.timestamp() / SATURATES.total_seconds())
        return rank_base + self.weight, rank_young + aged


_COLUMNS = ("rank_base", "rank_young")


@dataclass(slots=True)
class _Reading:
    """A walk down all lists at one instant; it can be asked for more and more keys."""

    now: datetime
    after: Cursor | None
    lists: list[_List]
    known: set[Key] = field(default_factory=set)

    def first(self, size: int) -> list[Key]:
        """Return the keys (minus score, id) of the first `size` tickets after the cursor."""
        start = (-self.after.score, self.after.id.int) if self.after else _FIRST
        short = [each for each in self.lists if not each.depth]
        while True:
            self._read_on(short, size)
            first = sorted(key for key in self.known if key > start)[:size]
            sure = first[-1] if len(first) == size else _LAST
            short = self._short_of(sure)
            if not short:
                return first

    def _short_of(self, sure: Key) -> list[_List]:
        """Return the lists in which something may come before this key that was not read."""
        short = []
        for base, young in zip(self.lists[::2], self.lists[1::2], strict=True):
            # A ticket in neither list comes after both ends. Below a cursor's score one of the
            # lists may have passed a ticket over at its beginning, so only the earlier end counts.
            if (min if self.after else max)(base.end, young.end) < sure:
                short += [each for each in (base, young) if each.end < sure]
        return short

    def _read_on(self, short: list[_List], size: int) -> None:
        """Read these lists from their tops, deeper than the last time."""
        shallow = max(_SHALLOW, _AT_ONCE // len(self.lists)) if self.lists else 0
        for each in short:
            each.depth = each.depth * 4 or min(size, shallow)
        for start in range(0, len(short), _TERMS):
            self._read(short[start : start + _TERMS])

    def _read(self, lists: list[_List]) -> None:
        terms: list[str] = []
        parameters: list[Any] = []
        for number, each in enumerate(lists):
            column, above = _COLUMNS[each.by], ""
            parameters.append(_stored(each.lane))
            if self.after:
                above = f"AND t.{column} <= %s"
                gained = each.scores(self.now, 0.0, 0.0)[each.by]
                parameters.append(self.after.score - gained + _SLACK)
            # Names and numbers are ours; the rest are parameters.
            terms.append(
                f"SELECT * FROM (SELECT {number} AS list, t.id, t.rank_base, t.rank_young "  # noqa: S608
                "FROM reviews_ticket t JOIN approvals_decision d ON d.id = t.decision_id "
                f"WHERE t.status = 'pending' AND t.lane_id = %s AND d.settled_at IS NULL {above} "
                f"ORDER BY t.{column} DESC, t.id LIMIT {each.depth}) AS list_{number}"
            )
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(terms), parameters)
            rows = cursor.fetchall()
        found: list[list[tuple[int, float, float]]] = [[] for _ in lists]
        for number, stored, *ranks in rows:
            found[number].append((_whole(stored), *ranks))
        for each, keys in zip(lists, found, strict=True):
            self._take(each, keys)

    def _take(self, one: _List, rows: list[tuple[int, float, float]]) -> None:
        for ticket_id, *ranks in rows:
            scores = one.scores(self.now, *ranks)
            self.known.add((-min(scores), ticket_id))
            one.end = max(one.end, (-scores[one.by], ticket_id))
        if len(rows) < one.depth:
            one.end = _LAST


def waiting_page(
    user: User | AnonymousUser,
    *,
    now: datetime,
    after: Cursor | None = None,
    size: int = _SIZE,
    queues: Collection[UUID] | None = None,
    asked: bool = False,
    rows: TicketQuerySet | None = None,
    lanes: Sequence[Lane] | None = None,
) -> Page:
    """Return the most urgent tickets that wait and that this person may see.

    The same tickets in the same order as `visible_to(user).waiting().most_urgent_first(now)`,
    at a cost that does not grow with the queue. `queues` narrows it to these, `asked` to what
    the person's roles may vote on. `rows` says how they are read; what it leaves out is passed
    over. `lanes` are those to look at, with their queues, where they were read already. Machines
    work no queue and are shown nothing.
    """
    now = after.now if after else now
    reading = _reading(user, now, after, queues, lanes, asked=asked)
    if rows is None:
        rows = Ticket.objects.select_related("decision", "checkpoint", "queue", "region")
    passed, wanted = 0, size + 1
    found: list[tuple[Key, Ticket]] = []
    while True:
        keys = reading.first(wanted)
        read = rows.in_bulk([UUID(int=ticket_id) for _, ticket_id in keys[passed:]])
        for key in keys[passed:]:
            ticket = read.get(UUID(int=key[1]))
            if ticket is not None:
                found.append((key, ticket))
        if len(found) > size or len(keys) < wanted:
            break
        if wanted > _PATIENCE:
            rows = rows.filter(_seen_by(user, queues, asked=asked))
            return scored_page(rows.waiting(), now=now, after=after, size=size)
        passed, wanted = wanted, wanted * 4
    tickets = [ticket for _, ticket in found[:size]]
    if len(found) <= size:
        return Page(tickets, None)
    (minus_score, _), last = found[size - 1]
    return Page(tickets, Cursor(now, -minus_score, last.pk))


def scored_page(
    rows: TicketQuerySet, *, now: datetime, after: Cursor | None = None, size: int = _SIZE
) -> Page:
    """Return the most urgent of these tickets; all of them are scored and sorted for it."""
    now = after.now if after else now
    rows = rows.most_urgent_first(now)
    if after:
        rows = rows.filter(Q(score__lt=after.score) | Q(score=after.score, pk__gt=after.id))
    tickets = list(rows[: size + 1])
    if len(tickets) <= size:
        return Page(tickets, None)
    last: Any = tickets[size - 1]
    return Page(tickets[:size], Cursor(now, last.score, last.pk))


def _reading(
    user: User | AnonymousUser,
    now: datetime,
    after: Cursor | None,
    queues: Collection[UUID] | None,
    lanes: Sequence[Lane] | None,
    *,
    asked: bool,
) -> _Reading:
    """Begin at the top of all that this person sees."""
    if not user.is_authenticated or not user.is_active or user.is_machine:
        return _Reading(now, after, [])
    if lanes is None:
        # As a scalar it is looked up lane by lane, whatever is thought of the tickets' number.
        one = Ticket.objects.filter(lane=OuterRef("pk"), status="pending").values("pk")[:1]
        found = _lanes(user, queues, asked=asked).annotate(one=Subquery(one))
        lanes = list(found.filter(one__isnull=False).select_related("queue").order_by("pk"))
    lists = [
        _List(lane.pk, float(lane.queue.weights["age"]), by)
        for lane in lanes
        for by in range(len(_COLUMNS))
    ]
    return _Reading(now, after, lists, _own(user, queues, now, asked=asked))


def _lanes(user: User, queues: Collection[UUID] | None, *, asked: bool) -> LaneQuerySet:
    lanes = Lane.objects.asked_of(user) if asked else Lane.objects.open_to(user)
    return lanes if queues is None else lanes.filter(queue__in=queues)


def _seen_besides(user: User, *, asked: bool) -> list[Q]:
    """Return what a person sees in no lane of theirs: what appointed them, their own requests.

    Together they would have the database read everything; each has an index of its own.
    """
    appointed = Q(decision__in=permissions.decisions_appointing(user, now=shown_now()))
    return [appointed] if asked else [appointed, Q(requester=user), Q(beneficiary=user)]


def _seen_by(user: User | AnonymousUser, queues: Collection[UUID] | None, *, asked: bool) -> Q:
    assert isinstance(user, User)  # others see nothing, and stopped there
    seen = Q(lane__in=_lanes(user, queues, asked=asked))
    for besides in _seen_besides(user, asked=asked):
        seen |= besides if queues is None else besides & Q(queue__in=queues)
    return seen


def _own(user: User, queues: Collection[UUID] | None, now: datetime, *, asked: bool) -> set[Key]:
    """Return the keys of what a person sees besides whole lanes; they are few, so all of them."""
    rows = Ticket.objects.waiting().order_by()
    if queues is not None:
        rows = rows.filter(queue__in=queues)
    wanted = ("pk", "queue__weights", "rank_base", "rank_young")
    first, *others = (
        rows.filter(besides).values_list(*wanted) for besides in _seen_besides(user, asked=asked)
    )
    keys = set()
    for ticket_id, weights, *ranks in first.union(*others, all=True) if others else first:
        own = _List(ticket_id, float(weights["age"]), 0)
        keys.add((-min(own.scores(now, *ranks)), ticket_id.int))
    return keys


def _whole(stored: UUID | str) -> int:
    return stored.int if isinstance(stored, UUID) else int(stored, 16)


def _stored(value: UUID) -> UUID | str:
    return value if connection.features.has_native_uuid_field else value.hex
