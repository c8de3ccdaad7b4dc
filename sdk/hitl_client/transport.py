"""What the blocking and the asynchronous connection share: addresses, the key, answers."""

from __future__ import annotations

import platform
from typing import Any
from urllib.parse import urlsplit

import httpx2

from hitl_client.calls import Answer, Call, Failure
from hitl_client.version import VERSION

HEADERS = {
    "User-Agent": f"hitl-client/{VERSION} python/{platform.python_version()} "
    f"httpx2/{httpx2.__version__}",
    "Accept": "application/json",
}
LONGEST_CONNECT = 5.0
_FIRST_ERROR = 400


class Bearer(httpx2.Auth):
    """The API key, where printing an object does not show it.

    :raises ValueError: when the text cannot be a key; the message does not repeat it.
    """

    def __init__(self, api_key: str) -> None:
        key = api_key.strip() if isinstance(api_key, str) else ""
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("api_key must be a key of the service, such as hitl_…")
        self._header = f"Bearer {key}"

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Put the key on a request."""
        request.headers["Authorization"] = self._header
        yield request

    def removed_from(self, body: bytes) -> bytes:
        """Return `body` without the key: a badly set up proxy repeats headers in error pages."""
        return body.replace(self._header.removeprefix("Bearer ").encode(), b"[removed]")

    def __repr__(self) -> str:
        return "<key>"

    def __reduce__(self) -> str:
        raise TypeError("a client holds a key and is not for pickling")


class Wire:
    """How calls look on the way to one service, and what its answers stand for.

    `timeout` is in seconds, for connecting, sending and each read. Without a key nobody is named.

    :raises ValueError: when `core_url` is not an http(s) base URL.
    """

    def __init__(self, core_url: str, key: Bearer | None, *, timeout: float) -> None:
        self.core_url = base_url(core_url)
        self._key = key
        self._timeout = timeout

    def options(self, call: Call) -> dict[str, Any]:
        """Return the arguments of `request` for a call."""
        return {
            "method": call.method,
            "url": self.core_url + call.path,
            "content": call.body,
            "headers": dict(call.headers),
            "auth": None if call.anonymous else self._key,
            "timeout": httpx2.Timeout(
                self._timeout,
                read=self._timeout + call.wait,
                connect=min(self._timeout, LONGEST_CONNECT),
            ),
        }

    def answer(self, response: httpx2.Response) -> Answer:
        """Return what came back, and the key in no error page."""
        body = response.content
        if response.status_code >= _FIRST_ERROR and self._key is not None:
            body = self._key.removed_from(body)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, body)

    def failure(self, problem: httpx2.RequestError) -> Failure:
        """Return what it means that nothing came back.

        Only the kind of problem goes on: the exception itself holds the request, and the request
        holds the key.
        """
        kind = type(problem).__name__
        if isinstance(problem, httpx2.TimeoutException):
            return Failure(f"no answer from {self.core_url} ({kind})")
        if isinstance(problem, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
            return Failure(f"not sent: {kind}", passing=False)
        return Failure(f"cannot reach {self.core_url} ({kind})")


def base_url(core_url: str) -> str:
    """Return a base URL without its trailing slash.

    :raises ValueError: for anything else.
    """
    try:
        parts = urlsplit(core_url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname)
        fits = fits and (parts.port is None or parts.port > 0)
        httpx2.URL(core_url)
    except (ValueError, TypeError, AttributeError, httpx2.InvalidURL):
        fits = False
    if not fits or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("core_url must be a base URL such as https://countersign.example")
    return core_url.rstrip("/")
