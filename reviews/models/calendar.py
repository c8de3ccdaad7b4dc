"""When a queue's people work."""

from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from approvals.models.user import check_time_zone
from audit.ids import new_id
from reviews import calendars


def office_week() -> list[list[list[int]]]:
    return [[[540, 1080]]] * 5 + [[], []]


def no_exceptions() -> list[Any]:
    return []


class Calendar(models.Model):
    """Opening hours by the clocks of one time zone. A queue without one is always open."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    time_zone = models.CharField(max_length=64, validators=[check_time_zone])
    week: Any = models.JSONField(
        default=office_week, help_text="Monday to Sunday: [from, until] in minutes of the day."
    )
    country = models.CharField(max_length=3, blank=True)
    subdivision = models.CharField(max_length=10, blank=True)
    exceptions: Any = models.JSONField(
        default=no_exceptions, blank=True, help_text="Rows of [date, hours as above, note]."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse hours by which nothing would ever be due."""
        if why := calendars.why_too_little(self.week):
            raise ValidationError(why)

    @property
    def hours(self) -> calendars.Calendar:
        """Return it as the pure rules read it."""
        return calendars.Calendar(
            zone=self.time_zone,
            week=tuple(tuple((span[0], span[1]) for span in day) for day in self.week),
            country=self.country,
            subdivision=self.subdivision,
            exceptions=tuple(
                (date.fromisoformat(day), tuple((span[0], span[1]) for span in hours))
                for day, hours, _note in self.exceptions
            ),
        )
