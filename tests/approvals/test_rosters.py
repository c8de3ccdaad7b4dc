"""When a role's people are on call."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from approvals.question import QuestionInvalid
from approvals.rosters import Roster, read_shifts

OFFICE = [{"days": [0, 1, 2, 3, 4], "from": "09:00", "to": "17:00"}]
NIGHTS = [{"days": [4], "from": "22:00", "to": "06:00"}]
ALL_DAY = [{"days": [6], "from": "00:00", "to": "24:00"}]


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "moment", "covered"),
    [
        (OFFICE, "UTC", "2026-11-20T09:00", True),  # a Friday
        (OFFICE, "UTC", "2026-11-20T08:59", False),
        (OFFICE, "UTC", "2026-11-20T16:59", True),
        (OFFICE, "UTC", "2026-11-20T17:00", False),
        (OFFICE, "UTC", "2026-11-21T12:00", False),
        (OFFICE, "America/New_York", "2026-11-20T09:00", True),
        (NIGHTS, "UTC", "2026-11-20T21:59", False),
        (NIGHTS, "UTC", "2026-11-20T22:00", True),
        (NIGHTS, "UTC", "2026-11-21T05:59", True),
        (NIGHTS, "UTC", "2026-11-21T06:00", False),
        (NIGHTS, "UTC", "2026-11-21T22:30", False),
        (NIGHTS, "UTC", "2026-11-20T05:00", False),
        (ALL_DAY, "UTC", "2026-11-22T00:00", True),
        (ALL_DAY, "UTC", "2026-11-22T23:59", True),
        (ALL_DAY, "UTC", "2026-11-23T00:00", False),
    ],
)
def test_hours_by_the_clock_of_the_role(hours, zone, moment, covered) -> None:
    assert Roster(read_shifts(hours), zone).covers(at(moment, zone)) is covered


def test_a_shift_follows_the_clock_when_it_is_changed() -> None:
    roster = Roster(read_shifts(OFFICE), "Europe/Berlin")
    assert roster.covers(datetime(2026, 10, 23, 7, 30, tzinfo=UTC)), "summer: 09:30"
    assert not roster.covers(datetime(2026, 10, 26, 7, 30, tzinfo=UTC)), "winter: 08:30"


@pytest.mark.parametrize(
    ("hours", "pointers"),
    [
        ("always", ["/hours"]),
        ([{"days": [0], "from": "9:00", "to": "17:00"}], ["/hours/0/from"]),
        ([{"days": [7], "from": "09:00", "to": "17:00"}], ["/hours/0/days/0"]),
        ([{"days": [True], "from": "09:00", "to": "17:00"}], ["/hours/0/days/0"]),
        ([{"days": [], "from": "09:00", "to": "17:00"}], ["/hours/0/days"]),
        ([{"days": [0], "from": "09:00", "to": "09:00"}], ["/hours/0/to"]),
        ([{"days": [0], "from": "24:00", "to": "09:00"}], ["/hours/0/to"]),
        ([{"days": [0], "from": "09:00"}], ["/hours/0/to"]),
        ([{"days": [0], "from": "09:00", "to": "10:00", "who": 1}], ["/hours/0/who"]),
    ],
)
def test_hours_that_cannot_be_read_are_named(hours, pointers) -> None:
    with pytest.raises(QuestionInvalid) as refused:
        read_shifts(hours)
    assert [error["pointer"] for error in refused.value.errors] == pointers


def test_no_hours_are_no_shifts() -> None:
    assert read_shifts([]) == ()
