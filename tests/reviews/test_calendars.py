"""Opening hours: what counts as time, over nights, weekends, holidays and changes of the clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews import calendars
from reviews.calendars import Calendar, add_business_time, business_time_between, read_hours

BERLIN = ZoneInfo("Europe/Berlin")
NINE_TO_SIX = ((540, 1080),)
OFFICE = Calendar("Europe/Berlin", (NINE_TO_SIX,) * 5 + ((), ()))
ALWAYS = Calendar("Europe/Berlin", (((0, 1440),),) * 7)


def berlin(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=BERLIN, fold=fold)  # type: ignore[arg-type,misc]


def test_time_stands_still_over_the_weekend() -> None:
    friday = berlin(2026, 11, 20, 17, 50)

    assert add_business_time(OFFICE, friday, timedelta(hours=1)) == berlin(2026, 11, 23, 9, 50)
    assert business_time_between(OFFICE, friday, berlin(2026, 11, 23, 9, 50)) == timedelta(hours=1)


def test_what_begins_while_it_is_closed_begins_at_the_next_opening() -> None:
    saturday = berlin(2026, 11, 21, 12, 0)

    assert calendars.next_open(OFFICE, saturday) == berlin(2026, 11, 23, 9, 0)
    assert add_business_time(OFFICE, saturday, timedelta(hours=2)) == berlin(2026, 11, 23, 11, 0)


def test_a_length_that_ends_with_the_day_ends_that_evening() -> None:
    monday = berlin(2026, 11, 23, 9, 0)

    assert add_business_time(OFFICE, monday, timedelta(hours=9)) == berlin(2026, 11, 23, 18, 0)


def test_holidays_are_those_of_the_country_and_its_part() -> None:
    berliners = Calendar("Europe/Berlin", OFFICE.week, "DE", "BE")
    others = Calendar("Europe/Berlin", OFFICE.week, "DE", "BY")
    evening = berlin(2027, 3, 5, 17, 0)  # the Friday before women's day, a Monday

    assert add_business_time(berliners, evening, timedelta(hours=2)) == berlin(2027, 3, 9, 10, 0)
    assert add_business_time(others, evening, timedelta(hours=2)) == berlin(2027, 3, 8, 10, 0)


def test_an_exception_replaces_hours_and_holidays() -> None:
    christmas, bridge = date(2026, 12, 25), date(2026, 12, 28)
    exceptions = ((christmas, ((600, 720),)), (bridge, ()))
    calendar = Calendar("Europe/Berlin", OFFICE.week, "DE", "", exceptions)
    eve = berlin(2026, 12, 24, 18, 0)

    assert calendars.openings(calendar, eve, 2) == [
        (berlin(2026, 12, 25, 10, 0), berlin(2026, 12, 25, 12, 0)),
        (berlin(2026, 12, 29, 9, 0), berlin(2026, 12, 29, 18, 0)),
    ]


def test_a_day_that_loses_an_hour_has_twenty_three() -> None:
    begins, ends = berlin(2026, 3, 29), berlin(2026, 3, 30)

    assert business_time_between(ALWAYS, begins, ends) == timedelta(hours=23)
    assert add_business_time(ALWAYS, begins, timedelta(hours=23)) == ends


def test_an_hour_that_comes_twice_is_worked_twice() -> None:
    night = Calendar("Europe/Berlin", (((120, 180),),) * 7)  # two to three
    begins = berlin(2026, 10, 25)

    assert business_time_between(night, begins, berlin(2026, 10, 26)) == timedelta(hours=2)
    half = add_business_time(night, begins, timedelta(minutes=90))
    assert half == berlin(2026, 10, 25, 2, 30, fold=1).astimezone(UTC)


def test_an_hour_that_is_skipped_is_not_worked() -> None:
    night = Calendar("Europe/Berlin", (((120, 180),),) * 7)

    assert business_time_between(night, berlin(2026, 3, 29), berlin(2026, 3, 30)) == timedelta(0)


def test_without_a_calendar_all_time_counts() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)

    assert add_business_time(None, at, timedelta(hours=5)) == at + timedelta(hours=5)
    assert business_time_between(None, at, at + timedelta(hours=5)) == timedelta(hours=5)


def test_a_calendar_that_never_opens_ends_the_search() -> None:
    never = Calendar("UTC", ((),) * 7)
    at = datetime(2026, 1, 1, tzinfo=UTC)

    assert add_business_time(never, at, timedelta(hours=1)) == at + calendars.LONGEST
    assert calendars.why_too_little(never.week)
    assert not calendars.why_too_little(OFFICE.week)


@given(
    start=st.integers(0, 730 * 86400).map(
        lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
    ),
    minutes=st.integers(0, 60 * 24 * 20),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran"]
    ),
    hours=st.sampled_from([NINE_TO_SIX, ((0, 1440),), ((60, 150), (170, 200)), ((1380, 1440),)]),
)
def test_adding_a_length_and_measuring_it_agree(
    start: datetime, minutes: int, zone: str, hours: tuple[tuple[int, int], ...]
) -> None:
    calendar, length = Calendar(zone, (hours,) * 7), timedelta(minutes=minutes)

    end = add_business_time(calendar, start, length)

    assert end >= start
    assert business_time_between(calendar, start, end) == length


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", ()),
        ("9:00-18:00", ((540, 1080),)),
        ("13:00 – 18.30, 8:00-12:00", ((480, 720), (780, 1110))),
        ("00:00-24:00", ((0, 1440),)),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, hours: tuple[tuple[int, int], ...]) -> None:
    assert read_hours(text) == hours
    assert read_hours(calendars.write_hours(hours)) == hours


@pytest.mark.parametrize(
    "text", ["9", "9-18", "18:00-9:00", "9:00-12:00, 11:00-13:00", "25:00-26:00"]
)
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"[.]$"):
        read_hours(text)


def test_the_versions_that_computed_a_deadline_are_named() -> None:
    assert set(calendars.versions()) == {"tzdata", "holidays"}
    assert all(calendars.versions().values())
