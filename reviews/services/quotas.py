"""How much one program may ask of people: openings in an hour, and mails about them.

Counts are kept in the cache, which all processes share. Where it is away each process counts for
itself: a limit then holds per process, and nobody is refused for it.
"""

import logging
import threading
import time
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from approvals.errors import TooManyOpenings
from approvals.models import AccessKey
from reviews.models import Delivery

log = logging.getLogger(__name__)

HOUR = 3600
_alone: dict[str, int] = {}
_full: dict[UUID, int] = {}  # keys refused once, and in which hour
_lock = threading.Lock()


def take_opening(key: AccessKey) -> None:
    """Count one opening of a key, whatever becomes of it.

    :raises TooManyOpenings: with the seconds after which the next is taken.
    """
    refuse_full(key)
    most, now = settings.HITL_OPENINGS_PER_HOUR, time.time()
    hour = int(now // HOUR)
    if most and _counted(f"openings:{key.pk}:{hour}") > most:
        with _lock:
            for old in [one for one, since in _full.items() if since != hour]:
                del _full[old]
            _full[key.pk] = hour
        raise _too_many(now)


def refuse_full(key: AccessKey) -> None:
    """Refuse a key that this process has refused in the same hour, without counting or asking.

    Who floods must cost less than who is served: call it before anything is read.

    :raises TooManyOpenings: as `take_opening`.
    """
    now = time.time()
    if _full.get(key.pk) == int(now // HOUR):
        raise _too_many(now)


def _too_many(now: float) -> TooManyOpenings:
    most = settings.HITL_OPENINGS_PER_HOUR
    return TooManyOpenings(limit=most, retry_after=HOUR - int(now % HOUR))


def told_before(notice: Delivery) -> str:
    """Return why nobody is written to about an opening, or nothing; the queue shows it anyway.

    Of what one program asks twice in an hour people hear once. Reminders and what is about to
    expire are always told.
    """
    ticket = notice.ticket
    if not _counts(notice) or ticket is None:
        return ""
    content = sha256(ticket.title.encode() + b"\0" + bytes(ticket.decision.content)).hexdigest()
    # Another region or somebody else's own work: other people are asked, who were told nothing.
    asked = f"{ticket.checkpoint_id}:{ticket.region_id}:{ticket.beneficiary_id}"
    same = f"told:{ticket.access_key_id}:{asked}:{content}"
    try:
        # The ticket that was told of stands there, so that a second try of it is no repetition.
        if cache.get_or_set(same, str(ticket.pk), timeout=HOUR) != str(ticket.pk):
            return "The same was told within the hour; it waits in the queue beside that."
    except Exception as problem:  # the cache's client has many kinds; then it is told twice
        log.warning("what was told is not known: %s", type(problem).__name__)
    return ""


def is_over(notice: Delivery) -> bool:
    """Count an opening; tell whether of so many in this queue people are told in one mail."""
    ticket = notice.ticket
    if not _counts(notice) or ticket is None:
        return False
    hour = int(notice.created_at.timestamp() // HOUR)
    told = _counted(f"notices:{ticket.access_key_id}:{ticket.queue_id}:{hour}")
    return told > settings.HITL_NOTICES_PER_HOUR


def _counts(notice: Delivery) -> bool:
    ticket, opened = notice.ticket, notice.type == "ticket.opened"
    by_program = ticket is not None and ticket.access_key_id is not None
    return bool(settings.HITL_NOTICES_PER_HOUR) and opened and by_program


def _counted(name: str) -> int:
    """Return how often this name was counted, this time included. A name ends with its hour."""
    try:
        try:
            return int(cache.incr(name))
        except ValueError:  # the first in its hour
            cache.add(name, 0, timeout=2 * HOUR)
            return int(cache.incr(name))
    except Exception as problem:  # as above
        log.warning("quotas are counted per process: %s", type(problem).__name__)
    hour = name.rpartition(":")[2]
    with _lock:
        for old in [one for one in _alone if one.rpartition(":")[2] != hour]:
            del _alone[old]
        _alone[name] = _alone.get(name, 0) + 1
        return _alone[name]
