"""F9: opening hours at every change of the clocks, against an implementation that shares nothing.

Ours works with spans of equal offset, from `zoneinfo`. The other asks the C library minute by
minute what the clock on the wall there shows.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

from reviews import calendars
from reviews.calendars import Calendar, add_business_time, business_time_between
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# Over midnight, over the hours at which clocks change, and an office's.
WEEKS = {
    "night": (((0, 150), (1320, 1440)),) * 7,
    "change": (((75, 165), (170, 200)),) * 7,
    "office": (((540, 750), (780, 1080)),) * 5 + ((), ()),
}
LENGTHS = (timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5))


def transitions(zone: str) -> Iterator[datetime]:
    """Yield every instant of these two years at which a zone's clocks change."""
    info = ZoneInfo(zone)
    at = BEGIN
    while at < END:
        later = at + timedelta(hours=6)
        if at.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
            early, late = at, later
            while late - early > MINUTE:
                middle = early + (late - early) // 2
                same = middle.astimezone(info).utcoffset() == at.astimezone(info).utcoffset()
                early, late = (middle, late) if same else (early, middle)
            yield late.replace(second=0, microsecond=0)
        at = later


@contextmanager
def wall_clock(zone: str) -> Iterator[None]:
    """Let the C library show the local time of a zone, read from the same file as `zoneinfo`."""
    found = next((p for folder in TZPATH if (p := Path(folder) / zone).is_file()), None)
    path = found or Path(str(files("tzdata.zoneinfo").joinpath(*zone.split("/"))))
    before = os.environ.get("TZ", "UTC")
    os.environ["TZ"] = f":{path}"
    time.tzset()
    try:
        yield
    finally:
        os.environ["TZ"] = before
        time.tzset()


def counted(start: datetime, week: tuple[tuple[tuple[int, int], ...], ...]) -> list[datetime]:
    """Return when each of the lengths of open time has passed, by the clock on the wall."""
    second, passed = int(start.timestamp()), 0
    found: list[datetime] = []
    while len(found) < len(LENGTHS):
        wall = time.localtime(second)
        at = wall.tm_hour * 60 + wall.tm_min
        passed += any(opens <= at < closes for opens, closes in week[wall.tm_wday])
        second += 60
        if passed == LENGTHS[len(found)] // MINUTE:
            found.append(datetime.fromtimestamp(second, UTC))
    return found


def compare(zones: list[str]) -> tuple[int, int, list[str]]:
    """Return how many changes there were, how many instants were compared, and what differed."""
    changes, compared, wrong = 0, 0, []
    for zone in zones:
        for change in transitions(zone):
            changes += 1
            with wall_clock(zone):
                # Just before the change, just after it, and a day ahead.
                for start in (change - timedelta(hours=26), change - MINUTE, change):
                    for name, week in WEEKS.items():
                        calendar = Calendar(zone, week)
                        for length, theirs in zip(LENGTHS, counted(start, week), strict=True):
                            ours = add_business_time(calendar, start, length)
                            passed = business_time_between(calendar, start, theirs)
                            compared += 2
                            if ours != theirs or passed != length:
                                wrong.append(f"{zone} {start} {name} {length}: {ours} / {theirs}")
    return changes, compared, wrong


def changing(scene: Scene) -> list[str]:
    """Return the zones whose clocks change, or a share of them, by chance."""
    zones = [zone for zone in sorted(available_timezones()) if next(transitions(zone), None)]
    return scene.rng.sample(zones, scene.size(len(zones), least=3))


def run(scene: Scene) -> Figure:
    zones = changing(scene)
    changes, compared, wrong = compare(zones)
    return figure(
        f"{len(zones)} zones, {changes} changes of the clocks, {compared} instants; "
        f"tzdata {calendars.versions()['tzdata']}",
        details={"wrong": wrong[:20]},
        differences=len(wrong),
    )


def control(scene: Scene) -> Figure:
    """Take the offset at the start of a day for all of it."""
    calendars._even = lambda zone, ordinal: (  # type: ignore[assignment]
        (calendars._at(datetime.fromordinal(ordinal).date(), 0),
         calendars._at(datetime.fromordinal(ordinal + 1).date(), 0)),
    )  # fmt: skip
    calendars._open_on.cache_clear()
    _, compared, wrong = compare(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
    return figure(f"3 zones, {compared} instants", differences=len(wrong))


ROW = Row("F9", "Opening hours are right at every change of the clocks", run, control)
