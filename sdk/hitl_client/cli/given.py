"""What a command is given beside its arguments: JSON from files, and standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hitl_client import calls
from hitl_client.calls import Call
from hitl_client.cli.work import Usage


def submission(given: dict[str, Any], *, checkpoint: str | None, title: str | None) -> Call:
    """Return the request a file stands for: a proposal, or a whole ticket.

    An object with `proposal` (an object) or `checkpoint` (a text) is a ticket; what the command
    line says wins over what the file says.
    """
    fields: dict[str, Any] = {"title": title}
    if isinstance(given.get("proposal"), dict) or isinstance(given.get("checkpoint"), str):
        ticket = {name: value for name, value in given.items() if name != "proposal"}
        proposal = given.get("proposal", {})
        found = ticket.pop("checkpoint", None)
        fields = {**ticket, **({} if title is None else fields)}
        checkpoint = checkpoint or found
        given = proposal
    return calls.submit(
        given, checkpoint=checkpoint or "general", idempotency_key=None, fields=fields
    )


def json_of(file: str) -> dict[str, Any]:
    """Return the JSON object in a file, `-` being standard input.

    :raises Usage: when it cannot be read, or is none.
    """
    where = "standard input" if file == "-" else file
    try:
        read = standard_input() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise Usage(f"{where} cannot be read as text") from None
    return json_object(where, read) or {}


def json_object(where: str, given: str | None) -> dict[str, Any] | None:
    """Return the JSON object a text is, None for none; `where` names it in the message.

    :raises Usage: for any other text.
    """
    if given is None:
        return None
    try:
        read = json.loads(given)
    except (ValueError, RecursionError):
        raise Usage(f"{where} is not JSON") from None
    if not isinstance(read, dict):
        raise Usage(f"{where} must be a JSON object: {{…}}")
    return read


def standard_input() -> str:
    """Return all of standard input.

    :raises Usage: when it is no text.
    """
    try:
        return sys.stdin.read()
    except ValueError:
        raise Usage("standard input is no text in UTF-8") from None
