"""The emergency switch."""

from typing import Any

from django.conf import settings
from django.db import models

from audit.ids import new_id


def everything() -> list[str]:
    return []


class Bypass(models.Model):
    """A stated time in which questions in its scope are passed without people, for a reason.

    It ends at `ends_at`, or earlier by hand; afterwards somebody else must look at what passed,
    and until they did the same person starts no other.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bypasses"
    )
    scope: Any = models.JSONField(
        default=everything, blank=True, help_text="Policies by their slug. Empty: all of them."
    )
    reason = models.CharField(max_length=400)
    incident = models.CharField(max_length=120, blank=True)
    channel = models.CharField(max_length=20)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="When it was over, and that was told.")
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    review = models.UUIDField(null=True, help_text="The subject in which it is looked at later.")
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-starts_at"]
        verbose_name_plural = "bypasses"
        permissions = [("start_bypass", "Can start an emergency bypass")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="bypass_ends_after_it_starts",
            ),
            models.UniqueConstraint(
                fields=["started_by"],
                condition=models.Q(reviewed_at__isnull=True),
                name="bypass_one_unreviewed_per_person",
            ),
        ]
        indexes = [
            models.Index(
                "ends_at", name="bypass_running", condition=models.Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"Bypass by {self.started_by} from {self.starts_at:%Y-%m-%d %H:%M}"

    def covers(self, place: str) -> bool:
        """Tell whether what is asked at this place, a checkpoint by its slug, is in its scope."""
        return not self.scope or place in self.scope
