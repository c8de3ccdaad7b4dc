"""A comparison as a file to keep or pass on: Markdown in which nothing untrusted is markup."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reviews.display import fields, inert, moments
from reviews.display.views import Comparison, Pieces
from reviews.models import Ticket

# CommonMark takes a backslash before any of these as the character itself.
_MARKUP = re.compile(r"([!-/:-@\[-`{-~])")


def report_of(
    ticket: Ticket, proposal: Mapping[str, Any], comparison: Comparison, *, now: datetime
) -> str:
    """Return the report: what is compared, its measures, both outputs, and where it came from."""
    decision = ticket.decision
    sides = (comparison.before, comparison.after)
    lines = [
        f"# Comparison of {_line(sides[0])} and {_line(sides[1])}",
        "",
        f"{_line(ticket.title)} \\({_line(ticket.label)}, round {ticket.round}\\)",
        "",
    ]
    lines += _table(("", "Value"), _facts(ticket, proposal))
    if comparison.metrics:
        lines += ["## Measures", ""]
        lines += _table(("Measure", *comparison.columns), comparison.metrics)
    for side, pieces in zip(
        sides, (comparison.before_pieces, comparison.after_pieces), strict=True
    ):
        lines += [f"## Output of {_line(side)}", "", *_block(pieces), ""]
    lines += [
        f"Written {moments.utc(now)}. The content has the digest `{decision.action_digest}`.",
        "",
    ]
    return "\n".join(lines)


def _facts(ticket: Ticket, proposal: Mapping[str, Any]) -> list[tuple[str, str]]:
    checkpoint = ticket.checkpoint
    labels = fields.labels_of(checkpoint.view, checkpoint.proposal_schema)
    found = fields.fields_of(proposal, labels, schema=checkpoint.proposal_schema)
    # Outputs are told below, however short they are.
    told = _compared(checkpoint.view)
    facts = [(f.label, f.text) for f in found if f.kind == "text" and f.name not in told]
    return [*facts, ("Status", Ticket.Status(ticket.status).label)]


def _compared(view: object) -> set[str]:
    listed = view.get("fields") if isinstance(view, Mapping) else None
    entries = [e for e in listed if isinstance(e, Mapping)] if isinstance(listed, list) else []
    compared = [e for e in entries if e.get("kind") == "compare"]
    return {str(name) for e in compared for name in (e.get("name"), e.get("before"))}


def _line(text: object) -> str:
    """Return untrusted text on one line, as text."""
    return _MARKUP.sub(r"\\\1", " ".join(inert.plain(text).split()))


def _table(head: tuple[str, ...], rows: Any) -> list[str]:
    lines = [f"| {' | '.join(map(_line, head))} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(map(_line, row))} |" for row in rows]
    return [*lines, ""]


def _block(pieces: Pieces) -> list[str]:
    """Return a text as it is, indented: nothing in an indented block is markup or ends it."""
    text = "".join(piece for _, piece in pieces)
    return [f"    {inert.plain(line)}" for line in text.splitlines()] or ["    "]
