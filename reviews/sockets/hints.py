"""`WS /ws/v1/me`: that something changed, never what. The page or program looks for itself."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from audit.ids import least_id_at, new_id
from audit.models import AuditEvent
from reviews.audience import Seen, audience
from reviews.live import Change
from reviews.models import Ticket
from reviews.presence import VIEWING
from reviews.services.lookup import as_uuid
from reviews.sockets.door import Caller
from reviews.sockets.room import LATER, RELOAD, Receive, Send, Socket, frame, log, welcome
from reviews.threads import in_thread

# A transaction commits later than it took the ids of its events, and clocks differ: so much is
# read again before the last that was heard. A hint may come twice and does no harm.
OVERLAP = timedelta(seconds=60)
# Beyond these a client is told to load everything.
MOST_MISSED = 500
LONGEST_AWAY = timedelta(hours=1)
_TAKEN = {"ticket.claimed", "ticket.assigned"}


class HintSocket(Socket):
    """Hears of every ticket its person may see, or of one alone."""

    def __init__(self, caller: Caller, only: UUID | None) -> None:
        super().__init__(caller)
        self.only = only

    def hears(self, seen: Seen, change: Change) -> None:
        """Send the ticket's id, its version, and what kind of change it was."""
        kind = kind_of(seen, change)
        if self.only in (None, seen.ticket_id) and (kind != VIEWING or self.only):
            name = str(seen.ticket_id)
            hint = {"seq": change.seq, "id": name, "version": seen.version, "kind": kind}
            self.tell(name, frame(type="ticket", **hint))

    def overflow(self) -> None:
        """Say that there was too much to tell."""
        self.tell("reload", RELOAD)


def kind_of(seen: Seen, change: Change) -> str:
    """Return opened, taken, decided or changed; `viewing` where only who looks at it changed."""
    if change.types == {VIEWING}:
        return VIEWING
    if not seen.waits and seen.status != Ticket.Status.NEEDS_CHANGES:
        return "decided"
    if "ticket.opened" in change.types:
        return "opened"
    return "taken" if change.types & _TAKEN else "changed"


async def hints(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one socket; `after` asks for what was missed, `ticket` narrows to one."""
    asked = parse_qs(scope["query_string"].decode("latin-1"))
    after, ticket = (asked.get(name, [""])[0] for name in ("after", "ticket"))
    only = as_uuid(ticket)
    if ticket and only is None:
        only = UUID(int=0)  # nothing is called that, so nothing is heard of it
    socket = await welcome(scope, receive, send, lambda caller: HintSocket(caller, only))
    if socket is None:
        return
    try:
        # From here on everything is heard; what was before is read after that.
        socket.tell_first("hello", frame(type="hello", seq=str(new_id())))
        if after:
            await _catch_up(socket, after)
        await socket.serve(receive, send)
    finally:
        socket.leave()


async def _catch_up(socket: Socket, after: str) -> None:
    person = socket.caller.user_id
    try:
        missed = await in_thread(lambda: missed_since(after, person))
    except Exception as problem:
        log.warning("What a socket missed was not read: %s", problem)
        socket.close(LATER)
        return
    if missed is None:
        socket.tell("reload", RELOAD)
        return
    for seen, change in missed:
        socket.hears(seen, change)


def missed_since(after: str, person: int) -> list[tuple[Seen, Change]] | None:
    """Return what happened since an event, as this person may hear of it; None for too much."""
    since = as_uuid(after)
    if since is None or since.version != 7:
        return None
    try:
        made = datetime.fromtimestamp((since.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # thousands of years from now
        return None
    if not timedelta(0) <= datetime.now(UTC) - made + OVERLAP <= LONGEST_AWAY:
        return None
    rows = AuditEvent.objects.filter(
        id__gte=least_id_at(made - OVERLAP), stream__startswith="ticket:"
    ).order_by("id")
    changes: dict[UUID, Change] = {}
    found = rows.values_list("id", "stream", "type")[: MOST_MISSED + 1]
    for place, (seq, stream, what) in enumerate(found):
        if place == MOST_MISSED:
            return None
        ticket = UUID(stream.partition(":")[2])
        changes.setdefault(ticket, Change()).add(str(seq), [what])
    return [(seen, changes[seen.ticket_id])
            for seen in audience([person], list(changes)) if person in seen.by]  # fmt: skip
