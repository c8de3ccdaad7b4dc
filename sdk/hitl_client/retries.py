"""When to try again, and after how long. Pure: chance comes in as a number."""

from __future__ import annotations

from dataclasses import dataclass

from hitl_client.calls import Answer, Call, Failure, retry_after
from hitl_client.errors import HitlError, Unavailable, error_from_answer

_PASSING_STATUSES = frozenset({429, 502, 503, 504})
_PASSING_CODES = frozenset({"busy", "idempotency-in-flight"})


@dataclass(frozen=True)
class Retries:
    """How often and how patiently; all times in seconds."""

    count: int = 3
    """Tries after the first one."""
    first: float = 0.25
    longest: float = 8.0
    longest_retry_after: float = 60.0
    """A service that asks for more than this gets no retry: the caller decides."""

    def pause(self, error: HitlError, *, tried: int, chance: float) -> float | None:
        """Return the seconds until try number `tried` + 1, None for giving up.

        `tried` counts the tries so far, `chance` is a number from 0 to 1. Half of the pause is
        left to chance, so that many clients do not return together.
        """
        if tried > self.count:
            return None
        ceiling = min(self.first * 2 ** min(tried - 1, 30), self.longest)
        backoff = ceiling * (0.5 + chance / 2)
        asked = error.retry_after or 0.0
        return None if asked > self.longest_retry_after else max(backoff, asked)


def error_of(outcome: Answer | Failure) -> HitlError | None:
    """Return the exception an outcome stands for, None for a success."""
    if isinstance(outcome, Failure):
        return Unavailable(outcome.reason) if outcome.passing else HitlError(outcome.reason)
    if 200 <= outcome.status < 300:  # noqa: PLR2004 - the class of success
        return None
    return error_from_answer(outcome.status, outcome.body, retry_after=retry_after(outcome.headers))


def worth_another_try(call: Call, outcome: Answer | Failure, error: HitlError) -> bool:
    """Return whether the same request may succeed later without doing anything twice."""
    if not call.idempotent:
        return False
    if isinstance(outcome, Failure):
        return outcome.passing
    return outcome.status in _PASSING_STATUSES or error.code in _PASSING_CODES
