"""Who of many people may hear of which tickets, asked for all of them at once.

`TicketQuerySet.visible_to` answers for one person. Here the same rights are read as they stand at
this instant in a number of queries that grows with neither people nor tickets; a test holds both
to one answer.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import IntegerField, Value

from approvals import permissions
from approvals.models import User
from audit.clock import shown_now
from reviews.models import Lane, Region, Ticket

# What one person may use: pairs of roles and the regions these are used in.
Used = frozenset[tuple[frozenset[int], frozenset[UUID]]]
# SQLite puts at most 500 queries into one.
_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A ticket as it stands, and the ids of the people who see it."""

    ticket_id: UUID
    version: int
    status: str
    waits: bool
    by: frozenset[int]


def audience(people: Collection[int], tickets: Collection[UUID]) -> list[Seen]:
    """Return these tickets with those of the people who may see each now."""
    fields = ("version", "status", "decision__settled_at", "requester", "beneficiary", "lane")
    rows = list(Ticket.objects.filter(pk__in=list(tickets)).values_list("pk", *fields, "decision"))
    active = dict(
        User.objects.filter(pk__in=list(people), is_active=True).values_list("pk", "kind")
    )
    if not rows or not active:
        return []
    human = [person for person, kind in active.items() if kind == User.Kind.HUMAN]
    all_seeing = permissions.people_with("reviews.view_any_ticket", human)
    others = [person for person in human if person not in all_seeing]
    in_lane = _lanes_open(others, {row[6] for row in rows})
    appointed: dict[UUID, set[int]] = {}
    for person, decision in permissions.appointed_to(
        [row[7] for row in rows], others, now=shown_now()
    ):
        appointed.setdefault(decision, set()).add(person)
    found = []
    for pk, version, status, settled, requester, beneficiary, lane, decision in rows:
        by = {requester} & active.keys() | {beneficiary} & set(human) | all_seeing
        by |= in_lane.get(lane, set()) | appointed.get(decision, set())
        waits = status == Ticket.Status.PENDING and settled is None
        found.append(Seen(pk, version, status, waits, frozenset(by)))
    return found


def _lanes_open(people: Collection[int], lanes: Iterable[UUID]) -> dict[UUID, set[int]]:
    """Return for each lane those who see it by their roles, or by those somebody lends them."""
    alike: dict[Used, list[int]] = {}
    for person, used in _used_by(people).items():
        if used:
            alike.setdefault(used, []).append(person)
    wanted = list(lanes)
    kinds = list(alike)
    found: dict[UUID, set[int]] = {}
    for start in range(0, len(kinds), _TOGETHER):
        some = kinds[start : start + _TOGETHER]
        first, *rest = [
            Lane.objects.filter(pk__in=wanted)
            .shown_with([(list(roles), list(regions)) for roles, regions in used])
            .annotate(kind=Value(start + place, output_field=IntegerField()))
            .values_list("pk", "kind")
            for place, used in enumerate(some)
        ]
        for lane, kind in first.union(*rest, all=True) if rest else first:
            found.setdefault(lane, set()).update(alike[kinds[kind]])
    return found


def _used_by(people: Collection[int]) -> dict[int, Used]:
    each = permissions.roles_used_by_each(people, now=shown_now())
    owners = {owner for used in each.values() for owner in used}
    regions: dict[int, set[UUID]] = {}
    for owner, region in Region.people.through.objects.filter(user__in=owners).values_list(
        "user", "region"
    ):
        regions.setdefault(owner, set()).add(region)
    return {
        person: frozenset(
            (frozenset(roles), frozenset(regions.get(owner, ())))
            for owner, roles in used.items()
            if roles
        )
        for person, used in each.items()
    }
