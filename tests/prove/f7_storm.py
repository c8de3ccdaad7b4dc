"""F7: ten thousand deadlines in one second are handled, and who votes meanwhile hardly waits."""

import time
from uuid import UUID

from approvals.errors import Busy
from approvals.models import User
from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.votes import cast_vote
from tests.prove import storm
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

LATE, SLOW = 60.0, 1.0  # seconds: 95 of 100 deadlines, 99 of 100 votes


def sweep_or_vote(hand: Hand) -> None:
    """Sweep as hand 0; as any other, vote on tickets of the storm for as long as it lasts."""
    if hand.number == 0:
        storm.beat(hand)
        return
    voter = User.objects.get(username="ann")
    storm.raise_it(hand, [])
    for ticket in hand.parcel[hand.number]:
        began = time.monotonic()
        try:
            cast_vote(ticket_id=UUID(ticket), voter=voter, choice="approve", version=1)
        except Busy:
            pass  # it waited for as long as anybody may
        hand.note(vote=time.monotonic() - began)
        if not Ticket.objects.due_for_conclusion(db_now()).exists():
            return


def weather(scene: Scene, count: int) -> tuple[list[UUID], list[float], list[float]]:
    """Raise a storm; return its tickets, how late each was handled and how long votes took."""
    ids = storm.waiting(count)
    asked = Ticket.objects.filter(decision__policy__slug="general").order_by("-pk")
    # Those who vote take what comes last, and so at times what is being swept.
    voted = [str(pk) for pk in asked.values_list("pk", flat=True)]
    parcel = {"ids": [str(pk) for pk in ids], 1: voted[::2], 2: voted[1::2]}
    scene.processes = 3
    ledger = scene.crew(sweep_or_vote, hands=3, parcel=parcel)
    times = sorted(line["vote"] for line in ledger if "vote" in line)
    return ids, storm.lateness(ids, ledger), times


def judged(found: tuple[list[UUID], list[float], list[float]]) -> Figure:
    ids, late, votes = found
    p95, p99 = storm.share(late, 0.95), storm.share(votes, 0.99)
    return figure(
        f"{len(ids)} tickets due in one second: p50 late {storm.share(late, 0.5):.1f} s, "
        f"p95 {p95:.1f} s; {len(votes)} votes meanwhile, p99 {p99 * 1000:.0f} ms",
        **storm.wrong(ids),
        too_late=int(p95 >= LATE),
        votes_too_slow=int(p99 >= SLOW),
    )


def run(scene: Scene) -> Figure:
    return judged(weather(scene, scene.size(10_000, least=300)))


def control(scene: Scene) -> Figure:
    """Sweep all of it in one transaction."""
    scene.switch_off("bounded-batches")
    return judged(weather(scene, 10_000))


ROW = Row("F7", "A storm of deadlines keeps nobody from voting", run, control)
