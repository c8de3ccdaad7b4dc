"""D15: around the end of a hold and of a revocation: inside it works, after it never."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from approvals.errors import Refusal
from approvals.models import Decision, Vote
from audit.clock import db_now, shifted
from reviews.models import Delivery, Ticket
from reviews.services.receipts import consume_receipt
from reviews.services.sweeps import conclude_tickets
from reviews.services.tickets import cancel_ticket, revoke_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.prove.cast import Cast, cast
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

HOLD = "PT10S"
STEP = timedelta(milliseconds=10)


@dataclass
class Attempt:
    """One act around one boundary: between which instants it ran, and whether it was done."""

    act: str
    boundary: datetime
    before: datetime
    after: datetime
    done: bool
    wrong: list[str] = field(default_factory=list)

    def judge(self, *, until: bool) -> None:
        """Note it as wrong when it was done too late (`until`), or too early, or refused in time.

        The clock goes on while it runs, so an attempt that ran across the boundary may go
        either way; there are few, and they are counted.
        """
        side = "in time" if until else "too early"
        if self.after < self.boundary and self.done != until:
            self.wrong.append(f"{self.act} {side}: {'done' if self.done else 'refused'}")
        if self.before >= self.boundary and self.done == until:
            late = "too late" if until else "when it was time"
            self.wrong.append(f"{self.act} {late}: {'done' if self.done else 'refused'}")

    @property
    def across(self) -> bool:
        return self.before < self.boundary <= self.after


def settled(people: Cast) -> tuple[UUID, Decision]:
    """Return a ticket whose answer is held, and its decision."""
    ticket = people.open().pk
    cast_vote(ticket_id=ticket, voter=people.voters[0], choice="approve", version=1)
    return ticket, Decision.objects.get(subject=ticket)


def attempt(name: str, act: Callable[[], Any], boundary: datetime, distance: timedelta) -> Attempt:
    """Act when the clock stands at this distance from the boundary."""
    with shifted(boundary + distance - db_now()):
        before = db_now()
        try:
            act()
            done = True
        except Refusal:
            done = False
        return Attempt(name, boundary, before, db_now(), done)


def deliveries(ticket: UUID) -> int:
    return Delivery.objects.filter(ticket=ticket, type="ticket.decided").count()


def around_the_hold(people: Cast, distance: timedelta) -> list[Attempt]:
    """Take back, cancel, consume and conclude, each on a ticket of its own."""
    found = []
    for name in ("take back", "cancel", "consume", "conclude"):
        ticket, decision = settled(people)
        assert decision.final_at is not None
        early = deliveries(ticket)
        until = name in ("take back", "cancel")
        act = partial(_act, people, name, ticket, decision)
        tried = attempt(name, act, decision.final_at, distance)
        left = deliveries(ticket)
        if name == "conclude":
            tried.done = left > 0
        tried.judge(until=until)
        told = Delivery.objects.filter(ticket=ticket, created_at__lt=decision.final_at).count()
        if early or told or (tried.after < tried.boundary and left):
            tried.wrong.append(f"{name}: delivered before it was final")
        if left > 1:
            tried.wrong.append(f"{name}: delivered {left} times")
        vote = Vote.objects.filter(decision=decision).first()
        if vote and vote.withdrawn_at and vote.withdrawn_at >= decision.final_at:
            tried.wrong.append("taken back after it was final")
        found.append(tried)
    return found


def _act(people: Cast, name: str, ticket: UUID, decision: Decision) -> None:
    if name == "take back":
        withdraw_vote(ticket_id=ticket, voter=people.voters[0])
    elif name == "cancel":
        cancel_ticket(ticket_id=ticket, by=people.key.user, reason="")
    elif name == "consume":
        digest = decision.executed_digest
        consume_receipt(ticket_id=ticket, key=people.key, nonce="n", digest=digest)
    else:
        conclude_tickets([ticket])


def around_the_revocation(people: Cast, distance: timedelta) -> list[Attempt]:
    """Revoke a final decision."""
    ticket, decision = settled(people)
    assert decision.final_at is not None
    assert decision.revocable_until is not None
    with shifted(decision.final_at - db_now()):
        conclude_tickets([ticket])

    def revoke() -> None:
        revoke_ticket(ticket_id=ticket, by=people.voters[0], reason="no")

    tried = attempt("revoke", revoke, decision.revocable_until, distance)
    tried.judge(until=True)
    status = Ticket.objects.values_list("status", flat=True).get(pk=ticket)
    if status != ("revoked" if tried.done else "approved"):
        tried.wrong.append(f"revoke: {'done' if tried.done else 'refused'}, yet {status}")
    return [tried]


def sweep(*, steps: int) -> Figure:
    """Try everything at `steps` distances on each side of both boundaries."""
    people = cast(voters=1, hold=HOLD)
    reach = timedelta(seconds=1) / steps if steps < 100 else STEP
    tried: list[Attempt] = []
    for place in range(-steps, steps + 1):
        tried += around_the_hold(people, place * reach)
        tried += around_the_revocation(people, place * reach)
    wrong = Counter(sentence for attempt in tried for sentence in attempt.wrong)
    early = sum(n for sentence, n in wrong.items() if "before it was final" in sentence)
    across = sum(attempt.across for attempt in tried)
    return figure(
        f"{len(tried)} acts from −1 s to +1 s around two boundaries ({across} ran across one)",
        details={"wrong": dict(wrong), "done": sum(attempt.done for attempt in tried)},
        wrong=sum(wrong.values()) - early,
        deliveries_before_final=early,
    )


def run(scene: Scene) -> Figure:
    return sweep(steps=scene.size(100, least=3))


def control(scene: Scene) -> Figure:
    """Go by a clock of one's own that is half a second ahead of the database's."""
    scene.switch_off("one-clock")
    return sweep(steps=10)


ROW = Row("D15", "Inside its window it can be taken back, after it never", run, control)
