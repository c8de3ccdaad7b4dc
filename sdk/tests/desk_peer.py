"""The peer as people know it: what waits, votes, queues, regions."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from countersign_peer import Peer, Reply, Seen, leave, problem, public

POISON = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eexe.cod\u200b\u2066\U000e0041[red]no[/red]\r\n\ud800"
"""Escape sequences, direction marks, invisible characters, markup, half a character."""


class DeskPeer(Peer):
    """A tiny service for one person; every ticket takes one vote."""

    def __init__(self) -> None:
        super().__init__()
        self.decide = leave
        self.me: dict[str, Any] = {
            "username": "ana",
            "kind": "human",
            "roles": ["reviewer"],
            "regions": ["region1"],
            "queues": ["general", "money"],
        }
        self.kinds: dict[str, dict[str, Any]] = {
            "general": {"slug": "general", "asks": True, "effect_sentence": None},
            "data-purchase": {
                "slug": "data-purchase",
                "asks": True,
                "effect_sentence": "Buys data on {business_count} businesses for {total_cost}.",
            },
        }
        self.claimable: dict[str, list[str]] = {}
        self.stands: dict[str, Any] = {
            "release": "0.1.0",
            "human_in_the_loop": True,
            "flags": {},
            "stubs": False,
            "bypasses": [],
            "checkpoints": [{"slug": "general", "paused": False}],
        }
        self.needs = "password"
        """What this person proves themselves with, and (below) what proves it."""
        self.secret = "swordfish"

    def ticket(self, ref: str = "T-1", **members: Any) -> dict[str, Any]:
        """Put a pending ticket on the desk and return it."""
        ticket: dict[str, Any] = {
            "id": f"id-of-{ref}",
            "ref": ref,
            "reference": None,
            "title": f"Do {ref}",
            "checkpoint": "general",
            "queue": "general",
            "status": "pending",
            "allowed": None,
            "version": 1,
            "priority": "medium",
            "risk": "low",
            "proposal": {"do": ref},
            "policy": {"options": [{"key": "approve"}, {"key": "reject"}]},
            "tally": {"needed": 1, "approvals": 0, "people": []},
            "viewer": {"can": ["vote"], "why_not": None},
            "due_at": "2026-01-02T00:00:00Z",
            "comments": None,
            "decision": None,
            **members,
        }
        self.tickets[ticket["id"]] = ticket
        return ticket

    def find(self, name: str) -> dict[str, Any] | None:
        for ticket in self.tickets.values():
            if name in (ticket["id"], ticket.get("ref"), ticket.get("reference")):
                return ticket
        return None

    def answer(self, seen: Seen) -> Reply:  # noqa: PLR0911 - a table of addresses
        parts = urlsplit(seen.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/api/v1").strip("/").split("/")
        path = [unquote(part) for part in path]
        match (seen.method, *path):
            case ("GET", "readyz"):
                return Reply(200, {"status": "ready", "faults": {}})
            case ("GET", "me"):
                return Reply(200, self.me)
            case ("GET", "status"):
                return Reply(200, self.stands)
            case ("POST", "bypasses"):
                return self.bypass(seen.body)
            case ("GET", "me", "pending") | ("GET", "tickets"):
                return self.page([t for t in self.tickets.values() if t["allowed"] is None], asked)
            case ("GET", "checkpoints"):
                return self.page(list(self.kinds.values()), asked)
            case ("GET", "checkpoints", slug):
                kind = self.kinds.get(slug)
                return Reply(200, kind) if kind else problem(404, "not-found")
            case ("POST", "queues", slug, "next"):
                return self.claim(slug)
            case ("GET", "hms-api", "v1", "hitl", "proposals"):
                return self.region(asked["region"])
            case ("POST", "hms-api", "v1", "hitl", "override"):
                return self.override(seen.body)
            case ("GET", "tickets", name) if (ticket := self.find(name)) is not None:
                return super().answer(seen) if name == ticket["id"] else Reply(200, public(ticket))
            case ("POST", "tickets", name, "votes"):
                return self.vote(name, seen.body)
        return super().answer(seen)

    def page(self, items: list[dict[str, Any]], asked: dict[str, str]) -> Reply:
        start, limit = int(asked.get("cursor", "0")), int(asked["limit"])
        following = str(start + limit) if start + limit < len(items) else None
        shown = [public(item) for item in items[start : start + limit]]
        return Reply(200, {"data": shown, "next_cursor": following})

    def claim(self, slug: str) -> Reply:
        waiting = self.claimable.get(slug, [])
        if not waiting:
            return Reply(204, b"")
        ticket = self.find(waiting[0])
        assert ticket is not None
        return Reply(200, {"by": "ana", "until": "2026-01-01T00:10:00Z", "ticket": public(ticket)})

    def vote(self, name: str, body: dict[str, Any]) -> Reply:
        ticket = self.find(name)
        if ticket is None:
            return problem(404, "not-found")
        if body["version"] != ticket["version"]:
            return problem(412, "ticket-changed", version=ticket["version"])
        if ticket["allowed"] is not None:
            return problem(409, "already-decided", decision={"outcome": "approve", "by": "votes"})
        if body["choice"] == "reject" and not body.get("reason"):
            return problem(422, "reason-required")
        yes = body["choice"] != "reject"
        ticket.update(status="approved" if yes else "rejected", allowed=yes)
        ticket["_vote"] = body
        return Reply(201, {"vote": {}, "tally": ticket["tally"], "ticket": public(ticket)})

    def bypass(self, body: dict[str, Any]) -> Reply:
        if len(body["reason"]) < 10:
            return problem(422, "invalid", errors=[{"pointer": "/reason", "message": "Too short."}])
        if body.get(self.needs) != self.secret:
            return problem(403, "confirm-identity", needs=self.needs)
        return Reply(
            201,
            {
                "ends_at": "2026-01-01T01:00:00Z",
                "scope": body.get("checkpoints", []),
                "reason": body["reason"],
                "told": ["Max Singh", POISON],
                "review_link": "http://127.0.0.1/admin/approvals/bypass/",
            },
        )

    def region(self, region: str) -> Reply:
        if region not in self.me["regions"]:
            return problem(403, "region-not-yours")
        return Reply(200, [public(ticket) for ticket in self.tickets.values()])

    def override(self, body: dict[str, Any]) -> Reply:
        choice = {"approve": "approve", "veto": "reject", "adjust": "modify"}[body["decision"]]
        cast = {"choice": choice, "version": body.get("version", 1), "reason": body["comments"]}
        reply = self.vote(body["id"], cast | {"amendments": body.get("adjustments")})
        return Reply(200, {"status": "ok"}) if reply.status == 201 else reply
