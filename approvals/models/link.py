"""Links that let one person open one round from a mail."""

from django.conf import settings
from django.db import models

from approvals.models.decision import Decision
from audit.ids import new_id


class DecisionLink(models.Model):
    """A single-use link bound to one decision and one person. Only the token's hash is stored."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    token_hash = models.CharField(max_length=64, unique=True)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="links")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Link for {self.person}"
