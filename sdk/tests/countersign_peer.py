"""A peer on the other end of a real connection: scripted answers first, else a tiny service."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

API_KEY = "hitl_0a1b2c3d_NotARealSecretNotARealSecret42"
RECEIPT_TYPE = "countersign-receipt+jwt"


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    port: int


@dataclass
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    before: Callable[[Seen], None] | None = None


class Time:
    """A clock that moves only when somebody sleeps, so that hours pass in no time."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def monotonic(self) -> float:
        return self.at


class Peer:
    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.scripts: dict[tuple[str, str], deque[Reply]] = defaultdict(deque)
        self.tickets: dict[str, dict[str, Any]] = {}
        self.replays: dict[str, tuple[int, Any]] = {}
        self.results: list[tuple[str, str]] = []
        self.decide: Callable[[dict[str, Any]], None] = approve
        """What people do with each new ticket before its next reading."""
        self.key = Ed25519PrivateKey.generate()
        self.kid = "first"
        self.lock = threading.Lock()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet per answer: two of them wait for each other's receipt

            def do_GET(self) -> None:
                peer.handle(self)

            def do_POST(self) -> None:
                peer.handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def script(self, method: str, path: str, *replies: Reply) -> None:
        self.scripts[(method, path)].extend(replies)

    def requests(self, method: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(length)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = json.loads(raw) if raw else None
        seen = Seen(handler.command, handler.path, headers, body, handler.client_address[1])
        with self.lock:
            self.seen.append(seen)
            queue = self.scripts[(seen.method, seen.path)]
            reply = queue.popleft() if queue else None
        if reply is None:
            with self.lock:
                reply = self.answer(seen)
        if reply.before:
            reply.before(seen)
        if reply.drop:
            handler.close_connection = True
            return
        sent = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        try:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(sent)))
            handler.end_headers()
            handler.wfile.write(sent)
        except OSError:
            handler.close_connection = True

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/.well-known/jwks.json":
            return Reply(200, self.jwks())
        parts = seen.path.removeprefix("/api/v1/tickets").strip("/").split("/")
        if seen.method == "POST":
            key = seen.headers["idempotency-key"]
            if key not in self.replays:
                self.replays[key] = self.post(parts, seen.body)
            return Reply(*self.replays[key])
        ticket = self.tickets.get(parts[0])
        if ticket is None:
            return problem(404, "not-found")
        if parts[1:] == ["receipt"]:
            return Reply(200, {"receipt": self.sign(self.claims(ticket))})
        if ticket["status"] == "pending":
            self.decide(ticket)
        return Reply(200, public(ticket))

    def post(self, parts: list[str], body: Any) -> tuple[int, Any]:
        if parts == [""]:
            ticket = {**body, "id": str(uuid.uuid4()), "ref": "T-1", "status": "pending"}
            ticket |= {"allowed": None, "comments": None, "decision": None, "_used": None}
            self.tickets[ticket["id"]] = ticket
            return 201, public(ticket)
        ticket = self.tickets[parts[0]]
        if "result" in body:
            self.results.append((body["consumption_id"], body["result"]))
            return 200, body
        if ticket["_used"]:
            return 409, {"code": "already-consumed", "detail": "This approval has been used."}
        claims = self.claims(ticket)
        if (body["nonce"], body["digest"]) != (claims["nonce"], claims["action_digest"]):
            return 422, {"code": "invalid"}
        ticket["_used"] = str(uuid.uuid4())
        return 201, {"consumption_id": ticket["_used"]}

    def claims(self, ticket: dict[str, Any], **changed: Any) -> dict[str, Any]:
        decided = (ticket.get("decision") or {}).get("amendments") or ticket["proposal"]
        now = int(time.time())
        return {
            "iss": self.url,
            "sub": ticket["id"],
            "jti": f"decision-{ticket['id']}",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "ref": ticket["ref"],
            "checkpoint": ticket.get("checkpoint", "general"),
            "round": 1,
            "outcome": "approve",
            "status": ticket["status"],
            "allowed": ticket["allowed"],
            "action_digest": digest(decided),
            "digest": digest([ticket["id"], decided]),
            "voters": [{"name": "Ana", "choice": "approve", "at": "2026-01-01T00:00:00Z"}],
            "by": "votes",
            "nonce": f"nonce-{ticket['id']}",
            **changed,
        }

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        headers = {"kid": self.kid, "typ": RECEIPT_TYPE, **header}
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers=headers)

    def jwks(self) -> dict[str, Any]:
        raw = self.key.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x, "use": "sig"}]}


def digest(value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def public(ticket: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ticket.items() if not name.startswith("_")}


def problem(status: int, code: str, **more: Any) -> Reply:
    body = {"title": "Refused", "status": status, "code": code, "detail": f"It is {code}.", **more}
    return Reply(status, body, {"Content-Type": "application/problem+json"})


def approve(ticket: dict[str, Any]) -> None:
    ticket.update(status="approved", allowed=True, comments="Looks good")


def leave(ticket: dict[str, Any]) -> None:
    """Nobody looks at it."""


def end_as(status: str, allowed: bool | None = False) -> Callable[[dict[str, Any]], None]:
    def end(ticket: dict[str, Any]) -> None:
        ticket.update(status=status, allowed=allowed, comments="because")

    return end


def modify(amendments: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    def change(ticket: dict[str, Any]) -> None:
        ticket.update(status="approved", allowed=True, decision={"amendments": amendments})

    return change
