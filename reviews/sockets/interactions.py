"""`WS /ws/hitl/{user_id}`: the interactions of an earlier design, as they come to wait.

These frames carry what is asked, so each is read for its person when it is sent. That is a query
per person, which is why there are few such sockets to a process.
"""

import asyncio
from typing import Any
from uuid import UUID

from approvals.models import User
from reviews.api.me import pending_for
from reviews.api.seed_routes import MOST_LISTED
from reviews.audience import Seen
from reviews.interactions import interaction, is_named
from reviews.live import Change
from reviews.sockets.door import Caller
from reviews.sockets.room import LATER, Receive, Send, Socket, frame, room, welcome
from reviews.threads import in_thread

MOST_OF_THESE = 200


class InteractionSocket(Socket):
    """Hears of each interaction once, when it comes to wait for its person."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller)
        self.sent: dict[UUID, int] = {}
        self._wanted: set[UUID] | None = set()  # None: whatever waits
        self._asked = asyncio.Event()

    def hears(self, seen: Seen, change: Change) -> None:  # noqa: ARG002
        """Note a ticket that waits and was not sent as it now is; `follow` reads it."""
        if not seen.waits:
            self.sent.pop(seen.ticket_id, None)
        elif self.sent.get(seen.ticket_id) != seen.version:
            if self._wanted is not None:
                self._wanted.add(seen.ticket_id)
            self._asked.set()

    def missed(self) -> None:
        """Look at everything that waits: these clients know no other frames than theirs."""
        self._wanted = None
        self._asked.set()

    async def follow(self) -> None:
        """Send what comes to wait for this person, first of all what waits already."""
        pending = await self.waiting()
        self.sent |= {ticket: version for ticket, version, _ in pending}
        data = [told for _, _, told in pending]
        self.tell("pending", frame(type="pending_interactions", data=data))
        while True:
            await self._asked.wait()
            self._asked.clear()
            wanted, self._wanted = self._wanted, set()
            for ticket, version, told in await self.waiting(only=wanted):
                if self.sent.get(ticket) != version:
                    self.sent[ticket] = version
                    self.tell(str(ticket), frame(type="new_interaction", data=told))

    async def waiting(self, *, only: set[UUID] | None = None) -> list[tuple[UUID, int, Any]]:
        """Return what waits for this person: id, version, and the interaction."""
        return await in_thread(lambda: self._waiting(only))

    def _waiting(self, only: set[UUID] | None) -> list[tuple[UUID, int, Any]]:
        person = User.objects.filter(pk=self.caller.user_id).first()
        if person is None:
            return []
        found = pending_for(person)
        if only is not None:
            found = found.filter(pk__in=only)
        rows = found.select_related("decision", "checkpoint").order_by("created_at", "pk")
        return [
            (ticket.pk, ticket.version, interaction(ticket, person))
            for ticket in rows[:MOST_LISTED]
        ]


async def interactions(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one socket, to the person in its address alone."""
    name = scope["url_route"]["kwargs"]["user_id"]

    def make(caller: Caller) -> Socket | None:
        theirs = is_named(name, id=caller.user_id, username=caller.username)
        here = sum(isinstance(one, InteractionSocket) for one in room().everybody())
        return InteractionSocket(caller) if theirs and here < MOST_OF_THESE else None

    socket = await welcome(scope, receive, send, make)
    if not isinstance(socket, InteractionSocket):
        return
    following = asyncio.create_task(socket.follow())
    # What cannot be read is not told; the client comes back and asks anew.
    following.add_done_callback(lambda _: socket.close(LATER))
    try:
        await socket.serve(receive, send)
    finally:
        following.cancel()
        socket.leave()
