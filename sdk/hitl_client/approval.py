"""`@require_approval`: the short way is the safe one."""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar, overload

from hitl_client import calls, flows
from hitl_client.async_client import AsyncHitlClient
from hitl_client.calls import LONGEST_TITLE
from hitl_client.canonical import canonical_bytes
from hitl_client.client import HitlClient
from hitl_client.errors import Invalid, ReceiptInvalid
from hitl_client.flows import Flow, Surroundings
from hitl_client.guard import AsyncGuard, Guard

P = ParamSpec("P")
R = TypeVar("R")
RunId = str | Callable[[], str | None] | None
Mode = Literal["wait", "raise"]


@overload
def require_approval(
    client: HitlClient,
    *,
    checkpoint: str = "general",
    when: Callable[..., bool] | None = None,
    mode: Mode = "wait",
    run_id: RunId = None,
    timeout: float | None = 3600.0,
    **fields: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
@overload
def require_approval(
    client: AsyncHitlClient,
    *,
    checkpoint: str = "general",
    when: Callable[..., bool | Awaitable[bool]] | None = None,
    mode: Mode = "wait",
    run_id: RunId = None,
    timeout: float | None = 3600.0,
    **fields: Any,
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]: ...
def require_approval(
    client: HitlClient | AsyncHitlClient,
    *,
    checkpoint: str = "general",
    when: Callable[..., Any] | None = None,
    mode: Mode = "wait",
    run_id: RunId = None,
    timeout: float | None = 3600.0,
    **fields: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let people decide about each call of a function before it runs.

    A plain function goes with a `HitlClient`, a coroutine function (`async def`) with an
    `AsyncHitlClient`: nothing blocks the loop while people think.

    A call becomes the proposal `{"function": "module.name", "arguments": {…}}` with every
    argument by name, defaults included; so arguments must be JSON values. Once allowed, the
    approval is used up for exactly these arguments, the function is called with a copy of them
    taken before asking (or with the arguments a reviewer modified), and the result is recorded.

    - `when(*args, **kwargs)` says whether a call needs approval; what it raises is raised. With
      an `AsyncHitlClient` it may be a coroutine function.
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
    :raises TypeError: for a generator function (calling one runs nothing yet), and for a function
        and a client that do not go together.
    """
    if mode not in ("wait", "raise"):
        raise ValueError("mode is wait or raise")
    asked = _Asked(checkpoint, mode == "wait", run_id, timeout, fields)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _refuse_deferred(function, awaiting=isinstance(client, AsyncHitlClient))
        if isinstance(client, AsyncHitlClient):
            return _awaiting(client, function, when, asked)
        return _blocking(client, function, when, asked)

    return decorate


@dataclass(frozen=True)
class _Asked:
    """How calls are asked about."""

    checkpoint: str
    patient: bool
    run_id: RunId
    timeout: float | None
    fields: Mapping[str, Any]

    def about(
        self, around: Surroundings, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Flow[tuple[str, dict[str, Any], inspect.BoundArguments]]:
        """Return the ticket, the action it allows, and the call of the function that action is."""
        signature = inspect.signature(function)
        name = f"{function.__module__}.{function.__qualname__}"
        requested = {"function": name, "arguments": _arguments(signature, args, kwargs)}
        submission = calls.submit(
            requested,
            checkpoint=self.checkpoint,
            idempotency_key=_key(self.checkpoint, requested, self.run_id),
            fields={"title": f"Call {name}"[:LONGEST_TITLE], **self.fields},
        )
        ticket_id, approved = yield from flows.ask(
            around, submission, requested, patient=self.patient, timeout=self.timeout
        )
        return ticket_id, approved, _call_for(signature, name, approved)


def _blocking(
    client: HitlClient,
    function: Callable[..., Any],
    when: Callable[..., Any] | None,
    asked: _Asked,
) -> Callable[..., Any]:
    @functools.wraps(function)
    def asking(*args: Any, **kwargs: Any) -> Any:
        if when is not None and not when(*args, **kwargs):
            return function(*args, **kwargs)
        connection = client._connection
        flow = asked.about(connection.around, function, args, kwargs)
        ticket_id, approved, call = connection.drive(flow)
        with Guard(client).verify_and_consume(ticket_id, approved):
            return function(*call.args, **call.kwargs)

    return asking


def _awaiting(
    client: AsyncHitlClient,
    function: Callable[..., Any],
    when: Callable[..., Any] | None,
    asked: _Asked,
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def asking(*args: Any, **kwargs: Any) -> Any:
        if when is not None:
            needed = when(*args, **kwargs)
            if not (await needed if inspect.isawaitable(needed) else needed):
                return await function(*args, **kwargs)
        connection = client._connection
        flow = asked.about(connection.around, function, args, kwargs)
        ticket_id, approved, call = await connection.drive(flow)
        async with await AsyncGuard(client).verify_and_consume(ticket_id, approved):
            return await function(*call.args, **call.kwargs)

    return asking


def _refuse_deferred(function: Callable[..., Any], *, awaiting: bool) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("require_approval takes no generators: calling one runs nothing yet")
    if inspect.iscoroutinefunction(function) and not awaiting:
        raise TypeError("a coroutine function needs an AsyncHitlClient: waiting blocks the loop")
    if awaiting and not inspect.iscoroutinefunction(function):
        raise TypeError("a plain function needs a HitlClient; an AsyncHitlClient an `async def`")


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
