"""Identifiers that sort by the time they were made."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a fresh UUID version 7 (RFC 9562): random, yet ordered, so indexes stay compact."""
    return uuid7()


def least_id_at(at: datetime) -> UUID:
    """Return an id that is not above any made at this instant or later, to bound a search by id."""
    milliseconds = max(int(at.timestamp() * 1000), 0)
    return UUID(int=milliseconds << 80)
