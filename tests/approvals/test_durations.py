"""Lengths of time, read and written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.durations import LONGEST, parse_duration, render_duration


@pytest.mark.parametrize(
    "text, length, written",
    [
        ("PT0S", timedelta(0), "PT0S"),
        ("PT300S", timedelta(minutes=5), "PT5M"),
        ("PT24H", timedelta(hours=24), "PT24H"),
        ("P1D", timedelta(days=1), "PT24H"),
        ("P2W", timedelta(days=14), "P14D"),
        ("P3DT4H", timedelta(days=3, hours=4), "P3DT4H"),
        ("PT1H30M15.25S", timedelta(hours=1, minutes=30, seconds=15.25), "PT1H30M15.25S"),
        ("PT0.000001S", timedelta(microseconds=1), "PT0.000001S"),
        ("P3650D", LONGEST, "P3650D"),
    ],
)
def test_a_length_has_one_spelling(text: str, length: timedelta, written: str) -> None:
    assert parse_duration(text) == length
    assert render_duration(length) == written


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "4H", "PT4h", "-PT4H", "P1Y", "P1M", "PT1H1D", "PT1.5H", "PT٤H",
     "PT1S ", "PT1S\n", "P3651D", "PT999999999H", "PT99999999999999S", "24:00", "PT1,5S"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write a length|ten years"):
        parse_duration(text)


def test_a_negative_length_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="negative"):
        render_duration(timedelta(seconds=-1))


@given(st.timedeltas(timedelta(0), LONGEST))
def test_what_was_written_is_read_back(length: timedelta) -> None:
    assert parse_duration(render_duration(length)) == length
