"""Connections: they drive flows, open sockets, and decide nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2

from hitl_client import flows
from hitl_client.calls import Answer, Call, Failure
from hitl_client.flows import Flow, Pause, Surroundings
from hitl_client.retries import Retries
from hitl_client.transport import HEADERS, Bearer, Wire

T = TypeVar("T")


class Connection:
    """A blocking connection; threads may share it. Arguments as for `HitlClient`."""

    def __init__(
        self,
        core_url: str,
        key: Bearer | None,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        issuer: str | None = None,
        clock_skew: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._wire = Wire(core_url, key, timeout=timeout)
        self._sleep = sleep
        self.core_url = self._wire.core_url
        self.around = Surroundings(
            issuer=issuer or self.core_url,
            retries=Retries(count=retries),
            clock_skew=clock_skew,
            monotonic=monotonic,
            now=now,
        )
        # The key goes to this service and nowhere else.
        self._http = httpx2.Client(headers=HEADERS, follow_redirects=False)

    def send(self, call: Call) -> dict[str, Any]:
        """Return the JSON object a call is answered with."""
        return self.drive(flows.send(self.around, call))

    def drive(self, flow: Flow[T]) -> T:
        """Return what a flow comes to, doing what it asks for."""
        received: Answer | Failure | None = None
        while True:
            try:
                step = flow.send(received)
            except StopIteration as finished:
                result: T = finished.value
                return result
            if isinstance(step, Pause):
                self._sleep(step.seconds)
                received = None
            else:
                received = self._exchange(step)

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def __repr__(self) -> str:
        return f"<Connection {self.core_url}>"

    def _exchange(self, call: Call) -> Answer | Failure:
        try:
            response = self._http.request(**self._wire.options(call))
        except httpx2.RequestError as problem:
            return self._wire.failure(problem)
        return self._wire.answer(response)


class AsyncConnection:
    """The same for asyncio; tasks may share it. Arguments as for `AsyncHitlClient`."""

    def __init__(
        self,
        core_url: str,
        key: Bearer | None,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        issuer: str | None = None,
        clock_skew: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._wire = Wire(core_url, key, timeout=timeout)
        self._sleep = sleep
        self.core_url = self._wire.core_url
        self.around = Surroundings(
            issuer=issuer or self.core_url,
            retries=Retries(count=retries),
            clock_skew=clock_skew,
            monotonic=monotonic,
            now=now,
        )
        self._http = httpx2.AsyncClient(headers=HEADERS, follow_redirects=False)

    async def send(self, call: Call) -> dict[str, Any]:
        """Return the JSON object a call is answered with."""
        return await self.drive(flows.send(self.around, call))

    async def drive(self, flow: Flow[T]) -> T:
        """Return what a flow comes to, doing what it asks for."""
        received: Answer | Failure | None = None
        while True:
            try:
                step = flow.send(received)
            except StopIteration as finished:
                result: T = finished.value
                return result
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
                received = None
            else:
                received = await self._exchange(step)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._http.aclose()

    def __repr__(self) -> str:
        return f"<AsyncConnection {self.core_url}>"

    async def _exchange(self, call: Call) -> Answer | Failure:
        try:
            response = await self._http.request(**self._wire.options(call))
        except httpx2.RequestError as problem:
            return self._wire.failure(problem)
        return self._wire.answer(response)
