"""A5: many writers append to one stream: one linear chain, without forks and gaps."""

import time
from collections import Counter

from audit.chain import verify_stream
from audit.clock import db_now
from audit.models import AuditEvent, ChainHead
from audit.services import Draft, record_alone, stored_fields
from tests.prove import switches
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene


def write_many(hand: Hand) -> None:
    """Append events one by one, each in a transaction of its own."""
    hand.meet()
    began = time.monotonic()
    for n in range(hand.parcel["events"]):
        draft = Draft("proof.written", db_now(), data={"hand": hand.number, "n": n})
        record_alone(hand.parcel["stream"], draft)
    hand.note(written=hand.parcel["events"], seconds=time.monotonic() - began)


def race(scene: Scene, *, writers: int, events: int) -> Figure:
    stream = f"proof:{scene.seed}"
    record_alone(stream, Draft("proof.begun", db_now()))
    ledger = scene.crew(write_many, hands=writers, parcel={"stream": stream, "events": events})
    stored = AuditEvent.objects.filter(stream=stream).order_by("seq", "at")
    problems = Counter(problem.kind for problem in verify_stream(stored_fields(stored)))
    written = sum(line["written"] for line in ledger)
    rate = written / max(line["seconds"] for line in ledger)
    head = ChainHead.objects.get(pk=stream)
    found = figure(
        f"{writers} writers × {events} events on one stream",
        details={"events_per_second": round(rate), "problems": dict(problems)},
        forks=problems["fork"],
        gaps=problems["gap"],
        other_problems=sum(problems.values()) - problems["fork"] - problems["gap"],
        events_lost=abs(written + 1 - stored.count()) + abs(written + 1 - head.seq),
    )
    return Figure(found.broken, f"{found.sentence}; {rate:.0f} events/s", found.ran, found.details)


def run(scene: Scene) -> Figure:
    return race(scene, writers=scene.size(32, least=4), events=scene.size(300, least=10))


def control(scene: Scene) -> Figure:
    scene.switch_off("head-lock")
    switches.drop_constraints("audit_event_one_per_position", "audit_event_one_successor")
    switches.drop_triggers("head_forward")
    return race(scene, writers=scene.size(32, least=4), events=scene.size(60, least=20))


ROW = Row("A5", "One linear chain per stream", run, control)
