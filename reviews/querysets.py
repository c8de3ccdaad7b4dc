"""Sets of tickets, by the words people use for them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import AnonymousUser, Group
from django.db import models
from django.db.models import F, IntegerField, Q, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Least

from approvals import permissions
from audit.clock import shown_now
from reviews.ranking import SATURATES

if TYPE_CHECKING:
    from approvals.models import User

    # Named in the class lines below.
    from reviews.models.queue import Lane
    from reviews.models.ticket import Ticket  # noqa: F401


class CountUpTo(Subquery):
    """How many rows a sliced queryset has."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


class LaneQuerySet(models.QuerySet["Lane"]):
    """Lanes; what people's roles and regions let them see is told by these alone."""

    def open_to(self, user: "User") -> Self:
        """Return the lanes a person sees by their roles, or by those somebody lends them.

        A queue's roles see it; those who may vote see what they are asked.
        """
        if user.has_perm("reviews.view_any_ticket"):
            return self
        return self._shown_to(user, whole_queues=True)

    def asked_of(self, user: "User") -> Self:
        """Return the lanes on whose tickets a person may vote by a role, their own or lent."""
        return self._shown_to(user, whole_queues=False)

    def _shown_to(self, user: "User", *, whole_queues: bool) -> Self:
        regions = user.regions.through.objects
        used = permissions.roles_used_by(user, now=shown_now())
        # What is lent is seen as the lender sees it: the lender's roles in the lender's regions.
        return self.shown_with(
            [
                (roles, regions.filter(user=person).values("region"))
                for person, roles in used.items()
            ],
            whole_queues=whole_queues,
        )

    def shown_with(
        self, used: Iterable[tuple[Sequence[int], Any]], *, whole_queues: bool = True
    ) -> Self:
        """Return the lanes that roles show, each set of roles together with regions.

        :param used: pairs of the ids of roles and those of regions, or a query of these.
        """
        seen = Q(pk__in=[])
        for roles, regions in used:
            by_role = Q(policy__in=permissions.policies_open_to(roles))
            if whole_queues:
                by_role |= Q(queue__in=Group.objects.filter(pk__in=roles).values("queues"))
            # A ticket of another region is not there at all.
            seen |= by_role & (Q(region__isnull=True) | Q(region__in=regions))
        return self.filter(seen)


class TicketQuerySet(models.QuerySet["Ticket"]):
    """Tickets; every list starts from `visible_to`."""

    def visible_to(
        self, user: "User | AnonymousUser", *, lanes: "Sequence[Lane] | None" = None
    ) -> Self:
        """Return the tickets this user may see: their own, and those of their queues and regions.

        A region narrows what a role shows: a ticket of another region is not there at all.

        :param lanes: those open to the user, read before. Lists need them: only of what is named
            one by one does the database know how much it is, and which index leads there.
        """
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_machine:
            return self.filter(requester=user)
        if user.has_perm("reviews.view_any_ticket"):
            return self
        from reviews.models import queue  # which is made with this module

        appointed = permissions.decisions_appointing(user, now=shown_now())
        seen = Q(requester=user) | Q(beneficiary=user)
        if lanes is None:
            open_to = queue.Lane.objects.open_to(user)
            return self.filter(seen | Q(lane__in=open_to) | Q(decision__in=appointed))
        return self.filter(seen | Q(lane__in=lanes) | Q(decision__in=list(appointed)))

    def waiting(self) -> Self:
        """Return the tickets that wait for people: pending and not yet settled."""
        return self.filter(status="pending", decision__settled_at__isnull=True)

    def due_for_conclusion(self, now: datetime) -> Self:
        """Return the tickets whose next deadline has come, the longest overdue first."""
        return self.filter(next_deadline_at__lte=now).order_by("next_deadline_at", "pk")

    def most_urgent_first(self, now: datetime) -> Self:
        """Order by the exact score at `now`; higher first, the older of equals first.

        Equals `reviews.ranking.score`: `rank_young` grows with everybody's age alike until a
        ticket is 24 h old, from then on its score is its base plus the whole age weight.
        """
        weight = Cast(KeyTextTransform("age", "queue__weights"), models.FloatField())
        aged = weight * (now.timestamp() / SATURATES.total_seconds())
        score = Least(F("rank_base") + weight, F("rank_young") + aged)
        return self.annotate(score=score).order_by("-score", "pk")

    def locked(self, *, skipping: bool = False) -> Self:
        """Lock the tickets, and nothing they point to, until the transaction ends.

        :param skipping: leave out those that somebody else holds, instead of waiting.
        """
        return self.select_for_update(of=("self",), no_key=True, skip_locked=skipping)
