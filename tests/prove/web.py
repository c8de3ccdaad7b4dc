"""The service over HTTP, and a small client that keeps its connection."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.servers import free_port

if TYPE_CHECKING:
    from approvals.models import User

ROOT = Path(__file__).resolve().parents[2]


class Client:
    """One connection to the service, as one caller."""

    def __init__(self, url: str, token: str = "", **headers: str) -> None:
        self._host = urlsplit(url).netloc
        self._connection: http.client.HTTPConnection | None = None
        self.headers = dict(headers)
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Return (status, parsed body, headers); header names are written with `_` for `-`."""
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            data = json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, timeout=60)
        try:
            self._connection.request(method, path, data, given)
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        told = {name.lower(): value for name, value in answer.getheaders()}
        is_json = "json" in told.get("content-type", "")
        return answer.status, json.loads(raw) if raw and is_json else raw, told

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yield the address of a web process on the database this process uses."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.prove.asgi:application", "--port", str(port)]
    command += ["--lifespan", "off", "--log-level", "warning", "--no-access-log"]
    # A client may think long between two calls; it shall find its connection as it left it.
    command += ["--timeout-keep-alive", "600"]
    with (folder / f"web-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"DATABASE_POOL_MAX": "80"}, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process, folder / f"web-{port}.log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        client = Client(url)
        try:
            if client.call("GET", "/healthz")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            client.close()
    raise RuntimeError(f"The service did not answer:\n{log.read_text()[-3000:]}")


def session_of(user: "User") -> dict[str, str]:
    """Return the headers of a browser in which this person is signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.utils.crypto import get_random_string

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    secret = get_random_string(32)
    cookies = {
        settings.SESSION_COOKIE_NAME: session.session_key,
        settings.CSRF_COOKIE_NAME: secret,
    }
    joined = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {"Cookie": joined, "X-CSRFToken": secret}


def token_of(person: "User", scopes: list[str] | None = None) -> str:
    """Return a new personal token of this person."""
    from approvals.services.keys import create_key
    from audit.clock import db_now

    return create_key(name="proof", kind="personal", owner=person, scopes=scopes, now=db_now())[1]
