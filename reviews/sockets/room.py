"""Everybody connected to this process: heard once, asked for their rights once, told each.

An announcement costs the same few queries for one socket as for a thousand; who hears of what is
read anew each time, so a right that is lost is felt with the next event. Who may not be here at
all any more is looked for every few seconds.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from reviews.audience import Seen, audience
from reviews.live import Change, hub
from reviews.sockets import door
from reviews.sockets.door import Caller
from reviews.threads import in_thread

log = logging.getLogger(__name__)

MOST_OF_ONE = 32
MOST_OF_ALL = 2000
# Within 10 s somebody who left hears nothing; two looks may fall into that time.
LOOK_AGAIN = 4.0
# Between two announcements: what changes meanwhile is told together.
BREATHER = 0.05
# So many unread frames a socket may have, and so many seconds one of them may take.
MOST_UNREAD = 200
PATIENCE = 20.0
# Codes with which a socket is closed (4000 and above are an application's own).
LEFT, CROWDED, SLOW, LATER = 4401, 4429, 4408, 1013
RELOAD = '{"type": "reload"}'

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Socket:
    """One connection and what it has not read yet; of two frames on one subject the later stays."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._unread: dict[str, str] = {}
        self._woken = asyncio.Event()
        self._code: int | None = None
        self.room: Room | None = None

    def hears(self, seen: Seen, change: Change) -> None:
        """Hear of a ticket its person may see."""

    def missed(self) -> None:
        """Learn that something may have happened unheard."""
        self.tell("reload", RELOAD)

    def overflow(self) -> None:
        """Have too much unread: whoever reads so slowly is sent away."""
        self.close(SLOW)

    def tell(self, subject: str, frame: str) -> None:
        """Have a frame sent as soon as the other side reads."""
        if self._unread.pop(subject, None) is None and len(self._unread) >= MOST_UNREAD:
            self._unread.clear()
            self.overflow()
            return
        self._unread[subject] = frame
        self._woken.set()

    def tell_first(self, subject: str, frame: str) -> None:
        """Have a frame sent before all that wait."""
        self._unread = {subject: frame, **self._unread}
        self._woken.set()

    def close(self, code: int) -> None:
        """Send nothing more and close."""
        self._unread.clear()
        self._code = code
        self._woken.set()

    def leave(self) -> None:
        """Be in no room any more."""
        if self.room is not None:
            self.room.forget(self)
            self.room = None

    async def serve(self, receive: Receive, send: Send) -> None:
        """Write what is told, until one of the two sides closes."""
        reader = asyncio.create_task(self._read(receive))
        try:
            while not reader.done():
                await self._woken.wait()
                self._woken.clear()
                while self._unread and self._code is None:
                    subject = next(iter(self._unread))
                    frame = self._unread.pop(subject)
                    async with asyncio.timeout(PATIENCE):
                        await send({"type": "websocket.send", "text": frame})
                if self._code is not None:
                    async with asyncio.timeout(PATIENCE):
                        await send({"type": "websocket.close", "code": self._code})
                    return
        except (TimeoutError, OSError):
            pass  # who does not read, or is gone, misses nothing by not being told why
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def _read(self, receive: Receive) -> None:
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if message.get("text") == "ping":
                    self.tell("ping", "pong")
        finally:
            self._woken.set()


class Room:
    """The sockets of one process, on one event loop."""

    def __init__(self) -> None:
        self.sockets: dict[int, set[Socket]] = {}
        self.count = 0
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._tell_forever()), loop.create_task(self._look_again())]
        self._tasks[0].add_done_callback(lambda _: _rooms.pop(loop, None))

    def enter(self, socket: Socket) -> bool:
        """Let a socket in, unless there are too many of its person or altogether."""
        theirs = self.sockets.get(socket.caller.user_id, set())
        if len(theirs) >= MOST_OF_ONE or self.count >= MOST_OF_ALL:
            return False
        self.sockets.setdefault(socket.caller.user_id, theirs).add(socket)
        self.count += 1
        socket.room = self
        return True

    def forget(self, socket: Socket) -> None:
        """Let a socket go."""
        theirs = self.sockets[socket.caller.user_id]
        theirs.discard(socket)
        self.count -= 1
        if not theirs:
            del self.sockets[socket.caller.user_id]

    def everybody(self) -> list[Socket]:
        """Return all sockets as they are now."""
        return [socket for theirs in self.sockets.values() for socket in theirs]

    async def _tell_forever(self) -> None:
        with hub().listening() as heard:
            while True:
                changes = await heard.changed()
                if heard.missed:
                    heard.missed = False
                    for socket in self.everybody():
                        socket.missed()
                try:
                    await self._tell(changes)
                except Exception as problem:
                    # Without a database nobody's rights are known, so nobody is told.
                    log.warning("Changes not told to sockets: %s", problem)
                await asyncio.sleep(BREATHER)

    async def _tell(self, changes: dict[str, Change]) -> None:
        people = list(self.sockets)
        if not people or not changes:
            return
        tickets = [UUID(one) for one in changes]
        for seen in await in_thread(lambda: audience(people, tickets)):
            change = changes[str(seen.ticket_id)]
            for person in seen.by:
                for socket in list(self.sockets.get(person, ())):
                    socket.hears(seen, change)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            try:
                await self._send_away()
            except Exception as problem:
                log.warning("Sockets not looked at: %s", problem)

    async def _send_away(self) -> None:
        sockets = self.everybody()
        callers = {socket.caller for socket in sockets}
        standing = await in_thread(lambda: door.still_standing(callers))
        for socket in sockets:
            if socket.caller not in standing:
                socket.close(LEFT)


_rooms: dict[asyncio.AbstractEventLoop, Room] = {}


def room() -> Room:
    """Return the room of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _rooms:
        _rooms[loop] = Room()
    return _rooms[loop]


async def welcome(
    scope: dict[str, Any], receive: Receive, send: Send, make: Callable[[Caller], Socket | None]
) -> Socket | None:
    """Return the socket of somebody who may have one, accepted and in the room; else refuse."""
    await receive()
    code = LATER
    try:
        caller = await in_thread(lambda: door.admitted(scope))
        code = LEFT
    except Exception as problem:
        log.warning("A socket could not be opened: %s", problem)
        caller = None
    socket = make(caller) if caller is not None else None
    if socket is not None:
        code = CROWDED
        if room().enter(socket):
            await hub().ready(1.0)
            try:
                await send({"type": "websocket.accept"})
            except OSError:
                socket.leave()
                return None
            return socket
    await send({"type": "websocket.close", "code": code})
    return None


async def refuse(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Refuse a socket at an address that has none."""
    await receive()
    await send({"type": "websocket.close", "code": LEFT})


def frame(**members: Any) -> str:
    """Return a frame as it is sent."""
    return json.dumps(members)
