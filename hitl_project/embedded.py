"""The one-process mode: worker and scheduler in supervised threads, live updates in memory."""

import asyncio
import fcntl
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

logger = logging.getLogger(__name__)


# --- Supervised threads -------------------------------------------------------------------------
class Supervised:
    """Keep one long-running function alive in a daemon thread until told to stop.

    `run` returns only after `halt` was called; when it returns or raises earlier it is started
    again after a pause that doubles from `pause` up to 30 seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        run: Callable[[], None],
        halt: Callable[[], None],
        pause: float = 0.5,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.fault = ""
        self.running = False
        self._run, self._halt, self._pause = run, halt, pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"embedded-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the function to return; `ended` waits for it."""
        self._stopping.set()
        self._halt()

    def ended(self, within: float) -> bool:
        """Return whether the thread ended, waiting at most `within` seconds."""
        self._thread.join(within)
        return not self._thread.is_alive()

    def _keep(self) -> None:
        pause = self._pause
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self.running = True
                self._run()
                self.fault = "it returned by itself"
            except BaseException as fault:  # SystemExit included: this thread must not just vanish
                self.fault = f"{type(fault).__name__}: {fault}"
            finally:
                self.running = False
            if self._stopping.is_set():
                return
            self.restarts += 1
            logger.error("The embedded %s stopped (%s); starting it again.", self.name, self.fault)
            if time.monotonic() - started > 60:
                pause = self._pause
            self._stopping.wait(pause)
            pause = min(pause * 2, 30.0)


threads: list[Supervised] = []


def start_threads() -> None:
    """Start Celery's worker and scheduler inside this process."""
    threads.extend([_worker(), _scheduler()])
    for thread in threads:
        thread.start()


def halt_threads() -> None:
    """Ask them to end, without waiting for it; harmless to repeat."""
    for thread in reversed(threads):
        thread.stop()


def stop_threads(within: float) -> bool:
    """Stop them; return whether all ended within so many seconds."""
    halt_threads()
    deadline = time.monotonic() + within
    ended = [thread.ended(max(0.0, deadline - time.monotonic())) for thread in threads]
    threads.clear()
    return all(ended)


def _worker() -> Supervised:
    from celery.worker import state

    from hitl_project.celery import app, beat_heartbeat

    def run() -> None:
        state.should_stop = None
        app.WorkController(
            pool_cls="threads",
            concurrency=2,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        ).start()

    def halt() -> None:
        state.should_stop = 0
        # The consumer looks at that after each message and then waits for one more, two seconds
        # each; in memory these wake it at once.
        if app.conf.broker_url.startswith("memory:"):
            beat_heartbeat.delay()
            beat_heartbeat.delay()

    return Supervised("worker", run=run, halt=halt)


def _scheduler() -> Supervised:
    from celery.beat import Scheduler, Service

    from hitl_project.celery import app

    current: list[Any] = []

    def run() -> None:
        current[:] = [Service(app, scheduler_cls=Scheduler)]
        current[0].start()

    def halt() -> None:
        for service in current:
            service.stop()

    return Supervised("scheduler", run=run, halt=halt)


# --- One process per data folder ----------------------------------------------------------------
def sole_process(folder: Path) -> IO[str] | None:
    """Return the held lock of a data folder, or None when another process holds it.

    Two processes without Redis would each keep their own live updates and worker.
    """
    held = (folder / "serve.lock").open("a")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return None
    return held


# --- Live updates in memory ---------------------------------------------------------------------
@dataclass
class _Box:
    """What waits on one channel, and who waits for it (each on a loop of its own)."""

    messages: deque[tuple[float, dict[str, Any]]] = field(default_factory=deque)
    waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = field(
        default_factory=deque
    )


class ThreadSafeChannelLayer(BaseChannelLayer):
    """Carry messages between threads of this process; each receiver is woken on its own loop.

    A worker's thread sends from a loop that ends with the call, so nothing that belongs to a loop
    may be kept by the sender. Nothing here awaits while it holds the lock.
    """

    extensions = ["groups", "flush"]

    def __init__(self, expiry: int = 60, capacity: int = 100, **kwargs: Any) -> None:
        super().__init__(expiry=expiry, capacity=capacity, **kwargs)
        self._lock = threading.Lock()
        self._boxes: dict[str, _Box] = {}
        self._groups: dict[str, set[str]] = {}

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name nobody else has."""
        import uuid

        return f"{prefix}.memory!{uuid.uuid4().hex}"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Leave a message on the channel.

        :raises ChannelFull: when nobody takes the messages away.
        """
        self.require_valid_channel_name(channel)
        copy = deepcopy(message)
        with self._lock:
            self._leave(channel, copy)

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the oldest message of the channel, waiting for one."""
        self.require_valid_channel_name(channel)
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                box = self._boxes.setdefault(channel, _Box())
                while box.messages:
                    expires, message = box.messages.popleft()
                    if expires >= time.monotonic():
                        self._forget_if_idle(channel)
                        return message
                woken = loop.create_future()
                box.waiting.append((loop, woken))
            try:
                await woken
            except asyncio.CancelledError:
                with self._lock:
                    self._withdraw(channel, loop, woken)
                raise

    async def group_add(self, group: str, channel: str) -> None:
        """Let the channel hear what is sent to the group."""
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            self._groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Let the channel hear the group no longer."""
        self.require_valid_group_name(group)
        with self._lock:
            members = self._groups.get(group, set())
            members.discard(channel)
            if not members:
                self._groups.pop(group, None)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Leave a message on every channel of the group; a full one misses it."""
        self.require_valid_group_name(group)
        copies = deepcopy(message)
        with self._lock:
            for channel in tuple(self._groups.get(group, ())):
                try:
                    self._leave(channel, deepcopy(copies))
                except ChannelFull:
                    self._forget_if_abandoned(channel)

    async def flush(self) -> None:
        """Forget everything."""
        with self._lock:
            self._boxes.clear()
            self._groups.clear()

    async def close(self) -> None:
        """Nothing is open."""

    def _leave(self, channel: str, message: dict[str, Any]) -> None:
        box = self._boxes.setdefault(channel, _Box())
        if len(box.messages) >= self.get_capacity(channel):
            raise ChannelFull(channel)
        box.messages.append((time.monotonic() + self.expiry, message))
        while box.waiting:
            loop, woken = box.waiting.popleft()
            try:
                loop.call_soon_threadsafe(_wake, woken)
            except RuntimeError:  # that loop is closed, nobody waits there any more
                continue
            return

    def _withdraw(
        self, channel: str, loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None]
    ) -> None:
        box = self._boxes.get(channel)
        if box is None:
            return
        if (loop, woken) in box.waiting:
            box.waiting.remove((loop, woken))
        elif box.messages and box.waiting:
            # This one was woken and gave up; the message must not wait for the next to arrive.
            other, next_woken = box.waiting.popleft()
            other.call_soon_threadsafe(_wake, next_woken)
        self._forget_if_idle(channel)

    def _forget_if_idle(self, channel: str) -> None:
        box = self._boxes[channel]
        if not box.messages and not box.waiting:
            del self._boxes[channel]

    def _forget_if_abandoned(self, channel: str) -> None:
        """Drop a channel whose oldest message expired: whoever listened is gone."""
        box = self._boxes[channel]
        if box.messages and box.messages[0][0] < time.monotonic():
            del self._boxes[channel]
            for members in self._groups.values():
                members.discard(channel)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
