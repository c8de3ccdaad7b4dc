"""A reviewer's duty."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models

from audit.history import CopiedRecords
from audit.ids import new_id
from reviews.models.ticket import Ticket


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Assignments, by the words people use for them."""

    def in_force(self, now: datetime) -> Self:
        """Return those that stand at this instant: neither given back nor run out."""
        standing = models.Q(until__isnull=True) | models.Q(until__gt=now)
        return self.filter(standing, released_at__isnull=True)


class Assignment(models.Model):
    """Who holds a ticket, until when. A claim is one a person gives themselves."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="assignments")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments"
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who gave it; nobody where the service did.",
    )
    created_at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    objects = AssignmentQuerySet.as_manager()
    history = CopiedRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ticket"],
                condition=models.Q(released_at__isnull=True),
                name="assignment_one_open_per_ticket",
            )
        ]
        indexes = [
            models.Index(
                "person",
                name="assignment_open_of_person",
                condition=models.Q(released_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.person} holds {self.ticket}"

    def stands_at(self, now: datetime) -> bool:
        """Tell whether it has not run out at this instant."""
        return self.until is None or self.until > now

    def release(self, at: datetime) -> None:
        """Give the ticket back, under its lock."""
        self.released_at = at
        self.save(update_fields=["released_at"])
