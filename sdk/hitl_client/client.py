"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from hitl_client import calls, flows
from hitl_client.canonical import action_digest
from hitl_client.connection import Connection
from hitl_client.transport import Bearer


class HitlClient:
    """A connection to the service for a program that asks: open tickets, wait, prove, consume.

    `core_url` is the service's base URL, `api_key` a service key (`hitl_…`). `timeout` is in
    seconds, for connecting, sending and each read. `retries` is the number of further tries of a
    request that can safely be repeated. `issuer` is the base URL that receipts name, when it
    differs from `core_url`. `clock_skew` seconds are forgiven when this machine's clock is behind.

    `sleep`, `monotonic` and `now` replace the clocks, for tests.

    Connections are kept and reused, threads may share a client; `close()` it, or use it in a
    `with` block. Every method may raise Unauthenticated, Forbidden, NotFound, RateLimited or
    Unavailable besides what it names; all are `HitlError`.

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
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connection = Connection(
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

    def submit_for_review(
        self,
        proposal: Mapping[str, Any],
        *,
        checkpoint: str = "general",
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Open a ticket for a proposal and return it: at least `id`, `ref`, `status`, `allowed`.

        `proposal` is any JSON object; its `title` also names the ticket when no `title` is given.
        `fields` are the ticket's other fields (`title`, `summary`, `reference`, `priority`,
        `amount`, `region`, `ai`, `question`, `callback_url` …); a datetime needs a time zone,
        None means not given. With the same `idempotency_key` (kept 7 days) the same proposal
        opens one ticket however often it is sent; without one each call opens its own.

        :raises Invalid: when a value is not JSON, or the service refuses a field (`.errors`).
        """
        return self._connection.send(
            calls.submit(
                proposal, checkpoint=checkpoint, idempotency_key=idempotency_key, fields=fields
            )
        )

    def get_decision(self, ticket_id: str) -> dict[str, Any]:
        """Return the ticket as it is now: `status`, `comments`, `allowed`, `decision` and the rest.

        `ticket_id` is the id, the ref (`T-1042`) or your own reference. Act on `allowed` only:
        True, False, or None while nothing is decided. `comments` is None while pending.
        """
        return self._connection.send(calls.read(ticket_id))

    def wait_for_decision(self, ticket_id: str, timeout: float | None = 3600.0) -> dict[str, Any]:
        """Return the ticket as soon as it is no longer pending, whichever way it went.

        `timeout` is in seconds; None waits as long as the ticket lives. Interruptions of the
        service up to two minutes are waited out.

        :raises Pending: when nobody decided in time; `.ticket` is the ticket as last read.
        """
        return self._connection.drive(flows.wait(self._connection.around, ticket_id, timeout))

    def resubmit(
        self,
        ticket_id: str,
        proposal: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Open the next round with a changed proposal and return the ticket.

        Votes of earlier rounds no longer count.

        :raises Conflict: when the ticket is past changing.
        :raises Invalid: as `submit_for_review`.
        """
        return self._connection.send(
            calls.resubmit(ticket_id, proposal, idempotency_key=idempotency_key, fields=fields)
        )

    def cancel(
        self, ticket_id: str, reason: str, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Stop a ticket nobody needs to look at any more and return it.

        :raises Conflict: when it has been decided.
        """
        return self._connection.send(
            calls.cancel(ticket_id, reason, idempotency_key=idempotency_key)
        )

    def acknowledge(self, ticket_id: str, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Say that you know of a revocation and act on the approval no more; return the ticket.

        :raises Conflict: when the ticket was not revoked.
        """
        return self._connection.send(calls.acknowledge(ticket_id, idempotency_key=idempotency_key))

    def receipt(self, ticket_id: str) -> dict[str, Any]:
        """Return `{"receipt": "<jwt>"}`: the signed statement of a final decision, unverified.

        :raises Conflict: while there is no final decision.
        """
        return self._connection.send(calls.receipt(ticket_id))

    def verify_receipt(self, token: str, *, action: Any = None) -> dict[str, Any]:
        """Return the claims of a receipt that this service signed and that is in force.

        Claims: `iss`, `sub` (ticket id), `jti`, `iat`, `nbf`, `exp` (seconds since 1970), `ref`,
        `checkpoint`, `round`, `outcome`, `status`, `allowed`, `action_digest`, `digest`, `voters`,
        `by`, `nonce`. A receipt may also prove a no: read `allowed`. With `action` it must be
        about exactly this action. The public keys are fetched once and kept for an hour.

        :raises ReceiptInvalid: otherwise.
        :raises Invalid: when `action` is not JSON.
        """
        digest = None if action is None else action_digest(action)
        return self._connection.drive(flows.verify_receipt(self._connection.around, token, digest))

    def consume(self, ticket_id: str, action: Any) -> dict[str, Any]:
        """Use an approval up for exactly this action, before executing it.

        Returns `{"consumption_id", "ticket_id", "action_digest", "claims", …}` after checking
        that the ticket is allowed and that its receipt proves it. Execute nothing without it.
        `Guard.verify_and_consume` does the same and records the result as well.

        :raises AlreadyConsumed: when the approval has been used.
        :raises ReceiptInvalid: when another action was approved, or nothing is proved.
        :raises Pending, Rejected, NeedsChanges, Expired, Cancelled, Revoked: by status.
        """
        return self._connection.drive(flows.consume(self._connection.around, ticket_id, action))

    def record_result(self, ticket_id: str, consumption_id: str, result: str) -> dict[str, Any]:
        """Say how the execution went and return the service's record of it.

        `result` is `applied` or `failed`.

        :raises Conflict: when another result stands already.
        :raises Invalid: for any other result.
        """
        return self._connection.send(calls.record_result(ticket_id, consumption_id, result))

    def approved_action(
        self, ticket: Mapping[str, Any], requested: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what was approved: `requested`, or the version a reviewer modified it to.

        `ticket` is the ticket as read after the decision.

        :raises ReceiptInvalid: when what was approved is neither.
        :raises Pending, Rejected, NeedsChanges, Expired, Cancelled, Revoked: by status.
        """
        return self._connection.drive(
            flows.approved_action(self._connection.around, ticket, requested)
        )

    def close(self) -> None:
        """Close the kept connections. The client cannot be used afterwards."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<HitlClient {self.core_url}>"
