"""Calendars: when a queue's people work, and what that means for what is asked now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from audit.clock import db_now
from reviews import calendars
from reviews.admin.plain_settings import PlainSettings
from reviews.display.moments import zone_of
from reviews.models import Calendar
from reviews.sla import DUE

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHOWN = 10


@dataclass(frozen=True)
class Preview:
    """What a calendar means from now on: when it opens, and when new tickets would be due."""

    openings: list[tuple[str, str]]
    due: list[tuple[str, str]]


def preview(hours: calendars.Calendar, *, now: datetime) -> Preview:
    """Return the next opening hours and due times, by the clocks of the calendar's own zone."""
    zone = zone_of(hours.zone)

    def day(at: datetime) -> str:
        there = at.astimezone(zone)
        return f"{there:%A} {there.day} {there:%B}"

    def time(at: datetime, since: datetime) -> str:
        there, before = at.astimezone(zone), since.astimezone(zone)
        midnight = there.date() == before.date() + timedelta(days=1) and not there.hour
        return "24:00" if midnight and not there.minute else f"{there:%H:%M}"

    found = calendars.openings(hours, now, _SHOWN)
    return Preview(
        [(day(begins), f"{time(begins, begins)}–{time(ends, begins)}") for begins, ends in found],
        [
            (name.capitalize(), f"{at.astimezone(zone):%a %d %b, %H:%M}")
            for name, length in DUE.items()
            for at in [calendars.add_business_time(hours, now, length)]
        ],
    )


class CalendarForm(forms.ModelForm):
    """Hours as people write them; a line of text per exception."""

    class Meta:
        model = Calendar
        fields = ("name", "time_zone", "country", "subdivision")
        labels = {"country": "Holidays of", "subdivision": "Part of the country"}
        help_texts = {
            "time_zone": "For example Europe/Berlin. Hours are by its clocks.",
            "country": "Two letters, for example DE. Empty: no holidays.",
            "subdivision": "For example BE for Berlin. Empty: what is closed everywhere.",
        }

    lines = forms.CharField(
        label="Exceptions",
        required=False,
        strip=True,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="A line for each date that is unlike others: closed, or its hours, then a note. "
        "It goes before hours and holidays. 2026-12-24 9:00-12:00 Christmas Eve",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for place, name in enumerate(DAYS):
            self.fields[f"day{place}"] = forms.CharField(
                label=name,
                required=False,
                max_length=200,
                initial=calendars.write_hours(self.instance.week[place]),
                widget=forms.TextInput(attrs={"placeholder": "closed"}),
            )
        self.initial["lines"] = "\n".join(_line(row) for row in self.instance.exceptions)

    @property
    def days(self) -> list[Any]:
        return [self[f"day{place}"] for place in range(len(DAYS))]

    def clean_country(self) -> str:
        """Take a country's two letters whose holidays are known."""
        country = str(self.cleaned_data["country"]).strip().upper()
        if country and country not in calendars.countries():
            raise ValidationError(f"The holidays of {country} are not known; write DE, FR or US.")
        return country

    def clean(self) -> dict[str, Any]:
        """Read the hours and the exceptions; what cannot be read is told where it stands."""
        given: dict[str, Any] = super().clean() or {}
        self.instance.week = [self._hours(f"day{place}") for place in range(len(DAYS))]
        self.instance.exceptions = self._exceptions()
        country, part = given.get("country", ""), str(given.get("subdivision", "")).strip().upper()
        given["subdivision"] = part
        known = calendars.countries().get(country, ())
        if part and part not in known:
            some = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
            told = f"{country} has {some}." if known else "Name a country that has parts first."
            self.add_error("subdivision", told)
        return given

    def _hours(self, name: str) -> list[list[int]]:
        try:
            return [list(span) for span in calendars.read_hours(self.cleaned_data.get(name) or "")]
        except ValueError as problem:
            self.add_error(name, str(problem))
            return []

    def _exceptions(self) -> list[Any]:
        rows: dict[str, Any] = {}
        for number, line in enumerate((self.cleaned_data.get("lines") or "").splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = _read_line(line)
                if row[0] in rows:
                    raise ValueError("This date stands above already.")
            except ValueError as problem:
                self.add_error("lines", f"Line {number}: {problem}")
                continue
            rows[row[0]] = row
        return [rows[day] for day in sorted(rows)]


def _line(row: list[Any]) -> str:
    day, hours, note = row
    spans = ",".join(calendars.write_hours([span]).replace("–", "-") for span in hours)
    return f"{day} {spans or 'closed'} {note}".rstrip()


def _read_line(line: str) -> list[Any]:
    day, _, rest = line.strip().partition(" ")
    try:
        date.fromisoformat(day)
    except ValueError:
        raise ValueError("Begin with a date like 2026-12-24.") from None
    hours, _, note = rest.strip().partition(" ")
    if not hours:
        raise ValueError("Write closed, or hours like 9:00-12:00,13:00-15:00.")
    spans = () if hours.casefold() == "closed" else calendars.read_hours(hours)
    return [day, [list(span) for span in spans], note.strip()[:80]]


@admin.register(Calendar)
class CalendarAdmin(PlainSettings):
    """When people work; a queue without a calendar is always open."""

    form = CalendarForm
    template = "calendar.html"
    plural, singular = "Calendars", "calendar"
    lead = "When people work. The clocks of a queue that has a calendar run in its hours alone."
    search_fields = ("name__icontains",)

    def row(self, calendar: Calendar) -> dict[str, str]:
        queues = ", ".join(queue.name for queue in calendar.queues.all())
        text = f"For {queues}" if queues else "No queue uses it yet"
        return {"title": calendar.name, "text": text, "quiet": calendar.time_zone}

    def words(self, calendar: Calendar) -> Mapping[str, str]:
        days = zip(DAYS, calendar.week, strict=True)
        return {
            "Name": calendar.name,
            "Time zone": calendar.time_zone,
            **{day: calendars.write_hours(hours) or "closed" for day, hours in days},
            "Holidays of": f"{calendar.country} {calendar.subdivision}".strip() or "nowhere",
            "Exceptions": "; ".join(_line(row) for row in calendar.exceptions) or "none",
        }

    def beside(self, calendar: Calendar | None) -> Mapping[str, Any]:
        if calendar is None:
            return {}
        return {
            "queues": list(calendar.queues.all()),
            "preview": preview(calendar.hours, now=db_now()),
            "versions": calendars.versions(),
        }

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("queues")
