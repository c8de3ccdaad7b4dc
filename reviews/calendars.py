"""When people work: hours of the week, holidays and exceptions, by the clocks of one time zone.

Open is what the clock on the wall there says: an instant is open when its local time lies in the
hours of its local date. So an hour that a change of the clocks skips is not worked, and one that
it repeats is worked twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

Hours = tuple[int, int]  # minutes of a day: from, until

MIDNIGHT = 24 * 60
# What opens less would make a deadline of days one of years.
LEAST_A_WEEK = timedelta(hours=1)
# Nothing waits longer; it is also where a search through a calendar ends.
LONGEST = timedelta(days=3650)
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)|24[:.]00")
_SPAN = re.compile(r"\s*(\S+?)\s*(?:-|–|to)\s*(\S+)\s*")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening hours. ``week`` is Monday to Sunday; ``exceptions`` replace a date's hours."""

    zone: str
    week: tuple[tuple[Hours, ...], ...]
    country: str = ""
    subdivision: str = ""
    exceptions: tuple[tuple[date, tuple[Hours, ...]], ...] = ()

    def hours_on(self, day: date) -> tuple[Hours, ...]:
        """Return the hours of a local date, earliest first."""
        for other, hours in self.exceptions:
            if other == day:
                return hours
        if self.country and day in holidays_of(self.country, self.subdivision, day.year):
            return ()
        return self.week[day.weekday()]


def add_business_time(calendar: Calendar | None, start: datetime, length: timedelta) -> datetime:
    """Return the instant (UTC) at which this much open time has passed since ``start``.

    None is always open. No time at all has passed at ``start`` itself, open or not. Nothing is
    later than ten years after ``start``.
    """
    latest = start + LONGEST
    if calendar is None or length <= timedelta(0):
        return min(start + length, latest)
    for begins, ends in _open_from(calendar, start):
        if begins >= latest:
            break
        if ends - begins >= length:
            return min(begins + length, latest)
        length -= ends - begins
    return latest


def business_time_between(calendar: Calendar | None, start: datetime, end: datetime) -> timedelta:
    """Return how much open time lies between two instants; none where they are in wrong order."""
    if end <= start:
        return timedelta(0)
    if calendar is None:
        return end - start
    passed = timedelta(0)
    for begins, ends in _open_from(calendar, start):
        if begins >= end:
            break
        passed += min(ends, end) - begins
    return passed


def next_open(calendar: Calendar | None, at: datetime) -> datetime:
    """Return ``at`` itself where it is open, else when it opens next."""
    if calendar is None:
        return at
    return next((begins for begins, _ in _open_from(calendar, at)), at)


def openings(calendar: Calendar, at: datetime, count: int) -> list[tuple[datetime, datetime]]:
    """Return the next opening hours as (from, until) in UTC; the present one begins at ``at``."""
    found: list[tuple[datetime, datetime]] = []
    for begins, ends in _open_from(calendar, at):
        if found and found[-1][1] == begins:
            found[-1] = (found[-1][0], ends)
        elif len(found) == count:
            break
        else:
            found.append((begins, ends))
    return found


def _open_from(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield what is open from an instant on, in UTC, for as long as anything may wait."""
    start = start.astimezone(UTC)
    first = start.toordinal()
    for ordinal in range(first, first + LONGEST.days + 2):
        for begins, ends in _open_on(calendar, ordinal):
            if ends > start:
                yield max(begins, start), ends


@lru_cache(maxsize=8192)
def _open_on(calendar: Calendar, ordinal: int) -> tuple[tuple[datetime, datetime], ...]:
    """Return what is open on one day of UTC."""
    found = []
    for begins, ends in _even(calendar.zone, ordinal):
        offset = _offset(calendar.zone, begins)
        # While the offset stays the same, local time is UTC and a constant.
        local, until = begins + offset, ends + offset
        day = local.date()
        while _at(day, 0) < until:
            for opens, closes in calendar.hours_on(day):
                one, other = max(_at(day, opens), local), min(_at(day, closes), until)
                if one < other:
                    found.append((one - offset, other - offset))
            day += _DAY
    return tuple(found)


def _at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(minutes=minute)


def _offset(zone: str, at: datetime) -> timedelta:
    return at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)


@lru_cache(maxsize=8192)
def _even(zone: str, ordinal: int) -> tuple[tuple[datetime, datetime], ...]:
    """Cut a day of UTC where the zone's clocks change."""
    begins = datetime.combine(date.fromordinal(ordinal), time(), UTC)
    cuts = [begins]
    for hour in range(24):
        early, late = begins + timedelta(hours=hour), begins + timedelta(hours=hour + 1)
        before = _offset(zone, early)
        if before == _offset(zone, late):
            continue
        while late - early > timedelta(seconds=1):
            middle = early + (late - early) // 2
            if _offset(zone, middle) == before:
                early = middle
            else:
                late = middle
        cuts.append(late.replace(microsecond=0))
    return tuple(zip(cuts, [*cuts[1:], begins + _DAY], strict=True))


@lru_cache(maxsize=512)
def holidays_of(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """Return the public holidays of a year with their names.

    :raises NotImplementedError: for a country or subdivision nobody knows.
    """
    import holidays  # it is large, and most calendars need it once a year

    return dict(holidays.country_holidays(country, subdiv=subdivision or None, years=year))


def countries() -> Mapping[str, Sequence[str]]:
    """Return the countries whose holidays are known, each with its subdivisions."""
    import holidays

    return {
        country: tuple(parts)
        for country, parts in holidays.list_supported_countries(include_aliases=False).items()
    }


def read_hours(text: str) -> tuple[Hours, ...]:
    """Return the hours of a day from ``9:00-12:30, 13:00-18:00``; none from an empty text.

    :raises ValueError: with a sentence, for anything else.
    """
    found = []
    for part in filter(str.strip, re.split(r"[,;]", text)):
        span = _SPAN.fullmatch(part)
        if span is None:
            raise ValueError("Write hours like 9:00-12:30, 13:00-18:00.")
        found.append((_minute(span[1]), _minute(span[2])))
    found.sort()
    ends = 0
    for opens, closes in found:
        if opens >= closes:
            raise ValueError("Hours end later than they begin; split a night at 24:00.")
        if opens < ends:
            raise ValueError("Hours must not overlap.")
        ends = closes
    return tuple(found)


def _minute(text: str) -> int:
    if not (found := _CLOCK.fullmatch(text)):
        raise ValueError("Write a time like 9:00.")
    return MIDNIGHT if found[1] is None else int(found[1]) * 60 + int(found[2])


def write_hours(hours: Sequence[Sequence[int]]) -> str:
    """Return hours as :func:`read_hours` reads them; an empty text where it is closed."""
    return ", ".join(f"{_time(opens)}–{_time(closes)}" for opens, closes in hours)


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def why_too_little(week: Sequence[Sequence[Hours]]) -> str:
    """Return why nothing can wait by these weekly hours; an empty text where it can."""
    minutes = sum(closes - opens for hours in week for opens, closes in hours)
    if timedelta(minutes=minutes) < LEAST_A_WEEK:
        return "Open at least one hour a week; what waits here would never be due."
    return ""


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Return which time zones and holidays deadlines are computed with here."""
    return {"tzdata": _tzdata(), "holidays": version("holidays")}


def _tzdata() -> str:
    for folder in TZPATH:
        told = Path(folder) / "tzdata.zi"
        if told.is_file():
            with told.open(encoding="utf-8") as lines:
                return lines.readline().removeprefix("# version ").strip()
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return "unknown"
