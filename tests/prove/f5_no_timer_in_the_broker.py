"""F5: whatever waits is a column; no message of the broker waits, and one twice is one.

The service takes its messages from Redis for good, so none comes twice. Here the broker is set to
what other installations use: a message is kept until its task has ended, and given to another
worker after two seconds, while the first is still at it.
"""

import ast
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis
from celery import Celery
from django.db import connection

from audit.clock import db_now
from audit.models import AuditEvent
from reviews.models import Ticket, WebhookEndpoint
from reviews.services import deliveries
from tests.prove import faults
from tests.prove.apart import PATIENCE, Apart, apart, people
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
SENDING = frozenset(
    {"apply_async", "send_task", "signature", "retry", "subtask", "delay_on_commit"}
)
ROOMS = ("hitl_project", "reviews", "approvals", "audit")

LONG = 6.0  # seconds a task takes, three times what a message is kept for it
LONGEST = 60.0  # seconds a message may lie in the broker
# What a design with a timer per ticket would write.
TIMER = "tasks.expire.apply_async(args=[ticket.pk], countdown=24 * 3600)"


def timers(source: str) -> Iterator[str]:
    """Yield every call to the broker that asks it to keep a message for more than a minute."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name not in SENDING:
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


def run(scene: Scene) -> Figure:
    found = [f"{path}: {timer}" for path, text in sources() for timer in timers(text)]
    return _figure(_redeliver(scene), found=found)


def control(scene: Scene) -> Figure:
    """Look for timers in sources to which one was added, and give out what is not claimed."""
    found = [timer for _, text in sources() for timer in timers(f"{text}\n{TIMER}\n")]
    scene.switch_off("ticket-lock")
    return _figure(_redeliver(scene, with_faults=["without-lease"]), found=found)


def _figure(seen: dict[str, int], *, found: list[str]) -> Figure:
    again = seen.pop("again")
    tickets = seen.pop("tickets")
    return figure(
        f"every call in {sum(1 for _ in sources())} modules; a sweep and a dispatch of {tickets} "
        f"tickets, each {LONG:.0f} s long, whose messages Redis gives out again after 2 s: two "
        f"workers were given them {again} times more",
        details={"found": found},
        timers_in_the_broker=len(found),
        messages_never_given_out_again=int(again < 2),
        **seen,
    )


def _redeliver(scene: Scene, *, with_faults: Sequence[str] = ()) -> dict[str, int]:
    """Let a sweep and a dispatch outlast what their messages may be kept; count what they did.

    Nothing else starts a task: there is no scheduler, and nobody nudges. So what comes twice
    comes from a message that was given out again.
    """
    count = scene.size(120, least=40)
    kinds = ["impatient-broker", "without-nudges", *with_faults]
    slow = LONG * deliveries.LANES / count
    with apart(
        scene.folder, webs=0, others=("worker-0", "worker-1"), with_faults=kinds, slow=slow
    ) as here:
        ids = people(here, voters=1).open_many(count)
        WebhookEndpoint.objects.update(types=["ticket.expired"])
        Ticket.objects.filter(pk__in=ids).update(expires_at=db_now(), next_deadline_at=db_now())
        Ticket.objects.filter(pk__in=ids).update(expires_at=db_now(), next_deadline_at=db_now())
        _let_updates_last(LONG / count)
        for task in ("sweep_deadlines", "dispatch_deliveries"):
            _send(here, f"reviews.tasks.{task}")
        begun = faults.begun(here.folder)
        heard = here.receiver.heard
        told = AuditEvent.objects.filter(type="ticket.expired").values_list("stream", flat=True)
        times = Counter(told)
        return {
            "tickets": count,
            "again": len(begun) - len(set(begun)),
            "told_twice": sum(times[f"ticket:{pk}"] > 1 for pk in ids),
            "never_told": sum(times[f"ticket:{pk}"] == 0 for pk in ids),
            "sent_twice": here.receiver.messages - sum(1 for pk in ids if str(pk) in heard),
            "never_sent": sum(str(pk) not in heard for pk in ids),
        }


def _let_updates_last(seconds: float) -> None:
    """Let each change of a ticket take so long."""
    with connection.cursor() as sql:
        sql.execute(
            "CREATE OR REPLACE FUNCTION proof_slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(TG_ARGV[0]::float8); RETURN NEW; END $$"
        )
        sql.execute(
            "CREATE OR REPLACE TRIGGER proof_slow BEFORE UPDATE ON reviews_ticket FOR EACH ROW "
            f"EXECUTE FUNCTION proof_slow({seconds})"
        )


def _send(here: Apart, task: str) -> None:
    """Send one message and wait until nobody holds it any more, nor any copy of it."""
    Celery(broker=here.redis.url, set_as_current=False).send_task(task)
    with redis.Redis.from_url(here.redis.url) as broker:
        deadline, quiet = time.monotonic() + PATIENCE, 0
        while quiet < 5:  # between two hands a message is nowhere for a moment
            assert time.monotonic() < deadline, f"{task} did not end"
            waits = broker.llen("celery") or broker.hlen("unacked")
            # Whoever was given a copy acknowledges for both: the first may be at it still.
            works = len(faults.begun(here.folder)) > len(faults.begun(here.folder, ended=True))
            quiet = 0 if waits or works else quiet + 1
            time.sleep(0.2)


ROW = Row("F5", "Nothing waits in the broker", run, control)
