"""People and machines."""

from typing import Any
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models

from approvals.eligibility import normalise_identity


def check_time_zone(name: str) -> None:
    """Refuse a name the time zone database does not hold."""
    if name not in available_timezones():
        raise ValidationError(f"{name} is not a time zone; write for example Europe/Berlin.")


def no_domains() -> list[str]:
    return []


def usual_preferences() -> dict[str, Any]:
    return {}


class User(AbstractUser):
    """Somebody who acts. A machine has no password and no roles, and can never vote."""

    class Kind(models.TextChoices):
        HUMAN = "human", "Person"
        MACHINE = "machine", "Machine"

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.HUMAN)
    manager = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reports"
    )
    domains = models.JSONField(
        default=no_domains, blank=True, help_text="Fields of expertise, for example medical."
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    capacity = models.PositiveSmallIntegerField(
        default=20, help_text="How many open tickets this person holds at most."
    )
    preferences: Any = models.JSONField(
        default=usual_preferences,
        blank=True,
        editable=False,
        help_text="How the desk looks to this person: density, shortcuts, advance, saved views.",
    )
    identity = models.CharField(
        max_length=254,
        blank=True,
        editable=False,
        db_index=True,
        help_text="Mail address or user name, normalised; two accounts of one person share it.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["human", "machine"]), name="user_kind_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="human") | models.Q(is_superuser=False, is_staff=False),
                name="user_machine_has_no_desk",
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.identity = "" if self.is_machine else normalise_identity(self.email or self.username)
        fields = kwargs.get("update_fields")
        if fields is not None and {"email", "username", "kind"} & set(fields):
            kwargs["update_fields"] = {*fields, "identity"}
        super().save(*args, **kwargs)

    @property
    def is_machine(self) -> bool:
        return self.kind == self.Kind.MACHINE

    @property
    def label(self) -> str:
        """Return the name people know this user by."""
        return self.get_full_name() or self.get_username()

    def clean(self) -> None:
        super().clean()
        if not isinstance(self.domains, list) or any(not isinstance(d, str) for d in self.domains):
            raise ValidationError({"domains": "Write a list of words."})
