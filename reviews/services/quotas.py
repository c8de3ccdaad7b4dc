"""How much one program may ask of people: openings in an hour, and mails about them."""

import logging
import threading
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from approvals.counters import Counter
from approvals.errors import TooManyOpenings
from approvals.models import AccessKey
from reviews.models import Delivery

log = logging.getLogger(__name__)

HOUR = Counter(3600)
_full: dict[UUID, int] = {}  # keys refused once, and in which hour
_lock = threading.Lock()


def take_opening(key: AccessKey) -> None:
    """Count one opening of a key, whatever becomes of it.

    :raises TooManyOpenings: with the seconds after which the next is taken.
    """
    refuse_full(key)
    most, hour = settings.HITL_OPENINGS_PER_HOUR, HOUR.number()
    if most and HOUR.count(f"openings:{key.pk}") > most:
        with _lock:
            for old in [one for one, since in _full.items() if since != hour]:
                del _full[old]
            _full[key.pk] = hour
        raise _too_many()


def refuse_full(key: AccessKey) -> None:
    """Refuse a key that this process has refused in the same hour, without counting or asking.

    Who floods must cost less than who is served: call it before anything is read.

    :raises TooManyOpenings: as `take_opening`.
    """
    if _full.get(key.pk) == HOUR.number():
        raise _too_many()


def _too_many() -> TooManyOpenings:
    return TooManyOpenings(limit=settings.HITL_OPENINGS_PER_HOUR, retry_after=HOUR.left())


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
        if cache.get_or_set(same, str(ticket.pk), timeout=HOUR.window) != str(ticket.pk):
            return "The same was told within the hour; it waits in the queue beside that."
    except Exception as problem:  # the cache's client has many kinds; then it is told twice
        log.warning("what was told is not known: %s", type(problem).__name__)
    return ""


def is_over(notice: Delivery) -> bool:
    """Count an opening; tell whether of so many in this queue people are told in one mail."""
    ticket = notice.ticket
    if not _counts(notice) or ticket is None:
        return False
    name = f"notices:{ticket.access_key_id}:{ticket.queue_id}"
    told = HOUR.count(name, at=notice.created_at.timestamp())
    return told > settings.HITL_NOTICES_PER_HOUR


def _counts(notice: Delivery) -> bool:
    ticket, opened = notice.ticket, notice.type == "ticket.opened"
    by_program = ticket is not None and ticket.access_key_id is not None
    return bool(settings.HITL_NOTICES_PER_HOUR) and opened and by_program
