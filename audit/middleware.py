"""Name the entrance of every HTTP request before anything is written."""

import re
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from audit import context

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def channel_of(path: str, agent: str = "") -> str:
    """Return the channel a path belongs to; the command line says itself that it calls."""
    if path.startswith(("/admin", "/account/")):
        return "web"
    if path.startswith("/a/"):
        return "mail"
    return "cli" if agent.startswith("hitl-cli/") else "api"


class OriginMiddleware:
    """Set the channel and request id, and answer with the id so that people can quote it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], object]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> object:
        if self.is_async:
            return self._answer_async(request)
        request_id = self._request_id(request)
        with context.entering(channel=self._channel(request), request_id=request_id):
            response: HttpResponseBase = self.get_response(request)  # type: ignore[assignment]
        response.headers["X-Request-ID"] = request_id
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        request_id = self._request_id(request)
        answer: Awaitable[HttpResponseBase]
        with context.entering(channel=self._channel(request), request_id=request_id):
            answer = self.get_response(request)  # type: ignore[assignment]
            response = await answer
        response.headers["X-Request-ID"] = request_id
        return response

    @staticmethod
    def _channel(request: HttpRequest) -> str:
        return channel_of(request.path, request.headers.get("User-Agent", ""))

    @staticmethod
    def _request_id(request: HttpRequest) -> str:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _PLAIN_ID.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        return request_id
