"""F5: whatever waits is a column; no message of the broker waits, and one twice is one."""

import ast
from collections.abc import Iterator
from pathlib import Path

from audit.models import AuditEvent
from reviews.models import Delivery, Ticket
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
SENDING = frozenset({"apply_async", "send_task", "signature", "retry", "subtask"})
ROOMS = ("hitl_project", "reviews", "approvals", "audit")

LONGEST = 60.0  # seconds a message may lie in the broker
# What a design with a timer per ticket would write.
TIMER = "tasks.expire.apply_async(args=[ticket.pk], countdown=24 * 3600)"


def timers(source: str) -> Iterator[str]:
    """Yield every call to the broker that asks it to keep a message for more than a minute."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name not in (
            "apply_async",
            "send_task",
            "signature",
            "retry",
            "subtask",
            "delay_on_commit",
        ):
            continue
        for word in call.keywords:
            long = not isinstance(word.value, ast.Constant) or (
                isinstance(word.value.value, int | float) and word.value.value > LONGEST
            )
            if word.arg in ("eta", "countdown") and long:
                yield f"{name}({word.arg}=…)"


def sources() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def redelivered(hand: Hand) -> None:
    """Do what a worker does whose message another holds already: the same task, at once."""
    from reviews.tasks import sweep_deadlines

    hand.meet()
    sweep_deadlines()
    hand.meet()
    sweep_deadlines()


def run(scene: Scene) -> Figure:
    found = [f"{path}: {timer}" for path, text in sources() for timer in timers(text)]
    tickets, doubles = _redeliver(scene)
    return figure(
        f"every call in {sum(1 for _ in sources())} modules; 4 deliveries of one task, twice, "
        f"over {tickets} tickets",
        details={"found": found},
        timers_in_the_broker=len(found),
        double_effects=doubles,
    )


def _redeliver(scene: Scene) -> tuple[int, int]:
    from audit.clock import db_now

    people = cast(voters=1)
    ids = people.open_many(scene.size(100, least=4))
    Ticket.objects.filter(pk__in=ids).update(expires_at=db_now(), next_deadline_at=db_now())
    scene.crew(redelivered, hands=4, parcel=None)
    wrong = 0
    for pk in ids:
        told = AuditEvent.objects.filter(stream=f"ticket:{pk}", type="ticket.expired").count()
        sent = Delivery.objects.filter(ticket=pk, type="ticket.expired", channel="webhook").count()
        wrong += told != 1 or sent > 1
    return len(ids), wrong


def control(scene: Scene) -> Figure:
    """Look for timers in sources to which one was added."""
    found = [timer for _, text in sources() for timer in timers(f"{text}\n{TIMER}\n")]
    return figure("the same search with a timer in every module", timers_in_the_broker=len(found))


ROW = Row("F5", "Nothing waits in the broker", run, control)
