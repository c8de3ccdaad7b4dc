"""A ticket somebody would rather leave for later."""

from django.conf import settings
from django.db import models

from reviews.models.ticket import Ticket


class Skip(models.Model):
    """One person passed one ticket over; `next` offers it to them last. Others see no change."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="skips")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="skips"
    )
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "ticket"], name="skip_one_per_person")
        ]

    def __str__(self) -> str:
        return f"{self.person} skipped {self.ticket}"
