"""What can go wrong, as exceptions: a program branches on a class or a code, never on a sentence.

Every error carries

- `.problem` the RFC 9457 body of the answer, or one of the same shape made here,
- `.status` the HTTP status, None when no answer of the service caused it,
- `.code` the stable word, such as `already-consumed`.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

_LONGEST_TEXT = 500


class HitlError(Exception):
    """Anything that went wrong between this program and the people it asks."""

    default_code = "error"

    def __init__(
        self,
        detail: str = "",
        *,
        problem: Mapping[str, Any] | None = None,
        status: int | None = None,
        code: str | None = None,
        ticket: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.code: str = code or self.default_code
        self.status = status
        self.problem: dict[str, Any] = (
            dict(problem) if problem is not None else {"code": self.code, "detail": detail}
        )
        self.ticket: dict[str, Any] | None = dict(ticket) if ticket is not None else None
        """The ticket as last read, where one is known."""
        self.retry_after = retry_after
        """Seconds the service asked to wait, None when it named none."""
        super().__init__(printable(detail) or self.code)

    @property
    def ticket_id(self) -> str | None:
        """Return the id of the ticket this is about, None when there is none."""
        found = (self.ticket or {}).get("id")
        return found if isinstance(found, str) else None

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Return the single complaints of a 422: `[{"pointer" | "field", "message"}]`."""
        found = self.problem.get("errors")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


class Pending(HitlError):
    """Nobody has decided yet."""

    default_code = "pending"


class Rejected(HitlError):
    """The decision was no."""

    default_code = "rejected"


class NeedsChanges(HitlError):
    """Returned to its requester: change the proposal and resubmit; `comments` says why."""

    default_code = "needs-changes"


class Expired(HitlError):
    """The time for deciding ran out."""

    default_code = "expired"


class Cancelled(HitlError):
    """The requester stopped it."""

    default_code = "cancelled"


class Revoked(HitlError):
    """It was decided, and then taken back."""

    default_code = "revoked"


class Unauthenticated(HitlError):
    """The service does not know this key (401)."""

    default_code = "unauthenticated"


class Forbidden(HitlError):
    """The key is known and may not do this (403)."""

    default_code = "forbidden"


class NotEligible(Forbidden):
    """This caller has no vote here: not eligible, its own work, or a machine."""

    default_code = "not-eligible"


class NotFound(HitlError):
    """There is no such ticket, or none this key may see (404)."""

    default_code = "not-found"


class Conflict(HitlError):
    """The ticket is not in a state that permits this (409); `.code` says which."""

    default_code = "conflict"


class AlreadyConsumed(Conflict):
    """This approval has been used; every approval works once."""

    default_code = "already-consumed"


class TicketChanged(HitlError):
    """The ticket changed after it was read (412): read it again."""

    default_code = "ticket-changed"


class Invalid(HitlError, ValueError):
    """What was sent is not acceptable; `.errors` has each complaint."""

    default_code = "invalid"


class RateLimited(HitlError):
    """Too many requests (429); `.retry_after` has the seconds to wait."""

    default_code = "rate-limited"


class Unavailable(HitlError):
    """The service could not be reached, or did not answer in time, or answered with a 5xx."""

    default_code = "unavailable"


class ReceiptInvalid(HitlError):
    """The receipt does not prove that this action was approved. Do not execute."""

    default_code = "receipt-invalid"


class WebhookInvalid(HitlError):
    """The message is not signed by the holder of the secret, or is too old."""

    default_code = "webhook-invalid"


_BY_CODE: dict[str, type[HitlError]] = {
    "already-consumed": AlreadyConsumed,
    "machine-cannot-vote": NotEligible,
    "not-eligible": NotEligible,
    "own-work": NotEligible,
    "ticket-changed": TicketChanged,
}
_BY_STATUS: dict[int, type[HitlError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    412: TicketChanged,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    428: Invalid,
    429: RateLimited,
}
_BY_OUTCOME: dict[str, type[HitlError]] = {
    "pending": Pending,
    "rejected": Rejected,
    "needs_changes": NeedsChanges,
    "expired": Expired,
    "cancelled": Cancelled,
    "revoked": Revoked,
}
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)


def error_from_answer(status: int, body: bytes, *, retry_after: float | None) -> HitlError:
    """Return the exception for an answer that is not a success.

    `body` may be anything: a proxy's HTML page has no code and none of it is repeated.
    """
    problem = _problem(status, body)
    code = problem.get("code")
    code = code if isinstance(code, str) and code else None
    by_status = Unavailable if status in _SERVER_ERRORS else _BY_STATUS.get(status, HitlError)
    found = _BY_CODE.get(code or "", by_status)
    detail = problem.get("detail") or problem.get("title") or f"the service answered {status}"
    if status in _REDIRECTS:
        detail = f"{detail}, a redirect, and none is followed; give its own address (https?)"
    return found(str(detail), problem=problem, status=status, code=code, retry_after=retry_after)


def raise_unless_allowed(ticket: Mapping[str, Any]) -> None:
    """Refuse unless `allowed` of a ticket is true.

    The one question a caller has to ask: `status` is for people, and only the JSON value `true`
    is a yes.

    :raises HitlError: Pending, Rejected, NeedsChanges, Expired, Cancelled or Revoked by status.
    """
    if ticket.get("allowed") is True:
        return
    status = str(ticket.get("status"))
    found = _BY_OUTCOME.get(status, Pending if ticket.get("allowed") is None else Rejected)
    comments = ticket.get("comments")
    name = ticket.get("ref") or ticket.get("id") or "the ticket"
    detail = f"{name} is {status.replace('_', ' ')}"
    raise found(f"{detail}: {comments}" if isinstance(comments, str) else detail, ticket=ticket)


def printable(text: str) -> str:
    """Return `text` fit for a terminal or a log: no control or direction characters, bounded.

    Comments and details are other people's text; an escape sequence in one must stay inert.
    """
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else char
        for char in text[:_LONGEST_TEXT]
    )
    return kept if len(text) <= _LONGEST_TEXT else f"{kept}…"


def _problem(status: int, body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {"status": status}
