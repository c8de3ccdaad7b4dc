"""Votes from the command line: each on the version that was just read and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_client import calls, person_calls
from hitl_client.cli.named import Named
from hitl_client.cli.show import Effects, mapping, name_of, text
from hitl_client.cli.work import DONE, REFUSED, Work, hint_of, problem_of, tell_error
from hitl_client.errors import (
    HitlError,
    RateLimited,
    TicketChanged,
    Unauthenticated,
    Unavailable,
)

Result = dict[str, Any]

_ENDS_IT_ALL = (RateLimited, Unauthenticated, Unavailable)


@dataclass(frozen=True)
class Ballot:
    """What is voted; with a `checkpoint` only on tickets of that one."""

    choice: str
    reason: str = ""
    response: Mapping[str, Any] | None = None
    amendments: Mapping[str, Any] | None = None
    checkpoint: str | None = None
    on_behalf_of: str = ""


def vote_on_one(work: Work, one: Named, ballot: Ballot) -> int:
    """Vote on a ticket, print what became of it, and return the exit code."""
    result = _tried(work, Effects(work), one, ballot)[0]
    work.screen.document(result)
    return DONE if result["ok"] else REFUSED


def vote_on_all(work: Work, tickets: Sequence[Named], ballot: Ballot) -> int:
    """Vote on tickets one after the other, print a result for each, and return the exit code.

    What would meet the next one as well (no connection, no right, too fast) ends the run; the rest
    is reported as not tried.
    """
    effects, results = Effects(work), list[Result]()
    error: HitlError | None = None
    try:
        for one in tickets:
            if isinstance(error, _ENDS_IT_ALL):
                results.append(_untried(work, one, error))
                continue
            result, error = _tried(work, effects, one, ballot)
            results.append(result)
            refused = sum(not each["ok"] for each in results)
            work.screen.progress(f"{len(results)} of {len(tickets)} tried, {refused} refused")
    finally:
        # Also when somebody interrupts: what was voted has been voted.
        work.screen.document(results)
        done = sum(each["ok"] for each in results)
        if len(tickets) > 1:
            work.screen.note(f"{done} of {len(tickets)} done, {len(tickets) - done} not.")
    return DONE if done == len(tickets) else REFUSED


def _tried(
    work: Work, effects: Effects, one: Named, ballot: Ballot
) -> tuple[Result, HitlError | None]:
    ticket: Mapping[str, Any] = {}
    try:
        ticket = work.send(calls.read(one.name))
        return _voted(work, effects, one, ticket, ballot), None
    except HitlError as error:
        return _refused(work, one, ticket, ballot, error), error


def _voted(
    work: Work, effects: Effects, one: Named, ticket: Mapping[str, Any], ballot: Ballot
) -> Result:
    if ballot.checkpoint is not None and ticket.get("checkpoint") != ballot.checkpoint:
        found = text(ticket.get("checkpoint"))
        raise HitlError(
            f"it is a ticket of {found}, not of {ballot.checkpoint}; nothing was voted",
            code="other-checkpoint",
        )
    ticket_id, version = ticket.get("id"), ticket.get("version")
    if not isinstance(ticket_id, str) or not isinstance(version, int):
        raise HitlError("the answer is no ticket", code="unexpected-answer")
    work.screen.note(f"{name_of(ticket)}  {text(ticket.get('title'))}")
    effect = effects.of(ticket)
    if effect:
        work.screen.note(f"  {effect}")
    # By id from here on: a reference may mean another ticket a moment later.
    call = person_calls.vote(
        ticket_id,
        choice=ballot.choice,
        version=version if one.version is None else one.version,
        reason=ballot.reason,
        response=ballot.response,
        amendments=ballot.amendments,
        on_behalf_of=ballot.on_behalf_of,
    )
    answer = mapping(work.send(call).get("ticket"))
    work.screen.line(f"{name_of(ticket)}  {_standing(answer)}")
    return {
        "asked": one.name,
        "ok": True,
        "id": ticket_id,
        "ref": ticket.get("ref"),
        "choice": ballot.choice,
        "status": answer.get("status"),
        "allowed": answer.get("allowed"),
        "tally": answer.get("tally"),
    }


def _standing(ticket: Mapping[str, Any]) -> str:
    """Return where a ticket stands after a vote, in words."""
    status = text(ticket.get("status"))
    if status != "pending":
        return status.replace("_", " ")
    settled = mapping(ticket.get("decision"))
    if settled:
        outcome, final_at = text(settled.get("outcome")), text(settled.get("final_at"))
        return f"decided ({outcome}); final at {final_at}, can be taken back until then"
    tally = mapping(ticket.get("tally"))
    counted = f"{text(tally.get('approvals'))} of {text(tally.get('needed'))}"
    return f"voted; still open ({counted} approvals needed)"


def _refused(
    work: Work, one: Named, ticket: Mapping[str, Any], ballot: Ballot, error: HitlError
) -> Result:
    name = name_of(ticket) or one.name
    problem = problem_of(error)
    tell_error(work.screen, error, about=name)
    if isinstance(error, TicketChanged):
        seen = text(ticket.get("version") if one.version is None else one.version)
        now = text(error.problem.get("version"))
        is_now = f"at version {now}" if now else "another one"
        problem["hint"] = (
            f"It was seen at version {seen} and is {is_now} now; "
            f"nothing was voted. Look again with `hitl get {name}`, then vote again."
        )
        work.screen.note(f"  {problem['hint']}")
    work.screen.line(f"{name}  refused: {error.code}")
    return {
        "asked": one.name,
        "ok": False,
        "id": ticket.get("id"),
        "ref": ticket.get("ref"),
        "choice": ballot.choice,
        "problem": problem,
    }


def _untried(work: Work, one: Named, error: HitlError) -> Result:
    work.screen.line(f"{one.name}  not tried")
    problem = {"code": "not-tried", "detail": str(error), "hint": hint_of(error)}
    return {"asked": one.name, "ok": False, "problem": problem}
