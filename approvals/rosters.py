"""The hours in which a role's people are on call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from approvals.reading import Reader

_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


@dataclass(frozen=True, slots=True)
class Shift:
    """From a minute of a day to another; one that ends no later than it begins ends next day."""

    days: frozenset[int]  # on which it begins; 0 is Monday
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Roster:
    """When the people of a role are on call, by the clocks of one time zone."""

    shifts: tuple[Shift, ...]
    zone: str

    def covers(self, at: datetime) -> bool:
        """Tell whether somebody is on call at this instant."""
        there = at.astimezone(ZoneInfo(self.zone))
        minute = there.hour * 60 + there.minute
        today = there.weekday()
        yesterday = (there - timedelta(days=1)).weekday()
        for shift in self.shifts:
            if shift.begins < shift.ends:
                if today in shift.days and shift.begins <= minute < shift.ends:
                    return True
            elif (today in shift.days and minute >= shift.begins) or (
                yesterday in shift.days and minute < shift.ends
            ):
                return True
        return False


def read_shifts(hours: object, *, pointer: str = "/hours") -> tuple[Shift, ...]:
    """Return the shifts of a JSON list of `{days, from, to}` (`22:00`); none means at all hours.

    :raises QuestionInvalid: naming every error with its place.
    """
    reader = Reader()
    shifts = [
        _shift(reader, row, f"{pointer}/{place}")
        for place, row in enumerate(reader.rows(hours, pointer, most=50))
    ]
    reader.finish()
    return tuple(shifts)


def _shift(reader: Reader, row: object, pointer: str) -> Shift:
    given: Mapping[str, Any] = reader.mapping(
        row, pointer, ("days", "from", "to"), ("days", "from", "to")
    )
    days = reader.rows(given.get("days", [0]), f"{pointer}/days", least=1, most=7)
    for place, day in enumerate(days):
        if isinstance(day, bool) or not isinstance(day, int) or not 0 <= day <= 6:
            reader.refuse(f"{pointer}/days/{place}", "A day is 0 (Monday) to 6 (Sunday).")
    begins = _minute(reader, given.get("from", "00:00"), f"{pointer}/from")
    ends = _minute(reader, given.get("to", "24:00"), f"{pointer}/to")
    if begins == ends or begins == 1440:
        reader.refuse(f"{pointer}/to", "A shift ends at another time than it begins.")
    return Shift(frozenset(day for day in days if isinstance(day, int)), begins, ends)


def _minute(reader: Reader, value: object, pointer: str) -> int:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        reader.refuse(pointer, "Write a time like 22:00.")
        return 0
    if value == "24:00":
        return 1440
    at = time.fromisoformat(value)
    return at.hour * 60 + at.minute
