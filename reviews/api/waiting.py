"""`Prefer: wait=N`: hold an answer back until there is one.

Everything is read through the ordinary page, so that who may see what is decided in one place,
and again after the wait. In between no thread and no database connection is held.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.response import Response

from reviews.live import hub
from reviews.models import Ticket
from reviews.threads import in_thread

LONGEST = 50
MOST_WAITERS = 200
# A nudge may be lost; so long a waiter may then be late.
LOOK_AGAIN = 5.0
# So long the first waiter of a process is given until changes are heard; without them it looks.
READY = 0.25

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,99})\"?\s*(?:$|[,;])", re.IGNORECASE)
_PENDING = Ticket.Status.PENDING

_waiters = 0


def waiting(page: type[Any]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Return the view of a ticket's page that also knows how to wait."""
    view = page.as_view()

    async def with_patience(request: HttpRequest, **names: str) -> HttpResponseBase:
        seconds = asked_wait(request)
        if request.method != "GET" or seconds is None or not isinstance(request, ASGIRequest):
            return await sync_to_async(view)(request, **names)
        return await _wait(view, request, names, seconds)

    # What the router and the interface's description know a page by.
    with_patience.cls = page  # type: ignore[attr-defined]
    with_patience.initkwargs = {}  # type: ignore[attr-defined]
    with_patience.csrf_exempt = True  # type: ignore[attr-defined]
    return with_patience


def asked_wait(request: HttpRequest) -> int | None:
    """Return the seconds a request would wait, at most 50; None where it does not ask to."""
    match = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(match[1]), LONGEST) if match else None


async def _wait(
    view: Callable[..., Any], request: HttpRequest, names: dict[str, str], seconds: int
) -> HttpResponseBase:
    global _waiters
    if _waiters >= MOST_WAITERS:
        return await _read(view, request, names)
    _waiters += 1
    try:
        deadline = asyncio.get_running_loop().time() + seconds
        answer = await _read(view, request, names)
        ticket_id = _still_pending(answer)
        if ticket_id is not None and seconds > 0:
            with hub().listening(str(ticket_id)) as heard:
                await hub().ready(READY)
                # Whatever happened before we listened is seen by this look.
                while not hub().ending and await _status(ticket_id) == _PENDING:
                    left = deadline - asyncio.get_running_loop().time()
                    if left <= 0:
                        break
                    with suppress(TimeoutError):
                        await asyncio.wait_for(heard.changed(), min(left, LOOK_AGAIN))
            # Of hundreds who wait, not all could be read for in what time is left at the end.
            if not hub().ending:
                answer = await _read(view, request, names)
    finally:
        _waiters -= 1
    if answer.status_code == 200:
        answer.headers["Preference-Applied"] = f"wait={seconds}"
        answer.headers["Vary"] = "Prefer, Authorization, Cookie"
    return answer


def _still_pending(answer: HttpResponseBase) -> UUID | None:
    """Return the id of the ticket an answer tells of while it is pending."""
    data = answer.data if isinstance(answer, Response) else None
    if answer.status_code != 200 or not data or data.get("status") != _PENDING:
        return None
    return UUID(data["id"])


async def _read(
    view: Callable[..., Any], request: HttpRequest, names: dict[str, str]
) -> HttpResponseBase:
    answer: HttpResponseBase = await in_thread(lambda: view(request, **names))
    return answer


async def _status(ticket_id: UUID) -> str | None:
    found: str | None = await in_thread(
        lambda: Ticket.objects.filter(pk=ticket_id).values_list("status", flat=True).first()
    )
    return found
