"""Which ticket somebody should look at next."""

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from approvals.models import Exclusion, User, Vote
from reviews.models import Assignment, Skip, Ticket
from reviews.ordering import waiting_page
from reviews.querysets import TicketQuerySet


def free_for(person: User, *, now: datetime, held_too: bool) -> TicketQuerySet:
    """Return the tickets that are no work of this person's, not voted on, and held by no other."""
    held = Assignment.objects.in_force(now).filter(ticket=OuterRef("pk"))
    if held_too:
        held = held.exclude(person=person)
    voted = Vote.objects.filter(voter=person, withdrawn_at__isnull=True)
    own_work = Exclusion.objects.filter(user=person)
    return (
        Ticket.objects.filter(~Exists(held))
        .exclude(decision__in=voted.values("decision"))
        .exclude(decision__in=own_work.values("decision"))
    )


def offered(
    person: User,
    *,
    now: datetime,
    queues: Collection[UUID] | None = None,
    held_too: bool = False,
) -> Iterator[UUID]:
    """Yield the tickets this person's roles may vote on, the most urgent first.

    Their own work, what they have voted on and what others hold is passed over; what they hold
    themselves only comes with `held_too`. What they skipped comes last, in the order they skipped
    it. Nothing is read before it is asked for.
    """
    free = free_for(person, now=now, held_too=held_too)
    skipped = Skip.objects.filter(person=person).values("ticket")
    fresh = free.exclude(pk__in=skipped).only("pk")
    after = None
    while True:
        page = waiting_page(person, now=now, after=after, queues=queues, asked=True, rows=fresh)
        yield from (ticket.pk for ticket in page.tickets)
        after = page.after
        if after is None:
            break
    again = free.filter(pk__in=skipped).visible_to(person).waiting()
    if queues is not None:
        again = again.filter(queue__in=queues)
    yield from (
        again.filter(skips__person=person).order_by("skips__at", "pk").values_list("pk", flat=True)
    )
