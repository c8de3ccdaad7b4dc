"""What the client does, step by step, without a transport.

A flow is a generator: it yields the Call to send and receives the Answer or Failure, or yields a
Pause and receives nothing. A client only drives flows, so a blocking and an asynchronous client
share every decision made here.
"""

from __future__ import annotations

import copy
import json
import logging
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hitl_client import calls
from hitl_client.calls import Answer, Call, Failure
from hitl_client.canonical import action_digest
from hitl_client.errors import (
    HitlError,
    Pending,
    RateLimited,
    ReceiptInvalid,
    Unavailable,
    raise_unless_allowed,
)
from hitl_client.receipts import KeyRing, check_action, key_id, verified_claims
from hitl_client.retries import Retries, error_of, worth_another_try

logger = logging.getLogger("hitl_client")

PATIENCE = 120.0
"""Seconds without any answer after which waiting gives up, whatever time is left."""
_FIRST_REST = 0.5
_LONGEST_REST = 5.0
_NO_CONTENT = 204

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Do nothing for this many seconds."""

    seconds: float


Flow = Generator[Call | Pause, Any, T]


@dataclass(frozen=True)
class Surroundings:
    """What flows need from outside; the clocks and chance are parameters so that tests own them."""

    issuer: str
    retries: Retries = field(default_factory=Retries)
    clock_skew: float = 30.0
    ring: KeyRing = field(default_factory=KeyRing)
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random


def send(around: Surroundings, call: Call) -> Flow[dict[str, Any]]:
    """Return the JSON object a call is answered with, trying again where that is safe."""
    answer = yield from exchange(around, call)
    return _json_object(answer)


def send_for_list(around: Surroundings, call: Call) -> Flow[list[dict[str, Any]]]:
    """Return the plain JSON list of objects a call is answered with."""
    answer = yield from exchange(around, call)
    read = _json(answer)
    if not isinstance(read, list) or not all(isinstance(item, dict) for item in read):
        raise _unexpected("the answer is not a JSON list; is this the service's address?")
    return read


def send_for_any(around: Surroundings, call: Call) -> Flow[dict[str, Any] | None]:
    """Return the JSON object a call is answered with, None for "there is none" (204)."""
    answer = yield from exchange(around, call)
    return None if answer.status == _NO_CONTENT else _json_object(answer)


def exchange(around: Surroundings, call: Call) -> Flow[Answer]:
    """Return the successful answer to a call, trying again where that is safe.

    :raises HitlError: for any other answer, and when there is none.
    """
    tried = 0
    while True:
        outcome: Answer | Failure = yield call
        tried += 1
        error = error_of(outcome)
        if error is None:
            assert isinstance(outcome, Answer)  # noqa: S101 - error_of saw to it
            return outcome
        pause = None
        if worth_another_try(call, outcome, error):
            pause = around.retries.pause(error, tried=tried, chance=around.chance())
        if pause is None:
            raise error
        logger.info("%s %s: %s; again in %.2f s", call.method, call.path, error.code, pause)
        yield Pause(pause)


def wait(around: Surroundings, ticket_id: str, timeout: float | None) -> Flow[dict[str, Any]]:
    """Return the ticket once it is no longer pending.

    A short outage does not end a long wait: reading is tried again until PATIENCE is used up.
    """
    # One try each: this loop is the patient one, and it knows the deadline.
    once = replace(around, retries=replace(around.retries, count=0))
    started = around.monotonic()
    deadline = None if timeout is None else started + timeout
    outage_since: float | None = None
    rest = _FIRST_REST
    while True:
        asked_at = around.monotonic()
        left = None if deadline is None else deadline - asked_at
        hold = calls.LONGEST_WAIT if left is None else max(min(calls.LONGEST_WAIT, int(left)), 0)
        ticket: dict[str, Any] | None = None
        try:
            ticket = yield from send(once, calls.read(ticket_id, wait=hold))
        except (Unavailable, RateLimited) as error:
            at = around.monotonic()
            outage_since = asked_at if outage_since is None else outage_since
            if at - outage_since >= PATIENCE or (deadline is not None and at >= deadline):
                raise
            held, asked = False, error.retry_after or 0.0
        else:
            outage_since, asked = None, 0.0
            if ticket.get("status") != "pending":
                return ticket
            # A full house of waiters, or a proxy, answers at once: then the pace is ours to keep.
            held = hold > 0 and around.monotonic() - asked_at >= hold / 2
        at = around.monotonic()
        if ticket is not None and deadline is not None and at >= deadline:
            raise Pending(f"no decision within {timeout:g} s", ticket=ticket)
        if held:
            rest = _FIRST_REST
            continue
        pause = max(rest * (0.5 + around.chance() / 2), asked)
        yield Pause(pause if deadline is None else min(pause, max(deadline - at, 0.0)))
        rest = min(rest * 2, _LONGEST_REST)


def verify_receipt(around: Surroundings, token: str, digest: str | None) -> Flow[dict[str, Any]]:
    """Return the claims of a genuine receipt, and only if it is about `digest` where given."""
    kid = key_id(token)
    if around.ring.needs_reading(kid, clock=around.monotonic()):
        read = yield from send(around, calls.jwks())
        around.ring.replace(read, clock=around.monotonic())
    claims = verified_claims(
        token,
        around.ring,
        issuer=around.issuer,
        now=around.now(),
        clock_skew=around.clock_skew,
    )
    if digest is not None:
        check_action(claims, digest)
    return claims


def proof(around: Surroundings, ticket: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """Return the verified claims of an allowed ticket's receipt.

    :raises HitlError: by the ticket's status when it is not allowed.
    :raises ReceiptInvalid: when the receipt does not say yes, or speaks of another ticket.
    """
    raise_unless_allowed(ticket)
    answer = yield from send(around, calls.receipt(_id_of(ticket)))
    claims = yield from verify_receipt(around, str(answer.get("receipt")), None)
    if claims["sub"] != ticket["id"]:
        raise ReceiptInvalid("the receipt is about another ticket", ticket=ticket)
    if claims.get("allowed") is not True:
        raise ReceiptInvalid("the receipt does not allow this", ticket=ticket)
    return claims


def consume(around: Surroundings, ticket_id: str, action: Any) -> Flow[dict[str, Any]]:
    """Return the record of having used an approval up, for exactly this action."""
    digest = action_digest(action)
    ticket = yield from send(around, calls.read(ticket_id))
    claims = yield from proof(around, ticket)
    check_action(claims, digest)
    call = calls.consume(ticket["id"], nonce=claims["nonce"], digest=digest)
    answer = yield from send(around, call)
    consumption_id = answer.get("consumption_id")
    if not isinstance(consumption_id, str) or not consumption_id:
        raise _unexpected("consuming was answered without a consumption_id")
    return {
        **answer,
        "consumption_id": consumption_id,
        "ticket_id": ticket["id"],
        "action_digest": digest,
        "claims": claims,
    }


def approved_action(
    around: Surroundings, ticket: Mapping[str, Any], requested: dict[str, Any]
) -> Flow[dict[str, Any]]:
    """Return what was approved: the action as requested, or as the reviewers modified it.

    The signed digest is the judge, so looking in several places can find the right action or
    none, never a wrong one.

    :raises ReceiptInvalid: when nothing at hand has the approved digest.
    """
    claims = yield from proof(around, ticket)
    decision = ticket.get("decision")
    amendments = decision.get("amendments") if isinstance(decision, Mapping) else None
    amended = amendments if isinstance(amendments, Mapping) else {}
    stored = ticket.get("proposal")
    for candidate in (requested, stored, amended, {**requested, **amended}):
        if isinstance(candidate, dict) and action_digest(candidate) == claims["action_digest"]:
            return copy.deepcopy(candidate)
    raise ReceiptInvalid("another action was approved than the one requested", ticket=ticket)


def ask(
    around: Surroundings,
    call: Call,
    requested: dict[str, Any],
    *,
    patient: bool,
    timeout: float | None,
) -> Flow[tuple[str, dict[str, Any]]]:
    """Return the ticket a submission opened and the action it allows; see `approved_action`.

    `patient` waits for people up to `timeout` seconds (None: as long as the ticket lives).
    """
    ticket = yield from send(around, call)
    if ticket.get("allowed") is None:
        # A replayed submission answers as of then; only a new reading knows today.
        if patient:
            ticket = yield from wait(around, _id_of(ticket), timeout)
        else:
            ticket = yield from send(around, calls.read(_id_of(ticket)))
    raise_unless_allowed(ticket)
    approved = yield from approved_action(around, ticket, requested)
    return _id_of(ticket), approved


def _id_of(ticket: Mapping[str, Any]) -> str:
    found = ticket.get("id")
    if not isinstance(found, str) or not found:
        raise _unexpected("a ticket came without its id")
    return found


def _json_object(answer: Answer) -> dict[str, Any]:
    read = _json(answer)
    if not isinstance(read, dict):
        raise _unexpected("the answer is not a JSON object; is this the service's address?")
    return read


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _unexpected(detail: str) -> HitlError:
    return HitlError(detail, code="unexpected-answer")
