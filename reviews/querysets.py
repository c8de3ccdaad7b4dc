"""Sets of tickets, by the words people use for them."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from approvals import permissions
from audit.clock import shown_now
from reviews.ranking import SATURATES

if TYPE_CHECKING:
    from approvals.models import User
    from reviews.models.ticket import Ticket  # noqa: F401  named in the class line below


class TicketQuerySet(models.QuerySet["Ticket"]):
    """Tickets; every list starts from `visible_to`."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Return the tickets this user may see: their own, and those of their queues and regions.

        A region narrows what a role shows: a ticket of another region is not there at all.
        """
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_machine:
            return self.filter(requester=user)
        if user.has_perm("reviews.view_any_ticket"):
            return self
        seen = Q(requester=user) | Q(beneficiary=user)
        # What is lent is seen as the lender sees it: the lender's roles in the lender's regions.
        for person, roles in permissions.roles_used_by(user, now=shown_now()).items():
            asked = Q(queue__roles__in=roles) | Q(
                decision__policy__in=permissions.policies_open_to(roles)
            )
            seen |= asked & (Q(region__isnull=True) | Q(region__people=person))
        return self.filter(pk__in=self.model.objects.filter(seen).values("pk"))

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
        score = models.Case(
            models.When(created_at__lte=now - SATURATES, then=F("rank_base") + weight),
            default=F("rank_young") + weight * (now.timestamp() / SATURATES.total_seconds()),
        )
        return self.annotate(score=score).order_by("-score", "created_at", "pk")

    def locked(self) -> Self:
        """Lock the tickets, and nothing they point to, until the transaction ends."""
        return self.select_for_update(of=("self",), no_key=True)
