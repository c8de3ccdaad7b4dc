"""What a role is beyond a name and its people."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models

from approvals.models.decision import Decision
from approvals.models.user import check_time_zone
from approvals.reading import QuestionInvalid
from approvals.rosters import read_shifts


def always() -> list[dict[str, Any]]:
    return []


class RoleProfile(models.Model):
    """How a role gets its people: they are in it, or each decision appoints them.

    A role without a profile has the people who are in it, at all hours.
    """

    class Kind(models.TextChoices):
        MEMBERS = "members", "The people in it"
        REQUESTERS_MANAGER = "requesters_manager", "The requester's manager"

    role = models.OneToOneField(
        Group, primary_key=True, on_delete=models.CASCADE, related_name="profile"
    )
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.MEMBERS)
    description = models.CharField(max_length=200, blank=True)
    hours: Any = models.JSONField(
        default=always,
        blank=True,
        help_text="On call only then: days (0 is Monday), from, to. Empty: at all hours.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])

    def __str__(self) -> str:
        return f"{self.role}: {self.get_kind_display()}"

    def clean(self) -> None:
        try:
            read_shifts(self.hours)
        except QuestionInvalid as problem:
            raise ValidationError({"hours": [e["message"] for e in problem.errors]}) from problem


class Appointment(models.Model):
    """Somebody who holds a role on one decision only, for example as the requester's manager."""

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="appointments")
    role = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "role", "user"], name="appointment_once_per_decision"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"
