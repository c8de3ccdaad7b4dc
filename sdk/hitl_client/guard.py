"""The guard: execute what was approved, once, or nothing."""

from __future__ import annotations

import copy
import logging
from types import TracebackType
from typing import Any, Self, overload

from hitl_client.async_client import AsyncHitlClient
from hitl_client.canonical import action_digest
from hitl_client.client import HitlClient
from hitl_client.errors import Conflict, HitlError, Invalid

logger = logging.getLogger("hitl_client")

_MISSING = object()


class _Consumed:
    """An approval that has been used up, and what is known of its execution."""

    def __init__(self, consumed: dict[str, Any], action: Any) -> None:
        self._entered = False
        self.action = action
        self.ticket_id: str = consumed["ticket_id"]
        self.consumption_id: str = consumed["consumption_id"]
        self.action_digest: str = consumed["action_digest"]
        self.claims: dict[str, Any] = consumed["claims"]
        self.recorded: str | None = None
        """The result the service has recorded, None so far."""
        self.next_ticket: str | None = None
        """Once it is recorded: the ticket that asks about the next step of a rollout, if any."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.consumption_id} of ticket {self.ticket_id}>"

    def _enter_once(self) -> None:
        if self._entered:
            raise Conflict("an approval is good for one execution", code="already-consumed")
        self._entered = True

    def _refuse_second_record(self) -> None:
        if self.recorded is not None:
            raise Conflict(f"{self.recorded} is recorded already", code="already-recorded")

    def _warn_unrecorded(self, problem: HitlError) -> None:
        # What happened has happened. Raising here would hide the block's own exception, or
        # make a finished action look like a failed one that invites a second try.
        logger.warning(
            "result of consumption %s of ticket %s not recorded: %s",
            self.consumption_id,
            self.ticket_id,
            problem.code,
        )


class Consumption(_Consumed):
    """An approval that has just been used up: this process, and no other, may act on it.

    As a context manager it records the result: `applied` when the block ends, `failed` when it
    raises. Execute `.action`, a copy of what was approved that nobody else can change.
    """

    def __init__(self, client: HitlClient, consumed: dict[str, Any], action: Any) -> None:
        super().__init__(consumed, action)
        self._client = client

    def record(self, result: str) -> None:
        """Record `applied` or `failed`, once; may be tried again when it raised.

        :raises HitlError: when the service could not record it.
        """
        self._refuse_second_record()
        noted = self._client.record_result(self.ticket_id, self.consumption_id, result)
        self.recorded, self.next_ticket = result, noted.get("next")

    def __enter__(self) -> Self:
        self._enter_once()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.recorded is not None:
            return
        try:
            self.record("applied" if exc_type is None else "failed")
        except HitlError as problem:
            self._warn_unrecorded(problem)


class AsyncConsumption(_Consumed):
    """`Consumption` for asyncio: an asynchronous context manager."""

    def __init__(self, client: AsyncHitlClient, consumed: dict[str, Any], action: Any) -> None:
        super().__init__(consumed, action)
        self._client = client

    async def record(self, result: str) -> None:
        """Record `applied` or `failed`, once; may be tried again when it raised.

        :raises HitlError: when the service could not record it.
        """
        self._refuse_second_record()
        noted = await self._client.record_result(self.ticket_id, self.consumption_id, result)
        self.recorded, self.next_ticket = result, noted.get("next")

    async def __aenter__(self) -> Self:
        self._enter_once()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.recorded is not None:
            return
        try:
            await self.record("applied" if exc_type is None else "failed")
        except HitlError as problem:
            self._warn_unrecorded(problem)


class Guard:
    """Stands before whatever executes: `with Guard(client).verify_and_consume(id, action): …`.

    With `ticket_id` it stands for one ticket, and `verify_and_consume(action)` is enough.
    """

    def __init__(self, client: HitlClient, ticket_id: str | None = None) -> None:
        self._client = client
        self._ticket_id = ticket_id

    @overload
    def verify_and_consume(self, action: Any, /) -> Consumption: ...
    @overload
    def verify_and_consume(self, ticket_id: str, action: Any) -> Consumption: ...
    def verify_and_consume(self, ticket_id: Any, action: Any = _MISSING) -> Consumption:
        """Return the consumption of an approval for exactly this action.

        Checks that the ticket is allowed, that its receipt is genuine, in force and says yes,
        that the digest of `action` (JSON) is the approved one, and then uses the approval up.
        Two callers at once: one gets a Consumption, the other AlreadyConsumed.

        :raises AlreadyConsumed: when the approval has been used.
        :raises ReceiptInvalid: when another action was approved, or nothing is proved.
        :raises Pending, Rejected, NeedsChanges, Expired, Cancelled, Revoked: by status.
        :raises Invalid: when `action` is not JSON, or no ticket is named.
        """
        ticket_id, own = _meant(self._ticket_id, ticket_id, action)
        return Consumption(self._client, self._client.consume(ticket_id, own), own)


class AsyncGuard:
    """`Guard` for asyncio: `async with await AsyncGuard(client).verify_and_consume(…): …`."""

    def __init__(self, client: AsyncHitlClient, ticket_id: str | None = None) -> None:
        self._client = client
        self._ticket_id = ticket_id

    @overload
    async def verify_and_consume(self, action: Any, /) -> AsyncConsumption: ...
    @overload
    async def verify_and_consume(self, ticket_id: str, action: Any) -> AsyncConsumption: ...
    async def verify_and_consume(self, ticket_id: Any, action: Any = _MISSING) -> AsyncConsumption:
        """Return the consumption of an approval for exactly this action; see `Guard`."""
        ticket_id, own = _meant(self._ticket_id, ticket_id, action)
        return AsyncConsumption(self._client, await self._client.consume(ticket_id, own), own)


def _meant(guarded: str | None, ticket_id: Any, action: Any) -> tuple[Any, Any]:
    """Return the ticket and a private copy of the action that a call of a guard means."""
    if action is _MISSING:
        ticket_id, action = guarded, ticket_id
    if ticket_id is None:
        raise Invalid("name the ticket: Guard(client, ticket_id), or as the first argument")
    action_digest(action)  # refuses what is not JSON before it is copied
    # From here on only the copy counts: the caller's object may change while we ask.
    return ticket_id, copy.deepcopy(action)
