"""A loan of the right to vote."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models

from audit.ids import new_id


class DelegationQuerySet(models.QuerySet["Delegation"]):
    """Loans, by the words people use for them."""

    def in_force(self, now: datetime) -> Self:
        """Return the loans that stand at this instant; none of time's doing needs a row changed."""
        return self.filter(ended_at__isnull=True, starts_at__lte=now, ends_at__gt=now)


class Delegation(models.Model):
    """One person's right to vote, lent to another for a time.

    The lender's own seats are lent, never borrowed ones, so a loan is one step deep. Both stay
    one voice: a vote cast for a lender is the lender's.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    lender = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="delegations_given"
    )
    delegate = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="delegations_held"
    )
    limited = models.BooleanField(default=False, help_text="Only the votes of the roles named.")
    # Which roles, where it is limited. The flag stays when a role is deleted, so that no loan
    # ever grows by losing a name.
    roles = models.ManyToManyField(Group, blank=True, related_name="+")
    reason = models.CharField(max_length=400, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Set when ended early.")

    objects = DelegationQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(lender=models.F("delegate")), name="delegation_to_another"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="delegation_ends_after_it_starts",
            ),
        ]
        indexes = [
            models.Index(
                "delegate",
                "ends_at",
                name="delegation_of_delegate",
                condition=models.Q(ended_at__isnull=True),
            ),
            models.Index(
                "lender",
                "ends_at",
                name="delegation_of_lender",
                condition=models.Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lender} → {self.delegate}"

    def state_at(self, now: datetime) -> str:
        """Return `upcoming`, `in_force` or `over`."""
        if self.ended_at is not None or self.ends_at <= now:
            return "over"
        return "upcoming" if now < self.starts_at else "in_force"
