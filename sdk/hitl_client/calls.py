"""The requests this client knows, as data. Nothing here opens a connection."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from hitl_client.canonical import canonical_bytes
from hitl_client.errors import Invalid

API = "/api/v1"
JWKS_PATH = "/.well-known/jwks.json"
LONGEST_WAIT = 50
"""Seconds the service holds a waiting read at most."""
LONGEST_TITLE = 200
RESULTS = ("applied", "failed")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Call:
    """One request: `headers` never hold the API key, so a Call may be logged."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: int = 0
    """Seconds the service may hold its answer back; the read timeout grows by them."""
    anonymous: bool = False
    """True where the API key is not needed and therefore not sent."""
    repeatable: bool = False
    """True where the service answers a repetition as it answered the first one."""

    @property
    def idempotent(self) -> bool:
        """Return whether sending it twice is the same as sending it once."""
        return self.method == "GET" or self.repeatable or "Idempotency-Key" in self.headers


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Failure:
    """Nothing came back; `reason` is safe to print. `passing` ones are worth another try."""

    reason: str
    passing: bool = True


def submit(
    proposal: Mapping[str, Any],
    *,
    checkpoint: str,
    idempotency_key: str | None,
    fields: Mapping[str, Any],
) -> Call:
    """Return the request that opens a ticket."""
    body = {"checkpoint": checkpoint, **_with_proposal(proposal, fields)}
    title = proposal.get("title")
    if "title" not in body and isinstance(title, str) and title.strip():
        body["title"] = title.strip()[:LONGEST_TITLE]
    return _post(f"{API}/tickets", body, idempotency_key)


def resubmit(
    ticket_id: str,
    proposal: Mapping[str, Any],
    *,
    idempotency_key: str | None,
    fields: Mapping[str, Any],
) -> Call:
    """Return the request that opens the next round with a changed proposal."""
    body = _with_proposal(proposal, fields)
    return _post(f"{ticket_path(ticket_id)}/resubmit", body, idempotency_key)


def cancel(ticket_id: str, reason: str, *, idempotency_key: str | None) -> Call:
    """Return the request that stops a ticket."""
    return _post(f"{ticket_path(ticket_id)}/cancel", {"reason": reason}, idempotency_key)


def acknowledge(ticket_id: str, *, idempotency_key: str | None) -> Call:
    """Return the request that says one knows of a revocation."""
    return _post(f"{ticket_path(ticket_id)}/acknowledge", {}, idempotency_key)


def read(ticket_id: str, *, wait: int = 0) -> Call:
    """Return the request that reads a ticket, held back up to `wait` seconds while pending."""
    wait = min(wait, LONGEST_WAIT)
    headers = {"Prefer": f"wait={wait}"} if wait > 0 else {}
    return Call("GET", ticket_path(ticket_id), headers=headers, wait=max(wait, 0))


def receipt(ticket_id: str) -> Call:
    """Return the request for the signed statement."""
    return Call("GET", f"{ticket_path(ticket_id)}/receipt")


def consume(ticket_id: str, *, nonce: str, digest: str) -> Call:
    """Return the request that uses an approval up.

    The key is new each time: a retry of this request replays its answer, while a second attempt
    to consume is a request of its own and refused.
    """
    return _post(f"{ticket_path(ticket_id)}/receipt", {"nonce": nonce, "digest": digest}, None)


def record_result(ticket_id: str, consumption_id: str, result: str) -> Call:
    """Return the request that says how the execution went; `result` is applied or failed."""
    if result not in RESULTS:
        raise Invalid(f"result must be one of {', '.join(RESULTS)}")
    body = {"consumption_id": consumption_id, "result": result}
    return _post(f"{ticket_path(ticket_id)}/receipt", body, None)


def jwks() -> Call:
    """Return the request for the service's public keys."""
    return Call("GET", JWKS_PATH, anonymous=True)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds of a `Retry-After` header, given as seconds or as a date."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        until = parsedate_to_datetime(given)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - (now or datetime.now(UTC))).total_seconds(), 0.0)


def ticket_path(ticket_id: str) -> str:
    """Return the address of a ticket named by id, ref or the caller's own reference.

    :raises Invalid: for what cannot be one.
    """
    if not isinstance(ticket_id, str) or ticket_id in {"", ".", ".."}:
        raise Invalid("a ticket is named by its id, its ref or your own reference")
    return f"{API}/tickets/{one_segment(ticket_id)}"


def one_segment(name: str) -> str:
    """Return a name as one segment of an address.

    :raises Invalid: for half a character (a lone surrogate): no address can hold it.
    """
    try:
        return quote(name, safe="")
    except UnicodeEncodeError:
        raise Invalid("a name has to be text that UTF-8 can write") from None


def _with_proposal(proposal: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(proposal, Mapping):
        raise Invalid("a proposal is an object: a dict with string keys")
    body = {name: _plain(name, value) for name, value in fields.items() if value is not None}
    return {**body, "proposal": dict(proposal)}


def _plain(name: str, value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise Invalid(f"{name} needs a time zone")
    return value.astimezone(UTC).isoformat()


def _post(path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Call:
    key = str(uuid.uuid4()) if idempotency_key is None else idempotency_key
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise Invalid("an idempotency key is 1 to 255 visible ASCII characters")
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return Call("POST", path, body=json_body(body), headers=headers)


def json_body(body: Mapping[str, Any]) -> bytes:
    """Return a JSON object as the bytes to send.

    :raises Invalid: when it is not JSON.
    """
    canonical_bytes(body)  # refuses what would arrive as something else than what was meant
    # Sent as plain JSON, not as its canonical form: that writes the float 1e20 like an integer,
    # which the service would have to refuse as too large to be exact.
    sent = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return sent.encode()
