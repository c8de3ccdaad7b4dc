"""Hear of changed tickets, on an event loop of a web process.

However many callers and pages wait here, a process listens once and passes on what it hears. What
is heard is a hint and may be lost: whoever waits looks again by themselves now and then.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from channels.layers import get_channel_layer

from reviews.nudges import GROUP

# A layer that lost its Redis lost what it knew of us too; a group forgets members after a day.
_AFTER_A_FAULT = 1.0
_JOIN_AGAIN = 3600.0


@dataclass(slots=True)
class Change:
    """What is known of a changed ticket: the id of its latest event, and what happened."""

    seq: str = ""
    types: set[str] = field(default_factory=set)

    def add(self, seq: str, types: Iterable[str]) -> None:
        """Note one more thing that happened."""
        self.seq = max(self.seq, seq)
        self.types.update(types)


class Listener:
    """What one waiter heard since it last asked. `missed`: that something may have been missed."""

    def __init__(self, ticket_id: str | None) -> None:
        self.ticket_id = ticket_id
        self.missed = False
        self._heard: dict[str, Change] = {}
        self._woken = asyncio.Event()

    def hear(self, changes: Iterable[tuple[str, str, list[str]]]) -> None:
        """Note the changes this waiter waits for."""
        for ticket_id, seq, types in changes:
            if self.ticket_id in (None, ticket_id):
                self._heard.setdefault(ticket_id, Change()).add(seq, types)
                self._woken.set()

    def miss(self) -> None:
        """Note that something may have happened unheard."""
        self.missed = True
        self.wake()

    def wake(self) -> None:
        """Have the waiter look up, though nothing was heard."""
        self._woken.set()

    async def changed(self) -> dict[str, Change]:
        """Wait for changes and return them by the id of the ticket."""
        await self._woken.wait()
        self._woken.clear()
        heard, self._heard = self._heard, {}
        return heard


class Hub:
    """The one ear of a process, on one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._by_ticket: dict[str, set[Listener]] = {}
        self._joined = asyncio.Event()
        self._deaf = False
        self.ending = False
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._listen_forever())
        # A loop that ends cancels its tasks; the next one gets a hub of its own.
        self._task.add_done_callback(lambda _: _hubs.pop(loop, None))

    async def ready(self, within: float) -> bool:
        """Return whether whatever is announced from now on is heard."""
        try:
            await asyncio.wait_for(self._joined.wait(), within)
        except TimeoutError:
            return False
        return True

    @contextmanager
    def listening(self, ticket_id: str | None = None) -> Iterator[Listener]:
        """Yield a listener for one ticket, or for all of them."""
        one = Listener(ticket_id)
        kept = (
            self._listeners if ticket_id is None else self._by_ticket.setdefault(ticket_id, set())
        )
        kept.add(one)
        try:
            yield one
        finally:
            kept.discard(one)
            if ticket_id is not None and not kept:
                self._by_ticket.pop(ticket_id, None)

    def end(self) -> None:
        """Have all who wait here answer now: the process is about to end."""
        self.ending = True
        for one in [*self._listeners, *chain.from_iterable(self._by_ticket.values())]:
            one.wake()

    def _pass_on(self, message: dict[str, Any]) -> None:
        changes = message["changes"]
        for one in self._listeners:
            one.hear(changes)
        for change in changes:
            for one in self._by_ticket.get(change[0], ()):
                one.hear([change])

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception:  # the layer's client has many kinds; each ends with another try
                self._joined.clear()
                self._deaf = True
                await asyncio.sleep(_AFTER_A_FAULT)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        if layer is None:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        channel = await layer.new_channel("hub")
        try:
            while True:
                await layer.group_add(GROUP, channel)
                self._joined.set()
                if self._deaf:
                    self._deaf = False
                    for one in self._listeners:
                        one.miss()
                until = loop.time() + _JOIN_AGAIN
                while (left := until - loop.time()) > 0:
                    try:
                        message = await asyncio.wait_for(layer.receive(channel), left)
                    except TimeoutError:
                        break
                    self._pass_on(message)
        finally:
            await layer.group_discard(GROUP, channel)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def end_waiting() -> None:
    """Have all who wait in this process answered, before it ends; signal handlers may call it.

    Cut off later, their callers would hear of a failure where there is none.
    """
    for loop, one in list(_hubs.items()):
        with suppress(RuntimeError):  # a loop that is closed has nobody waiting
            loop.call_soon_threadsafe(one.end)
