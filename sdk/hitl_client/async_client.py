"""The asynchronous client: the methods of the blocking one, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from hitl_client import calls, flows
from hitl_client.canonical import action_digest
from hitl_client.connection import AsyncConnection
from hitl_client.transport import Bearer


class AsyncHitlClient:
    """`HitlClient` for asyncio: same arguments, same answers, same errors.

    Tasks may share a client; use it in an `async with` block, or await `close()`. Cancelling a
    waiting task stops the waiting and leaves the ticket as it is.

    :raises ValueError: when the URL is not an http(s) base URL or the key cannot be one.
    """

    def __init__(
        self,
        core_url: str,
        api_key: str,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        issuer: str | None = None,
        clock_skew: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connection = AsyncConnection(
            core_url,
            Bearer(api_key),
            timeout=timeout,
            retries=retries,
            issuer=issuer,
            clock_skew=clock_skew,
            sleep=sleep,
            monotonic=monotonic,
            now=now,
        )
        self.core_url = self._connection.core_url

    async def submit_for_review(
        self,
        proposal: Mapping[str, Any],
        *,
        checkpoint: str = "general",
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Open a ticket for a proposal and return it; see `HitlClient.submit_for_review`."""
        return await self._connection.send(
            calls.submit(
                proposal, checkpoint=checkpoint, idempotency_key=idempotency_key, fields=fields
            )
        )

    async def get_decision(self, ticket_id: str) -> dict[str, Any]:
        """Return the ticket as it is now; see `HitlClient.get_decision`."""
        return await self._connection.send(calls.read(ticket_id))

    async def wait_for_decision(
        self, ticket_id: str, timeout: float | None = 3600.0
    ) -> dict[str, Any]:
        """Return the ticket once it is no longer pending; see `HitlClient.wait_for_decision`."""
        connection = self._connection
        return await connection.drive(flows.wait(connection.around, ticket_id, timeout))

    async def resubmit(
        self,
        ticket_id: str,
        proposal: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Open the next round with a changed proposal; see `HitlClient.resubmit`."""
        return await self._connection.send(
            calls.resubmit(ticket_id, proposal, idempotency_key=idempotency_key, fields=fields)
        )

    async def cancel(
        self, ticket_id: str, reason: str, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Stop a ticket and return it; see `HitlClient.cancel`."""
        call = calls.cancel(ticket_id, reason, idempotency_key=idempotency_key)
        return await self._connection.send(call)

    async def acknowledge(
        self, ticket_id: str, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Say that you know of a revocation; see `HitlClient.acknowledge`."""
        call = calls.acknowledge(ticket_id, idempotency_key=idempotency_key)
        return await self._connection.send(call)

    async def receipt(self, ticket_id: str) -> dict[str, Any]:
        """Return the signed statement, unverified; see `HitlClient.receipt`."""
        return await self._connection.send(calls.receipt(ticket_id))

    async def verify_receipt(self, token: str, *, action: Any = None) -> dict[str, Any]:
        """Return the claims of a genuine receipt in force; see `HitlClient.verify_receipt`."""
        digest = None if action is None else action_digest(action)
        connection = self._connection
        return await connection.drive(flows.verify_receipt(connection.around, token, digest))

    async def consume(self, ticket_id: str, action: Any) -> dict[str, Any]:
        """Use an approval up before executing this action; see `HitlClient.consume`."""
        connection = self._connection
        return await connection.drive(flows.consume(connection.around, ticket_id, action))

    async def record_result(
        self, ticket_id: str, consumption_id: str, result: str
    ) -> dict[str, Any]:
        """Say how the execution went; see `HitlClient.record_result`."""
        return await self._connection.send(calls.record_result(ticket_id, consumption_id, result))

    async def approved_action(
        self, ticket: Mapping[str, Any], requested: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what was approved; see `HitlClient.approved_action`."""
        connection = self._connection
        return await connection.drive(flows.approved_action(connection.around, ticket, requested))

    async def close(self) -> None:
        """Close the kept connections. The client cannot be used afterwards."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncHitlClient {self.core_url}>"
