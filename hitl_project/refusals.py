"""Whoever was told to wait is told so again without a thread and without a database.

A program that floods is refused for who it is, not for what it sent. So its refusal stands for a
second at the same address, and a flood costs hardly more than its requests cost to receive.
"""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase

KEPT = 1.0  # seconds; the next call after them is looked at anew, its key and its limits
WINDOW = 60
MOST = 1000  # refusals known at a time

Sent = tuple[dict[str, Any], dict[str, Any]]  # the two messages of an answer


class Refusals:
    """The refusals of the last second, by caller and address."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[float, Sent]] = {}

    def keep(self, request: HttpRequest, answer: HttpResponseBase) -> None:
        """Remember an answer that a page marked as one its caller gets whatever they send."""
        if not getattr(request, "told_to_wait", False):
            return
        name = _name(getattr(request, "scope", {}))
        if name is None:
            return
        if answer.status_code == 429 and isinstance(answer, HttpResponse) and not answer.cookies:
            if len(self._known) >= MOST:
                self._known.clear()
            now = self._clock()
            # Limits begin anew at whole minutes; nobody is refused beyond that.
            self._known[name] = (min(now + KEPT, (now // WINDOW + 1) * WINDOW), _sent(answer))

    def known(self, scope: dict[str, Any]) -> Sent | None:
        """Return what this caller was told at this address within the last second."""
        name = _name(scope) if self._known else None
        found = self._known.get(name) if name else None
        if name is None or found is None:
            return None
        until, answer = found
        if self._clock() < until:
            return answer
        self._known.pop(name, None)
        return None


def _sent(answer: HttpResponse) -> Sent:
    """Return what an answer sends; the answer itself holds its request, body and all."""
    headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in answer.items()]
    start = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
    return start, {"type": "http.response.body", "body": answer.content}


def _name(scope: dict[str, Any]) -> bytes | None:
    """Return what names a caller with a key at one address; None for everybody else.

    A call with an `Idempotency-Key` may be one that was answered before, so it is looked up.
    """
    headers = dict(scope.get("headers", ()))
    if b"authorization" not in headers or b"idempotency-key" in headers:
        return None
    client = (scope.get("client") or ("",))[0]
    told = (scope["method"], scope["path"], client, headers[b"authorization"])
    return sha256(repr(told).encode()).digest()
