"""Where the present work came in: its channel and its request. Set once at each door."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """One entrance: `channel` is web, api, mail, command or system."""

    channel: str = "system"
    request_id: str = ""
    user: object | None = None


_NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def origin() -> Origin:
    """Return the entrance the present work came through."""
    return _origin.get()


@contextmanager
def entering(*, channel: str, request_id: str = "", user: object | None = None) -> Iterator[None]:
    """Name the entrance for everything done inside the block."""
    token = _origin.set(Origin(channel, request_id, user))
    try:
        yield
    finally:
        _origin.reset(token)
