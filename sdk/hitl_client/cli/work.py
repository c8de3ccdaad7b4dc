"""One command's surroundings: the connection, the screen, and how it ends."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from hitl_client.calls import Call
from hitl_client.cli.screen import Output, Screen
from hitl_client.connection import Connection
from hitl_client.errors import HitlError, Invalid
from hitl_client.hitl_service import DEFAULT_URL
from hitl_client.transport import Bearer, base_url

DONE, REFUSED, USAGE, PENDING = 0, 1, 2, 3

HINTS = {
    "already-consumed": "Every approval works once.",
    "bypass-unreviewed": "Ask another manager to look at the review of your last one.",
    "confirm-identity": "It is asked for on the terminal; try again.",
    "machine-cannot-bypass": "HITL_TOKEN is a service key; use your personal token.",
    "machine-cannot-vote": "HITL_TOKEN is a service key; people vote with their personal token.",
    "not-found": "Check the name, and whose token HITL_TOKEN is.",
    "own-work": "Somebody else has to decide on it.",
    "reason-required": "Say why with --reason.",
    "scope-missing": "This token was made for something else; make one with the right scopes.",
    "unauthenticated": "Check HITL_TOKEN: the service does not know it, or it has ended.",
    "unavailable": "Check HITL_URL, and that the service runs.",
}


class Usage(Exception):
    """The command was called wrongly; the message says how."""


@dataclass
class Work:
    """What a command works with."""

    screen: Screen
    connection: Connection

    def send(self, call: Call) -> dict[str, Any]:
        """Return the JSON object a call is answered with."""
        return self.connection.send(call)


@contextmanager
def at_work(output: Output) -> Iterator[Work]:
    """Run a command's body; end the process with its exit code and one sentence if it fails."""
    screen = Screen(output)
    try:
        connection = Connection(service_url(), Bearer(required_token()))
        try:
            yield Work(screen, connection)
        finally:
            connection.close()
    except Usage as problem:
        screen.note(f"hitl: {problem}")
        raise typer.Exit(USAGE) from None
    except HitlError as error:
        if isinstance(error, Invalid) and error.status is None:
            # Refused on this side, before anything was sent.
            screen.note(f"hitl: {error}")
            raise typer.Exit(USAGE) from None
        tell_error(screen, error)
        screen.document(problem_of(error))
        raise typer.Exit(REFUSED) from None
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception:
        # The text may repeat what the service sent, so it is made inert as well.
        screen.note("hitl: this program failed; please report it.")
        screen.note(traceback.format_exc(), lines=True)
        raise typer.Exit(REFUSED) from None


def service_url() -> str:
    """Return the service's base URL.

    :raises Usage: when `HITL_URL` is none.
    """
    url = os.environ.get("HITL_URL") or DEFAULT_URL
    try:
        return base_url(url)
    except ValueError:
        raise Usage("HITL_URL is no base URL such as https://countersign.example") from None


def required_token() -> str:
    """Return the token to call with.

    :raises Usage: when there is none, or it cannot be one. No message repeats it.
    """
    token = given_token()
    if token is None:
        raise Usage("set HITL_TOKEN, or HITL_TOKEN_FILE to the path of a file that holds the token")
    try:
        Bearer(token)
    except ValueError:
        raise Usage("HITL_TOKEN holds no token: one word, such as hitl_…") from None
    return token


def given_token() -> str | None:
    """Return the token of the environment, None without one.

    :raises Usage: when its file cannot be read, or both variables are set.
    """
    token = os.environ.get("HITL_TOKEN", "").strip() or None
    path = os.environ.get("HITL_TOKEN_FILE") or None
    if path is None:
        return token
    if token is not None:
        raise Usage("HITL_TOKEN and HITL_TOKEN_FILE are both set; keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        raise Usage("HITL_TOKEN_FILE names a file that cannot be read") from None


def problem_of(error: HitlError) -> dict[str, Any]:
    """Return an error as JSON: `code`, `detail`, and what the service said of it."""
    problem: dict[str, Any] = {"code": error.code, "detail": str(error), "hint": hint_of(error)}
    problem["status"] = error.status
    problem["errors"] = error.errors
    return problem


def hint_of(error: HitlError) -> str | None:
    """Return what to do about an error, None where nothing is known."""
    return HINTS.get(error.code)


def tell_error(screen: Screen, error: HitlError, *, about: str = "hitl") -> None:
    """Print an error, each single complaint, and what to do, on standard error."""
    screen.note(f"{about}: {error}")
    for complaint in error.errors:
        where = complaint.get("pointer") or complaint.get("field") or complaint.get("parameter")
        message = str(complaint.get("message", ""))
        screen.note(f"  {where}: {message}" if where else f"  {message}")
    decision = error.problem.get("decision")
    if isinstance(decision, Mapping) and decision.get("outcome"):
        screen.note(f"  The decision was {decision['outcome']}, by {decision.get('by')}.")
    hint = hint_of(error)
    if hint is not None:
        screen.note(f"  {hint}")
