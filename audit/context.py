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


_acting: ContextVar[object | None] = ContextVar("acting", default=None)


def acting_user() -> object | None:
    """Return the user whose act is being carried out, or None for the service itself."""
    return _acting.get()


@contextmanager
def acting(user: object | None) -> Iterator[None]:
    """Name who acts in the block: through a mail link or a command nobody is signed in."""
    token = _acting.set(user)
    try:
        yield
    finally:
        _acting.reset(token)
