"""`@require_approval`: the short way is the safe one."""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import uuid
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar

from hitl_client.calls import LONGEST_TITLE
from hitl_client.canonical import canonical_bytes
from hitl_client.client import HitlClient
from hitl_client.errors import Invalid, ReceiptInvalid, raise_unless_allowed
from hitl_client.guard import Guard

P = ParamSpec("P")
R = TypeVar("R")
RunId = str | Callable[[], str | None] | None


def require_approval(
    client: HitlClient,
    *,
    checkpoint: str = "general",
    when: Callable[..., bool] | None = None,
    mode: Literal["wait", "raise"] = "wait",
    run_id: RunId = None,
    timeout: float | None = 3600.0,
    **fields: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let people decide about each call of a function before it runs.

    A call becomes the proposal `{"function": "module.name", "arguments": {…}}` with every
    argument by name, defaults included; so arguments must be JSON values. Once allowed, the
    approval is used up for exactly these arguments, the function is called with a copy of them
    taken before asking (or with the arguments a reviewer modified), and the result is recorded.

    - `when(*args, **kwargs)` says whether a call needs approval; what it raises is raised.
    - `mode="wait"` waits up to `timeout` seconds; `mode="raise"` raises Pending at once.
    - Each call asks anew: an old approval never covers a new call. Only with a `run_id` (a text,
      or a function that returns the current one) do calls with the same run, function and
      arguments share one ticket, so that a restarted run finds its approval again. It still
      works once: the second such call in a run raises AlreadyConsumed.
    - `fields` go to the ticket, as in `submit_for_review`.

    The decorated call raises Pending, Rejected, NeedsChanges, Expired, Cancelled, Revoked,
    AlreadyConsumed, ReceiptInvalid, Invalid or another HitlError, and then has not run the
    function; what the function itself raises passes through.

    :raises ValueError: for an unknown mode.
    :raises TypeError: for a coroutine or generator function: calling one runs nothing yet.
    """
    if mode not in ("wait", "raise"):
        raise ValueError("mode is wait or raise")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        _refuse_deferred(function)
        signature = inspect.signature(function)
        name = f"{function.__module__}.{function.__qualname__}"

        @functools.wraps(function)
        def asking(*args: P.args, **kwargs: P.kwargs) -> R:
            if when is not None and not when(*args, **kwargs):
                return function(*args, **kwargs)
            arguments = _arguments(signature, args, kwargs)
            requested = {"function": name, "arguments": arguments}
            ticket = client.submit_for_review(
                requested,
                checkpoint=checkpoint,
                idempotency_key=_key(checkpoint, requested, run_id),
                **{"title": f"Call {name}"[:LONGEST_TITLE], **fields},
            )
            if ticket.get("allowed") is None:
                # A replayed submission answers as of then; only a new reading knows today.
                ticket = (
                    client.wait_for_decision(ticket["id"], timeout)
                    if mode == "wait"
                    else client.get_decision(ticket["id"])
                )
            raise_unless_allowed(ticket)
            approved = client.approved_action(ticket, requested)
            called = _call_for(signature, name, approved)
            with Guard(client).verify_and_consume(ticket["id"], approved):
                return function(*called.args, **called.kwargs)

        return asking

    return decorate


def _refuse_deferred(function: Callable[..., Any]) -> None:
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise TypeError("require_approval takes plain functions: calling this one runs nothing yet")


def _arguments(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return a private copy of all arguments by name, `*args` as a list under its name."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    canonical_bytes(bound.arguments)  # refuses what is not JSON before it is copied
    return copy.deepcopy(dict(bound.arguments))


def _call_for(
    signature: inspect.Signature, name: str, approved: dict[str, Any]
) -> inspect.BoundArguments:
    """Return the call an approved action stands for.

    :raises ReceiptInvalid: when it is no call of this function: reviewers may change arguments,
        not turn them into another call.
    """
    arguments = approved.get("arguments")
    if (
        set(approved) != {"function", "arguments"}
        or approved["function"] != name
        or not isinstance(arguments, dict)
        or set(arguments) != set(signature.parameters)
    ):
        raise ReceiptInvalid("what was approved is not a call of this function")
    in_order: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        value = arguments[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            value = tuple(value) if isinstance(value, list | tuple) else None
        if parameter.kind is parameter.VAR_KEYWORD and not isinstance(value, dict):
            value = None
        if value is None and parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ReceiptInvalid("what was approved is not a call of this function")
        in_order[parameter.name] = value
    call = inspect.BoundArguments(signature, in_order)
    try:
        again = signature.bind(*call.args, **call.kwargs)
    except TypeError:
        raise ReceiptInvalid("what was approved is not a call of this function") from None
    again.apply_defaults()
    if dict(again.arguments) != in_order:
        # A keyword inside `**kwargs` would have replaced a named argument the reviewer saw.
        raise ReceiptInvalid("what was approved is not a call of this function")
    return call


def _key(checkpoint: str, requested: dict[str, Any], run_id: RunId) -> str:
    """Return the idempotency key of a call: shared within a named run, else used once."""
    run = run_id() if callable(run_id) else run_id
    if run is None:
        return f"call-{uuid.uuid4()}"
    if not isinstance(run, str) or not run:
        raise Invalid("a run_id is a text that is not empty")
    meant = canonical_bytes([checkpoint, run, requested])
    return f"run-{hashlib.sha256(meant).hexdigest()}"
