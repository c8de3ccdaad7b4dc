"""A ticket on a terminal: first the real content, then what was said about it, marked as said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_client import person_calls
from hitl_client.cli.screen import Screen
from hitl_client.cli.work import DONE, PENDING, REFUSED, Work
from hitl_client.errors import HitlError

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ALLOWED = {True: "allowed: yes", False: "allowed: no"}


def text(value: Any) -> str:
    """Return a value of the service as text; what is no text is shown as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of the service, an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Return a list of the service, an empty one where there is none."""
    return value if isinstance(value, list) else []


def name_of(ticket: Mapping[str, Any]) -> str:
    """Return what people call a ticket: its ref."""
    return text(ticket.get("ref") or ticket.get("id"))


class Effects:
    """What saying yes does, per ticket, in the sentence its checkpoint has for it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._sentences: dict[str, str] = {}

    def of(self, ticket: Mapping[str, Any]) -> str:
        """Return the sentence with the proposal's values in it, empty where there is none."""
        slug = text(ticket.get("checkpoint"))
        if slug and slug not in self._sentences:
            self._sentences[slug] = self._read(slug)
        proposal = mapping(ticket.get("proposal"))
        effect = _PLACE.sub(
            lambda place: text(proposal.get(place[1])) or "(not given)",
            self._sentences.get(slug, ""),
        )
        return " ".join(said for said in (effect, _step(ticket)) if said)

    def _read(self, slug: str) -> str:
        try:
            return text(self._work.send(person_calls.checkpoint(slug)).get("effect_sentence"))
        except HitlError:
            # The sentence is a help; without it the ticket itself still says what it is.
            return ""


def _step(ticket: Mapping[str, Any]) -> str:
    """Return which step of a rollout a ticket asks for, empty where it is none."""
    repeat = mapping(mapping(ticket.get("policy")).get("repeat"))
    now, *later = (text(share) for share in sequence(repeat.get("steps")) or [""])
    if not later:
        return f"The last step, to {now} %." if now else ""
    rest = ", then ".join(f"{share} %" for share in later)
    return f"A step to {now} %; you are asked again before {rest}."


def ticket_page(screen: Screen, ticket: Mapping[str, Any], effect: str) -> None:
    """Print everything a ticket says; nothing is cut."""
    screen.document(ticket)
    screen.line(f"{name_of(ticket)}  {text(ticket.get('title'))}")
    rows = [
        ("status", f"{text(ticket.get('status'))} ({allowed(ticket)})"),
        ("decision", decision(ticket)),
        ("checkpoint", text(ticket.get("checkpoint"))),
        ("reference", text(ticket.get("reference"))),
        ("priority", text(ticket.get("priority"))),
        ("risk", text(ticket.get("risk"))),
        ("region", text(ticket.get("region"))),
        ("amount", text(ticket.get("amount"))),
        ("round", text(ticket.get("round"))),
        ("due", text(ticket.get("due_at"))),
        ("expires", text(ticket.get("expires_at"))),
        ("rule", text(mapping(ticket.get("rule")).get("why"))),
        ("effect", effect),
    ]
    for label, value in rows:
        if value:
            screen.line(f"  {label:<12}{value}")
    screen.line("Proposal")
    screen.block(_indented(ticket.get("proposal")))
    if ticket.get("summary") and ticket.get("summary") != ticket.get("title"):
        screen.line("Its requester says (a claim)")
        screen.line(f"  {text(ticket.get('summary'))}")
    if ticket.get("ai"):
        screen.line("The AI says (a claim)")
        screen.block(_indented(ticket.get("ai")))
    _votes(screen, ticket)
    _what_now(screen, ticket)


def queue_table(screen: Screen, tickets: Sequence[Mapping[str, Any]]) -> None:
    """Print waiting tickets, a line each."""
    screen.table(
        ("REF", "PRIORITY", "RISK", "CHECKPOINT", "AMOUNT", "DUE", "TITLE"),
        [
            (
                name_of(ticket),
                *(text(ticket.get(name)) for name in ("priority", "risk", "checkpoint", "amount")),
                text(ticket.get("due_at")),
                text(ticket.get("title")),
            )
            for ticket in tickets
        ],
    )


def allowed(ticket: Mapping[str, Any]) -> str:
    """Return what a caller may do, in words."""
    found = ticket.get("allowed")
    return (
        _ALLOWED.get(found, "allowed: not yet") if isinstance(found, bool) else "allowed: not yet"
    )


def decision(ticket: Mapping[str, Any]) -> str:
    """Return what was decided, by whom or what, and why; empty while nothing is."""
    found = mapping(ticket.get("decision"))
    if not found:
        return ""
    held = ticket.get("status") == "pending"
    said = f"{text(found.get('outcome'))}, by {text(found.get('by'))}"
    said += f", final at {text(found.get('final_at'))}" if held else ""
    comments = text(ticket.get("comments"))
    return f"{said}: {comments}" if comments else said


def exit_code(ticket: Mapping[str, Any]) -> int:
    """Return how a command that waited for a ticket ends: only a yes is 0."""
    if ticket.get("allowed") is True:
        return DONE
    return PENDING if ticket.get("status") == "pending" else REFUSED


def choices(ticket: Mapping[str, Any]) -> list[str]:
    """Return the keys a vote on this ticket may choose."""
    options = sequence(mapping(ticket.get("policy")).get("options"))
    return [text(mapping(option).get("key")) for option in options]


def _votes(screen: Screen, ticket: Mapping[str, Any]) -> None:
    tally = mapping(ticket.get("tally"))
    people = [mapping(person) for person in sequence(tally.get("people"))]
    if tally:
        counted = f"{text(tally.get('approvals'))} of {text(tally.get('needed'))} needed"
        screen.line(f"Votes ({counted})")
    for person in people:
        lender = text(person.get("on_behalf_of"))
        who = text(person.get("name")) + (f" for {lender}" if lender else "")
        said = f"  {who}: {text(person.get('choice'))}"
        comment = text(person.get("comment"))
        screen.line(f"{said} - {comment}" if comment else said)


def _what_now(screen: Screen, ticket: Mapping[str, Any]) -> None:
    viewer = mapping(ticket.get("viewer"))
    if "vote" in sequence(viewer.get("can")):
        lenders = [mapping(one) for one in sequence(viewer.get("acting_for"))]
        names = ", ".join(text(one.get("name")) for one in lenders)
        if names:
            screen.note(f"You act for {names}.")
        screen.note(f"You can vote: hitl vote {name_of(ticket)} {'|'.join(choices(ticket))}")
    elif ticket.get("status") == "pending" and viewer.get("why_not"):
        why_not = text(viewer.get("why_not_detail") or viewer.get("why_not"))
        screen.note(f"You cannot vote on it: {why_not}")


def _indented(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False, indent=2)
    return "\n".join(f"  {line}" for line in written.split("\n"))
