"""What people say beside a vote."""

from django.conf import settings
from django.db import models

from audit.ids import new_id
from reviews.models.ticket import Ticket


class Comment(models.Model):
    """One remark on a ticket; it moves nothing."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="remarks")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=4000)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.author} on {self.ticket}"
