"""The one clock decisions are made by.

On PostgreSQL it is the database's own clock, read in a statement of its own: inside a
statement that waited for a lock every clock function is as old as the wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection

_offset = timedelta(0)


def db_now() -> datetime:
    """Return the present instant (UTC, aware). Services read it once, right after their lock."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC) + _offset
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (instant,) = cursor.fetchone()
    return instant.astimezone(UTC) + _offset


def shown_now() -> datetime:
    """Return the present instant by this machine's clock, for what is only shown to somebody."""
    return datetime.now(UTC) + _offset


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """Move this process's view of the clock for the length of a test."""
    global _offset
    before, _offset = _offset, _offset + by
    try:
        yield
    finally:
        _offset = before
