"""Callers: threads with a connection each, as light as Python allows."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit


class Client:
    """One caller that keeps its connection open."""

    def __init__(self, url: str, *, token: str = "") -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=60
        )
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def hang_up(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._connection.close()

    def post(self, path: str, body: object) -> Any:
        """Send and return what is answered.

        :raises RuntimeError: for any answer that is no success.
        """
        return self._call("POST", path, json.dumps(body))

    def get(self, path: str) -> Any:
        """Read and return what is answered."""
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, body: str | None) -> Any:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def rate(clients: Sequence[Client], work: Sequence[Callable[[Client], object]]) -> float:
    """Share the work among the clients and return how much of it was done per second."""
    waiting = list(reversed(work))
    for client in clients:  # the server has closed what was idle since the last round
        client.hang_up()

    def act(client: Client) -> None:
        while True:
            try:
                one = waiting.pop()
            except IndexError:
                return
            one(client)

    with ThreadPoolExecutor(len(clients)) as threads:
        begun = time.monotonic()
        list(threads.map(act, clients))
        return len(work) / (time.monotonic() - begun)


def vote(ticket: str) -> Callable[[Client], object]:
    """Return the act of approving a ticket."""
    body = {"choice": "approve", "version": 1, "reason": "Fine."}
    return lambda client: client.post(f"/api/v1/tickets/{ticket}/votes", body)
