"""The emergency bypass from the command line: who starts it shows on the terminal who they are."""

from __future__ import annotations

import getpass
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from hitl_client import person_calls
from hitl_client.cli.show import mapping, sequence, text
from hitl_client.cli.work import Usage, Work
from hitl_client.errors import HitlError

CONFIRM = "confirm-identity"
_PROMPTS = {
    "password": "Your password: ",
    "code": "The code your authenticator shows: ",
}


def start_bypass(
    work: Work, *, duration: str, reason: str, checkpoints: Sequence[str], incident: str
) -> None:
    """Start a bypass, asking for whatever this person proves themselves with.

    The first call carries no proof: whatever else is wrong is told before anything is typed.

    :raises HitlError: as the service refuses; Usage where there is no terminal to ask on.
    """
    asked: dict[str, Any] = {"duration": duration, "reason": reason}
    if checkpoints:
        asked["checkpoints"] = list(checkpoints)
    if incident:
        asked["incident"] = incident
    try:
        bypass = work.send(person_calls.start_bypass(asked))
    except HitlError as refused:
        if refused.code != CONFIRM:
            raise
        needs = "code" if refused.problem.get("needs") == "code" else "password"
        bypass = work.send(person_calls.start_bypass({**asked, needs: _secret(_PROMPTS[needs])}))
    work.screen.document(bypass)
    work.screen.line(f"BYPASS ACTIVE until {text(bypass.get('ends_at'))}")
    work.screen.line(f"  passes      {scope_of(bypass)}")
    work.screen.line(f"  reason      {text(bypass.get('reason'))}")
    told = ", ".join(map(text, sequence(bypass.get("told"))))
    work.screen.line(
        f"  told        {told or 'nobody by mail; the banner and the audit trail say it'}"
    )
    work.screen.line(f"  review      {text(bypass.get('review_link'))}")
    work.screen.note("Somebody else must look at what passed before you can start another.")


def scope_of(bypass: Mapping[str, Any]) -> str:
    """Return what passes under a bypass, in words."""
    return ", ".join(map(text, sequence(bypass.get("scope")))) or "everything"


def alarms(status: Mapping[str, Any]) -> list[str]:
    """Return what lets things pass without people now, a sentence each."""
    found = []
    if status.get("human_in_the_loop") is False:
        found.append("NOBODY IS ASKED anywhere: ENABLE_HUMAN_IN_THE_LOOP is off.")
    if status.get("stubs") is True:
        found.append("STUB MODE: answers are made up, no person gives them.")
    for bypass in map(mapping, sequence(status.get("bypasses"))):
        why = text(bypass.get("reason"))
        found.append(
            f"BYPASS ACTIVE until {text(bypass.get('ends_at'))} by {text(bypass.get('by_label'))}, "
            f"{scope_of(bypass)} passes{f': {why}' if why else '.'}"
        )
    return found


def findings(status: Mapping[str, Any], severity: str) -> list[str]:
    """Return what the service finds wrong with itself: a sentence each, and how to mend it."""
    rows = map(mapping, sequence(status.get("findings")))
    return [_told(row) for row in rows if (row.get("severity") == "error") == (severity == "error")]


def _told(row: Mapping[str, Any]) -> str:
    where = text(row.get("checkpoint")) or text(row.get("part"))
    mend = text(row.get("mend"))
    return f"{where}: {text(row.get('message'))}{f' → {mend}' if mend else ''}"


def paused(status: Mapping[str, Any]) -> list[str]:
    """Return the checkpoints at which an alert waits to be acknowledged."""
    rows = map(mapping, sequence(status.get("checkpoints")))
    return [text(row.get("slug")) for row in rows if row.get("paused") is True]


def _secret(prompt: str) -> str:
    """Ask on the terminal, without echo.

    :raises Usage: where there is none; no argument or variable takes its place.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            given = getpass.getpass(prompt)
    except (getpass.GetPassWarning, EOFError, OSError):
        raise Usage("a bypass is confirmed on a terminal, and there is none") from None
    return given
