"""One person's answer."""

from django.conf import settings
from django.db import models

from approvals.models.decision import Decision
from audit.history import CopiedRecords
from audit.ids import new_id


class Vote(models.Model):
    """One person's answer to one decision, bound to the digest of what was shown.

    `principal` is whose vote it is; `voter` is who cast it. They differ only by delegation.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes_cast"
    )
    principal = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes_owned"
    )
    voter_kind = models.CharField(max_length=10, default="human")
    choice = models.CharField(max_length=80)
    outcome_digest = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    response = models.JSONField(null=True, blank=True)
    amendments = models.JSONField(null=True, blank=True)
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    channel = models.CharField(max_length=20)
    cast_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    history = CopiedRecords()

    class Meta:
        ordering = ["cast_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "principal"],
                condition=models.Q(withdrawn_at__isnull=True),
                name="vote_one_per_principal",
            ),
            models.UniqueConstraint(
                fields=["decision", "voter"],
                condition=models.Q(withdrawn_at__isnull=True),
                name="vote_one_per_voter",
            ),
        ]
        # How many somebody cast lately.
        indexes = [models.Index("voter", models.F("cast_at").desc(), name="vote_of_voter_lately")]

    def __str__(self) -> str:
        return f"{self.voter}: {self.choice}"
