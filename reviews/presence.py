"""Who has a ticket's page open now. Kept in the cache for less than a minute, in no table.

Two who come at the same instant may miss each other until the page asks again; a cache that is
away shows nobody.
"""

import logging
import time
from uuid import UUID

from django.core.cache import cache

from approvals.models import User
from reviews import nudges

log = logging.getLogger(__name__)

# The page says that it is still open more often than this, in seconds.
KEPT = 45
VIEWING = "viewing"


def viewers(ticket_id: UUID, user: User, *, leaving: bool = False) -> list[str]:
    """Note that a person looks at a ticket, or leaves it; return the labels of the others."""
    name, now = f"viewing:{ticket_id}", time.time()
    try:
        before: dict[int, tuple[str, float]] = cache.get(name) or {}
        there = {one: seen for one, seen in before.items() if seen[1] > now}
        came = user.pk not in there
        there.pop(user.pk, None)
        others = sorted(label for label, _ in there.values())
        if not leaving:
            there[user.pk] = (user.label, now + KEPT)
        cache.set(name, there, timeout=KEPT)
    except Exception as problem:  # the cache's client has many kinds; nobody is shown then
        log.debug("viewers not noted: %s", problem)
        return []
    if others and (came or leaving):
        nudges.announce(ticket_id=str(ticket_id), what=VIEWING)
    return others
