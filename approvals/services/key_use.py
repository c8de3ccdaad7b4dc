"""When a key was last used, without a write in the request that used it.

What was noted is kept in the cache, which all processes share, and written by the scheduler. A
cache that is away loses the note and nothing else.
"""

import logging
import threading
from datetime import datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from approvals.models import AccessKey

log = logging.getLogger(__name__)

# A busy key is noted this often, so that it costs no trip to the cache with every call.
EVERY = timedelta(seconds=10)
_KEPT = 3600
_MOST_NAMES = 10_000

_noted: dict[UUID, datetime] = {}
_lock = threading.Lock()


def note(key_id: UUID, at: datetime, address: str = "") -> None:
    """Remember that a key was used at this instant, and from where. Never raises, writes no row."""
    before = _noted.get(key_id)
    if before is not None and abs(at - before) < EVERY:
        return
    with _lock:
        if len(_noted) >= _MOST_NAMES:
            _noted.clear()
        _noted[key_id] = at
    try:
        cache.set(_name(key_id), (at, address), timeout=_KEPT)
    except Exception as problem:  # the cache's client has many kinds; a note is not worth a failure
        log.debug("use of a key not noted: %s", problem)


def flush_key_use() -> int:
    """Write what was noted since the last time; return how many keys were touched."""
    used = dict(AccessKey.objects.filter(revoked_at=None).values_list("pk", "last_used_at"))
    try:
        noted = cache.get_many([_name(key_id) for key_id in used])
    except Exception as problem:  # as above: the next run finds it
        log.debug("use of keys not read: %s", problem)
        return 0
    touched = 0
    with transaction.atomic():
        for key_id, before in used.items():
            at, address = noted.get(_name(key_id)) or (None, "")
            if at is not None and (before is None or at > before):
                touched += AccessKey.objects.filter(pk=key_id).update(
                    last_used_at=at, last_used_from=_address(address)
                )
    return touched


def _address(text: str) -> str | None:
    """Return what a server said the caller's address is, where it is one."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _name(key_id: UUID) -> str:
    return f"key-used:{key_id}"
