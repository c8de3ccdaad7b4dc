"""How a request gets through Django: in one thread, or waiting without one.

Under ASGI Django hands a request from the event loop to a thread and back for each middleware;
that cost more than the middleware. Nearly every request here is answered by ordinary blocking
code, so it runs from the first middleware to the last in one thread. Only a caller who asks to
wait (`Prefer: wait`) is answered on the event loop, where thousands can wait.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class OneThreadHandler(ASGIHandler):
    """Answer a request in one thread."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return what the blocking middleware and view answer."""
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)


class HttpHandler:
    """Choose for each request how it is answered."""

    def __init__(self) -> None:
        self.answering = OneThreadHandler()
        self.waiting = ASGIHandler()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        asks = any(n == b"prefer" and b"wait" in v.lower() for n, v in scope.get("headers", ()))
        await (self.waiting if asks else self.answering)(scope, receive, send)
