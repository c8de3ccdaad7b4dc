"""Calls that may be repeated without being done twice."""

from typing import Any

from django.conf import settings
from django.db import models


class IdempotentCall(models.Model):
    """One call under an `Idempotency-Key`: what was asked, and the answer it got."""

    caller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(default=0)
    answer: Any = models.JSONField(null=True)
    headers: Any = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="idempotent_one_per_key")
        ]

    def __str__(self) -> str:
        return self.key
