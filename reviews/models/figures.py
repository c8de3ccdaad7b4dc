"""Figures of what happened, counted once, so that nobody counts a year of tickets for a page."""

from typing import Any

from django.conf import settings
from django.db import models

from reviews.models.checkpoint import Checkpoint
from reviews.models.queue import Lane


def nothing() -> dict[str, int]:
    return {}


class DayFigures(models.Model):
    """What happened on one day (UTC) in one lane, at one checkpoint, under one AI model.

    The lane holds region, queue and policy, so whoever may see a ticket may see its figures.
    """

    day = models.DateField()
    lane = models.ForeignKey(Lane, null=True, on_delete=models.CASCADE, related_name="+")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="+")
    model = models.CharField(max_length=120, blank=True)
    counts: Any = models.JSONField(default=nothing, help_text="Whole numbers by name.")

    class Meta:
        verbose_name_plural = "day figures"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "lane", "checkpoint", "model"], name="figures_one_per_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.checkpoint_id} {self.model}"


class ReviewerDay(models.Model):
    """How much one person reviewed on one day (UTC); votes taken back later are counted too."""

    day = models.DateField()
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    votes = models.PositiveIntegerField(default=0)
    allows = models.PositiveIntegerField(default=0)
    corrections = models.PositiveIntegerField(default=0)
    review_ms = models.PositiveBigIntegerField(default=0, help_text="Time spent, in milliseconds.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "person"], name="reviewer_one_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.person_id}"


class Counted(models.Model):
    """How far the counting came: every fact before `until` is in the figures, none after it."""

    until = models.DateTimeField()
    begun_at = models.DateTimeField(help_text="When this counting began; another begins afresh.")

    class Meta:
        verbose_name_plural = "counted"

    def __str__(self) -> str:
        return f"until {self.until}"
