"""How the people and programs of the journeys reach a running service: over HTTP, nothing else."""

import http.cookiejar
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, Self

PATIENCE = 40.0
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass(frozen=True)
class Answer:
    """What the service said."""

    status: int
    body: Any
    headers: dict[str, str]


class Caller:
    """Somebody at the other end of the wire: a person or program with a token, or a browser."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str, **headers: str) -> Answer:
        return self._send("GET", path, None, headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self._send("POST", path, json.dumps(body or {}).encode(), headers)

    def vote(self, ticket: str, choice: str, *, version: int = 1, **more: Any) -> Answer:
        return self.post(
            f"/api/v1/tickets/{ticket}/votes", {"choice": choice, "version": version, **more}
        )

    def sign_in(self, username: str, password: str) -> None:
        """Sign in as a browser does: read the form, send it back."""
        form = self.get("/admin/login/").body.decode()
        fields = {
            "username": username,
            "password": password,
            "next": "/admin/",
            "csrfmiddlewaretoken": _TOKEN.search(form)[1],  # type: ignore[index]
        }
        sent = urllib.parse.urlencode(fields).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._send("POST", "/admin/login/", sent, headers)
        assert answer.status == 200, answer
        assert self._cookie("countersign_session"), "Nobody was signed in."

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        given = {
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Referer": self.url,
            **headers,
        }
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        elif method == "POST":
            given["X-CSRFToken"] = self._cookie("countersign_csrf")
        request = urllib.request.Request(self.url + path, data=body, headers=given, method=method)
        try:
            with self._opener.open(request, timeout=PATIENCE) as got:
                return _answer(got.status, got.read(), got.headers)
        except urllib.error.HTTPError as refused:
            return _answer(refused.code, refused.read(), refused.headers)

    def _cookie(self, name: str) -> str:
        values = [cookie.value for cookie in self.cookies if cookie.name == name]
        return values[0] or "" if values else ""


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    kind = headers.get("Content-Type", "")
    return Answer(status, json.loads(body) if "json" in kind and body else body, dict(headers))


@dataclass
class Demo:
    """What `seed_demo` wrote down."""

    service_key: str
    people: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        told = json.loads((folder / "demo.json").read_text())
        return cls(told["service_key"], {p["username"]: p for p in told["people"]})

    def reviewers(self) -> list[dict[str, Any]]:
        return [person for person in self.people.values() if "reviewer" in person["roles"]]


class Waiting:
    """Something done in a thread, whose answer is awaited later."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self._answer: Any = None
        self._problem: BaseException | None = None

        def run() -> None:
            try:
                self._answer = do()
            except BaseException as problem:
                self._problem = problem

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def answer(self) -> Any:
        """Return what it came to, or raise what it raised."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "It still waits."
        if self._problem is not None:
            raise self._problem
        return self._answer


class Receiver:
    """A listener on this machine that keeps every message it is sent."""

    def __init__(self) -> None:
        self.messages: Queue[tuple[dict[str, str], bytes]] = Queue()
        messages = self.messages

        class Keeper(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                messages.put((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Keeper)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)
