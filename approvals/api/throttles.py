"""How much one caller may ask in a minute."""

from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from approvals.counters import Counter
from approvals.models import AccessKey

MINUTE = Counter(60, every=10)


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
        used = MINUTE.count(f"rate:{caller}")
        self.standing = Standing(policy, limit, max(limit - used, 0), MINUTE.left())
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
        "RateLimit-Policy": f'"{standing.policy}";q={standing.limit};w={MINUTE.window}',
        "RateLimit": f'"{standing.policy}";r={standing.left};t={standing.resets_in}',
    }


def _limit(policy: str) -> int:
    number, _, _ = str(api_settings.DEFAULT_THROTTLE_RATES[policy]).partition("/")
    return int(number)
