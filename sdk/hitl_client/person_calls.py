"""The requests of people, as data: what waits, votes, and how the service is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from hitl_client.calls import API, Call, json_body, one_segment, ticket_path

LONGEST_PAGE = 200
PROPOSALS = "/hms-api/v1/hitl/proposals"
OVERRIDE = "/hms-api/v1/hitl/override"

_JSON = {"Content-Type": "application/json"}


def vote(
    ticket_id: str,
    *,
    choice: str,
    version: int,
    reason: str = "",
    response: Mapping[str, Any] | None = None,
    amendments: Mapping[str, Any] | None = None,
    on_behalf_of: str = "",
) -> Call:
    """Return the request that votes on the version of a ticket somebody saw."""
    body: dict[str, Any] = {"choice": choice, "version": version}
    optional = {
        "reason": reason,
        "response": response,
        "amendments": amendments,
        "on_behalf_of": on_behalf_of,
    }
    body |= {name: value for name, value in optional.items() if value not in ("", None)}
    # The same vote of the same person is answered as the first time, so it may be sent again.
    return Call(
        "POST",
        f"{ticket_path(ticket_id)}/votes",
        body=json_body(body),
        headers=_JSON,
        repeatable=True,
    )


def waiting(*, cursor: str | None = None, limit: int = LONGEST_PAGE) -> Call:
    """Return the request for a page of what waits for the caller's vote, most urgent first."""
    return _page(f"{API}/me/pending", cursor=cursor, limit=limit)


def opened(*, cursor: str | None = None, limit: int = LONGEST_PAGE) -> Call:
    """Return the request for a page of the pending tickets the caller may see, newest first."""
    return _page(f"{API}/tickets", cursor=cursor, limit=limit, status="pending")


def checkpoints(*, cursor: str | None = None, limit: int = LONGEST_PAGE) -> Call:
    """Return the request for a page of the kinds of decision."""
    return _page(f"{API}/checkpoints", cursor=cursor, limit=limit)


def checkpoint(slug: str) -> Call:
    """Return the request for one kind of decision."""
    return Call("GET", f"{API}/checkpoints/{one_segment(slug)}")


def claim_next(queue: str) -> Call:
    """Return the request that claims the most urgent ticket of a queue for ten minutes."""
    path = f"{API}/queues/{one_segment(queue)}/next"
    return Call("POST", path, body=b"{}", headers=_JSON)


def start_bypass(asked: Mapping[str, Any]) -> Call:
    """Return the request that starts an emergency bypass; it is never sent twice by itself."""
    return Call("POST", f"{API}/bypasses", body=json_body(dict(asked)), headers=_JSON)


def standing() -> Call:
    """Return the request for how the service stands: what is switched off, passed or paused."""
    return Call("GET", f"{API}/status")


def me() -> Call:
    """Return the request for who the caller is."""
    return Call("GET", f"{API}/me")


def ready() -> Call:
    """Return the request for whether every part of the service works."""
    return Call("GET", "/readyz", anonymous=True)


def proposals(region: str) -> Call:
    """Return the request for what is pending in a region."""
    return Call("GET", f"{PROPOSALS}?region={one_segment(region)}")


def override(
    proposal_id: str,
    *,
    decision: str,
    comments: str,
    adjustments: Mapping[str, Any] | None,
    version: int | None,
) -> Call:
    """Return the request that answers a proposal of `proposals`."""
    body: dict[str, Any] = {"id": proposal_id, "decision": decision, "comments": comments}
    if adjustments is not None:
        body["adjustments"] = dict(adjustments)
    if version is not None:
        body["version"] = version
    return Call("POST", OVERRIDE, body=json_body(body), headers=_JSON, repeatable=True)


def _page(path: str, *, cursor: str | None, limit: int, **more: str) -> Call:
    asked = {"limit": str(limit), **more} | ({} if cursor is None else {"cursor": cursor})
    return Call("GET", f"{path}?{urlencode(asked)}")
