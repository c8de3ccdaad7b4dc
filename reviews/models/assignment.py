"""A reviewer's duty."""

from django.conf import settings
from django.db import models

from audit.history import CopiedRecords
from audit.ids import new_id
from reviews.models.ticket import Ticket


class Assignment(models.Model):
    """Who holds a ticket, until when. A claim is one a person gives themselves."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="assignments")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

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
