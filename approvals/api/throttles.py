"""How much one caller may ask in a minute.

The count is kept in the cache, which all web processes share. A cache that is away is left alone
for a while, and each process counts for itself: the limit then holds per process.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from approvals.models import AccessKey

log = logging.getLogger(__name__)

WINDOW = 60
# So many calls are counted here before the other processes hear of them.
EVERY = 10
# After a failure of the cache this many seconds pass without asking it.
_REST = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What one caller has left in the present window."""

    policy: str
    limit: int
    left: int
    resets_in: int


class ServiceKeyThrottle(BaseThrottle):
    """Count the calls of one key, or of one person without a key, per minute."""

    standing: Standing | None = None

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002
        """Tell whether the call is within its caller's limit."""
        key = request.auth if isinstance(request.auth, AccessKey) else None
        if key is None and not request.user.is_authenticated:
            return True
        policy = "person" if key is None or key.kind == AccessKey.Kind.PERSONAL else "key"
        limit = _limit(policy)
        caller = f"key:{key.pk}" if key else f"user:{request.user.pk}"
        now = time.time()
        used = count(f"rate:{caller}:{int(now // WINDOW)}")
        resets_in = WINDOW - int(now % WINDOW)
        self.standing = Standing(policy, limit, max(limit - used, 0), resets_in)
        request._request.rate_standing = self.standing  # type: ignore[attr-defined]  # noqa: SLF001
        if used > limit:
            whatever_was_sent(request)
        return used <= limit

    def wait(self) -> float | None:
        """Return the seconds after which the caller may come again."""
        return None if self.standing is None else float(self.standing.resets_in)


def whatever_was_sent(request: Request) -> None:
    """Mark a call whose caller is refused for who they are: they may be told so again unread."""
    request._request.told_to_wait = True  # type: ignore[attr-defined]  # noqa: SLF001


def rate_headers(request: Request) -> dict[str, str]:
    """Return what an answer says about the caller's limit."""
    standing: Standing | None = getattr(request._request, "rate_standing", None)  # noqa: SLF001
    if standing is None:
        return {}
    return {
        "RateLimit-Policy": f'"{standing.policy}";q={standing.limit};w={WINDOW}',
        "RateLimit": f'"{standing.policy}";r={standing.left};t={standing.resets_in}',
    }


def _limit(policy: str) -> int:
    number, _, _ = str(api_settings.DEFAULT_THROTTLE_RATES[policy]).partition("/")
    return int(number)


_here: dict[str, int] = {}
_unshared: dict[str, int] = {}
_lock = threading.Lock()
_away_until = 0.0


def count(name: str) -> int:
    """Return how often this name was counted in its window, this time included.

    Calls are counted here and told to the others every few calls, so that a call rarely waits
    for the cache; a limit may therefore be overrun by that many calls per process.
    """
    global _away_until
    with _lock:
        _forget_other_windows(name)
        _here[name] = known = _here.get(name, 0) + 1
        _unshared[name] = unshared = _unshared.get(name, 0) + 1
        if (unshared < EVERY and known > 1) or time.monotonic() < _away_until:
            return known
        _unshared[name] = 0
    try:
        known = _shared(name, unshared)
    except Exception as problem:  # the cache's client has many kinds; calls go on without it
        _away_until = time.monotonic() + _REST
        log.warning("rate limits are counted per process: %s", type(problem).__name__)
    with _lock:
        _here[name] = max(_here.get(name, 0), known)
        return _here[name]


def _forget_other_windows(name: str) -> None:
    window = name.rpartition(":")[2]
    for old in [other for other in _here if other.rpartition(":")[2] != window]:
        del _here[old]
        _unshared.pop(old, None)


def _shared(name: str, more: int) -> int:
    try:
        return int(cache.incr(name, more))
    except ValueError:  # the first in its window
        cache.add(name, 0, timeout=2 * WINDOW)
        return int(cache.incr(name, more))
