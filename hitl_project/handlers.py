"""How a request gets through Django: in one thread, or waiting without one.

Under ASGI Django hands a request from the event loop to a thread and back for each middleware;
that cost more than the middleware. Nearly every request here is answered by ordinary blocking
code, so it runs from the first middleware to the last in one thread. Only a caller who asks to
wait (`Prefer: wait`) is answered on the event loop, where thousands can wait.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import FileResponse
from django.urls import set_script_prefix

from hitl_project.refusals import Refusals

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class OneThreadHandler(ASGIHandler):
    """Answer a request in one of a few threads, each with a database connection while it works.

    There are fewer threads than pooled connections, so a crowd waits in line and nobody is
    turned away for want of a connection.
    """

    def __init__(self, *, threads: int, refusals: Refusals) -> None:
        BaseHandler.__init__(self)
        self._refusals = refusals
        self.load_middleware(is_async=False)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._in_thread = sync_to_async(self._answer, thread_sensitive=False, executor=pool)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request, with one step into a thread; Django would take four and two tasks."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            answer = await self._in_thread(scope, body)
            await self.send_response(answer, send)
            if answer.streaming:
                await sync_to_async(answer.close)()

    def _answer(self, scope: dict[str, Any], body: IO[bytes]) -> Any:
        try:
            set_script_prefix(get_script_prefix(scope))
            request_started.send(sender=type(self), scope=scope)
            answer: Any
            request, answer = self.create_request(scope, body)
            if request is not None:
                answer = self.get_response(request)
                self._refusals.keep(request, answer)
            answer._handler_class = type(self)  # noqa: SLF001  # who says that it is finished
            if isinstance(answer, FileResponse):
                answer.block_size = self.chunk_size
            if not answer.streaming:
                answer.close()  # what it says is in memory
            return answer
        finally:
            close_old_connections()


class HttpHandler:
    """Choose for each request how it is answered."""

    def __init__(self) -> None:
        self.refusals = Refusals()
        self.answering = OneThreadHandler(threads=settings.WEB_THREADS, refusals=self.refusals)
        self.waiting = ASGIHandler()
        # Made here once, every request inherits it; else each would connect to Redis anew.
        _ = caches["default"]

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (refusal := self.refusals.known(scope)) is not None:
            for message in refusal:
                await send(message)
            return
        asks = any(n == b"prefer" and b"wait" in v.lower() for n, v in scope.get("headers", ()))
        await (self.waiting if asks else self.answering)(scope, receive, send)
