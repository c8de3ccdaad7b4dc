"""How often something happened in a window of time, in all processes together.

Counts are kept in the cache, which all processes share. A cache that is away is left alone for a
while, and each process counts for itself: a limit then holds per process.
"""

import logging
import threading
import time

from django.core.cache import cache

log = logging.getLogger(__name__)

# After a failure of the cache this many seconds pass without asking it.
_REST = 5.0


class Counter:
    """Counts by name, in windows of so many seconds.

    With `every`, that many are counted here before the other processes hear of them, so that a
    call rarely waits for the cache; a limit may be overrun by that many per process.
    """

    def __init__(self, window: int, *, every: int = 1) -> None:
        self.window = window
        self.every = every
        self._here: dict[str, int] = {}
        self._unshared: dict[str, int] = {}
        self._over = 0  # windows before this one are forgotten
        self._lock = threading.Lock()
        self._away_until = 0.0

    def count(self, name: str, *, at: float | None = None) -> int:
        """Return how often this name was counted in the window of `at` or now, this time included.

        Never raises.
        """
        name += f":{self.number(at)}"
        over = self.number() - 1  # the last window may still be asked about
        with self._lock:
            if over > self._over:
                self._over = over
                for old in [other for other in self._here if int(other.rpartition(":")[2]) < over]:
                    del self._here[old]
                    self._unshared.pop(old, None)
            self._here[name] = known = self._here.get(name, 0) + 1
            self._unshared[name] = unshared = self._unshared.get(name, 0) + 1
            if (unshared < self.every and known > 1) or time.monotonic() < self._away_until:
                return known
            self._unshared[name] = 0
        try:
            known = self._shared(name, unshared)
        except Exception as problem:  # the cache's client has many kinds; it goes on without it
            self._away_until = time.monotonic() + _REST
            log.warning("limits are counted per process: %s", type(problem).__name__)
        with self._lock:
            self._here[name] = max(self._here.get(name, 0), known)
            return self._here[name]

    def number(self, at: float | None = None) -> int:
        """Return the number of the window that this instant (seconds; now) lies in."""
        return int((time.time() if at is None else at) // self.window)

    def left(self) -> int:
        """Return after how many seconds the present window ends."""
        return self.window - int(time.time() % self.window)

    def forget(self) -> None:
        """Forget what was counted here; what the cache holds stays."""
        self._here.clear()
        self._unshared.clear()
        self._away_until = 0.0

    def _shared(self, name: str, more: int) -> int:
        try:
            return int(cache.incr(name, more))
        except ValueError:  # the first in its window
            cache.add(name, 0, timeout=2 * self.window)
            return int(cache.incr(name, more))
