"""The most urgent tickets first, exactly, at any moment, without scoring a whole queue.

A ticket's score is the smaller of two numbers that an index already orders: what it has while
its age still counts (`rank_young` plus what everybody's age adds) and what it has from 24 hours on
(`rank_base` plus the whole age weight). So per queue two lists are read from their tops, until no
ticket that was not read can come before the page's last one (Fagin's threshold algorithm).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Q

from approvals import permissions
from approvals.models import User
from audit.clock import shown_now
from reviews.models import Queue, Region, Ticket
from reviews.ranking import SATURATES

# Scores are sums of floats; where a page goes on, look a little further up and skip what is known.
_SLACK = 1e-9
_SIZE = 50
_DEPTH = 16

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
    """Tickets in order, each with its `score`, and where the next page begins (None: nowhere)."""

    tickets: list[Ticket]
    after: Cursor | None


@dataclass(slots=True)
class _Lane:
    """One queue as this user sees it: SQL that narrows it, and what was read of it so far.

    `end` is the key before which every ticket of the lane was read.
    """

    queue: UUID
    weight: float
    where: str
    parameters: tuple[Any, ...]
    depth: int = 0
    keys: set[Key] = field(default_factory=set)
    end: Key = _FIRST

    def scores(self, now: datetime, rank_base: float, rank_young: float) -> tuple[float, float]:
        """Return the score by base and the score by youth; the smaller one is the ticket's."""
        aged = self.weight * (now.timestamp() / SATURATES.total_seconds())
        return rank_base + self.weight, rank_young + aged

    def read_on(self, now: datetime, after: Cursor | None) -> None:
        """Read both lists from their tops, deeper than the last time."""
        self.depth = self.depth * 4 or _DEPTH
        ends = []
        for by, column in enumerate(("rank_base", "rank_young")):
            above = after.score - self.scores(now, 0.0, 0.0)[by] + _SLACK if after else None
            rows = _read(self, column, above)
            for ticket_id, *ranks in rows:
                self.keys.add((-min(self.scores(now, *ranks)), ticket_id))
            if len(rows) == self.depth:
                ticket_id, *ranks = rows[-1]
                ends.append((-self.scores(now, *ranks)[by], ticket_id))
            else:
                ends.append(_LAST)
        # A ticket in neither list comes after both ends. Below a cursor's score one of the lists
        # may have passed a ticket over at its beginning, so only the earlier end counts.
        self.end = min(ends) if after else max(ends)


def waiting_page(
    user: User | AnonymousUser,
    *,
    now: datetime,
    after: Cursor | None = None,
    size: int = _SIZE,
    queues: Collection[UUID] | None = None,
) -> Page:
    """Return the most urgent tickets that wait and that this user may see.

    The same tickets in the same order as `visible_to(user).waiting().most_urgent_first(now)`,
    at a cost that does not grow with the queue. `queues` narrows it to these.
    """
    now = after.now if after else now
    lanes, own = _lanes(user, queues), _own(user, queues, now)
    found = _most_urgent(lanes, own, now, after, size + 1)
    rows = Ticket.objects.select_related("decision", "checkpoint", "queue", "region").in_bulk(
        [UUID(int=ticket_id) for _, ticket_id in found[:size]]
    )
    tickets = []
    for minus_score, ticket_id in found[:size]:
        ticket = rows[UUID(int=ticket_id)]
        setattr(ticket, "score", -minus_score)  # noqa: B010  as `most_urgent_first` annotates it
        tickets.append(ticket)
    more = len(found) > size
    return Page(tickets, Cursor(now, -found[size - 1][0], tickets[-1].pk) if more else None)


def _lanes(user: User | AnonymousUser, queues: Collection[UUID] | None) -> list[_Lane]:
    """Return what this user sees: whole queues, and in others what their roles decide on."""
    if not user.is_authenticated or not user.is_active:
        return []
    all_queues = [
        (queue, float(weights["age"]))
        for queue, weights in Queue.objects.order_by("pk").values_list("pk", "weights")
        if queues is None or queue in queues
    ]
    if user.is_machine:
        return [_Lane(*each, "t.requester_id = %s", (user.pk,)) for each in all_queues]
    if user.has_perm("reviews.view_any_ticket"):
        return [_Lane(*each, "", ()) for each in all_queues]
    lanes: list[_Lane] = []
    for person, roles in permissions.roles_used_by(user, now=shown_now()).items():
        lanes += _lanes_of(person, roles, all_queues)
    return lanes


def _lanes_of(
    person: int, roles: Collection[int], all_queues: Iterable[tuple[UUID, float]]
) -> list[_Lane]:
    """Return what these roles of one person show; a lender's show what the lender sees."""
    links = Queue.roles.through.objects.filter(group__in=roles)
    whole = set(links.values_list("queue_id", flat=True))
    in_region = Region.people.through.objects.filter(user=person)
    regions = [_stored(region) for region in in_region.values_list("region_id", flat=True)]
    policies = [_stored(policy) for policy in set(permissions.policies_open_to(roles))]
    here = f"(t.region_id IS NULL OR t.region_id IN ({_marks(regions)}))"
    decided = f"d.policy_id IN ({_marks(policies)}) AND {here}"
    lanes = []
    for queue, age in all_queues:
        if queue in whole:
            lanes.append(_Lane(queue, age, here, tuple(regions)))
        elif policies:
            lanes.append(_Lane(queue, age, decided, (*policies, *regions)))
    return lanes


def _own(user: User | AnonymousUser, queues: Collection[UUID] | None, now: datetime) -> set[Key]:
    """Return the keys of a person's own requests, wherever they wait; few, so all of them."""
    if not user.is_authenticated or not user.is_active or user.is_machine:
        return set()
    mine = Q(requester=user) | Q(beneficiary=user)
    rows = Ticket.objects.waiting().filter(mine).select_related("queue")
    keys = set()
    for ticket in rows.only("rank_base", "rank_young", "queue__weights"):
        lane = _Lane(ticket.queue_id, float(ticket.queue.weights["age"]), "", ())
        if queues is None or lane.queue in queues:
            score = min(lane.scores(now, ticket.rank_base, ticket.rank_young))
            keys.add((-score, ticket.pk.int))
    return keys


def _most_urgent(
    lanes: Sequence[_Lane], own: set[Key], now: datetime, after: Cursor | None, size: int
) -> list[Key]:
    """Return the keys (minus score, id) of the first `size` tickets after the cursor."""
    start = (-after.score, after.id.int) if after else _FIRST
    short = lanes
    while True:
        for lane in short:
            lane.read_on(now, after)
        known = own.union(*(lane.keys for lane in lanes))
        first = sorted(key for key in known if key > start)[:size]
        sure = first[-1] if len(first) == size else _LAST
        short = [lane for lane in lanes if lane.end < sure]
        if not short:
            return first


def _read(lane: _Lane, column: str, above: float | None) -> list[tuple[int, float, float]]:
    where = "t.status = 'pending' AND t.queue_id = %s AND d.settled_at IS NULL"
    parameters: list[Any] = [_stored(lane.queue)]
    if lane.where:
        where += f" AND {lane.where}"
        parameters += lane.parameters
    if above is not None:
        where += f" AND t.{column} <= %s"
        parameters += [above]
    with connection.cursor() as cursor:
        # Names of columns are ours; the rest are parameters. The text is the same for most
        # lanes, so its plan is kept.
        cursor.execute(
            "SELECT t.id, t.rank_base, t.rank_young FROM reviews_ticket t "  # noqa: S608
            f"JOIN approvals_decision d ON d.id = t.decision_id WHERE {where} "
            f"ORDER BY t.{column} DESC, t.id LIMIT %s",
            [*parameters, lane.depth],
        )
        return [(_whole(row[0]), row[1], row[2]) for row in cursor.fetchall()]


def _whole(stored: UUID | str) -> int:
    return stored.int if isinstance(stored, UUID) else int(stored, 16)


def _stored(value: UUID) -> UUID | str:
    return value if connection.features.has_native_uuid_field else value.hex


def _marks(values: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(values)) or "NULL"
