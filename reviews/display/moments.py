"""Instants and lengths of time in the words of the desk."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import timezone


def zone_of(name: str) -> ZoneInfo:
    """Return a person's time zone; UTC for a name the database of zones no longer holds."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def length(span: timedelta) -> str:
    """Return a length of time in its two largest whole units: 18 min, 5 h 10 min, 3 d."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        rest = minutes - hours * 60
        return f"{hours} h {rest} min" if rest and hours < 6 else f"{hours} h"
    rest = hours - days * 24
    return f"{days} d {rest} h" if rest and days < 3 else f"{days} d"


def clock(at: datetime, *, now: datetime) -> str:
    """Return an instant in the reader's zone: the time alone today, else with its day."""
    here, today = timezone.localtime(at), timezone.localtime(now)
    if here.date() == today.date():
        return f"{here:%H:%M}"
    if here.year == today.year:
        return f"{here.day} {here:%b %H:%M}"
    return f"{here.day} {here:%b %Y %H:%M}"


def utc(at: datetime) -> str:
    """Return an instant in UTC, for tooltips."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
