"""F8: the database's clock is the only one; a host whose own is ten minutes off decides alike."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.sweeps import sweep_deadlines
from tests.prove.cast import Cast, cast
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
OFF = timedelta(minutes=10)
LIMIT = timedelta(minutes=2)  # between the boundary and each look at it
READ = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("timezone", "now"), ("timezone", "localtime"), ("time", "time"), ("time", "time_ns"),
}  # fmt: skip
# What decides: the services, and all that they ask which needs no database.
DECIDING = ("*/services/*.py", "approvals/*.py", "reviews/*.py", "audit/*.py", "*/models/*.py")
# The seam itself, when a row of history was copied, signs of life, who looks at a page, how often
# somebody may ask, and how far the clocks are apart: none of it moves a deadline.
APART = frozenset(
    {
        "audit/clock.py", "audit/history.py", "reviews/alive.py", "reviews/presence.py",
        "approvals/counters.py", "reviews/services/status.py",
    }
)  # fmt: skip


def clocks(source: str) -> Iterator[str]:
    """Yield every reading of a clock of this machine."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            owner = call.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            given = bool(call.args)  # an instant to show in another zone
            if (name, call.func.attr) in READ and not (call.func.attr == "localtime" and given):
                yield f"{name}.{call.func.attr}()"


def sources() -> Iterator[tuple[str, str]]:
    paths = {path for pattern in DECIDING for path in ROOT.glob(pattern)}
    for path in sorted(paths):
        if str(path.relative_to(ROOT)) not in APART:
            yield str(path.relative_to(ROOT)), path.read_text()


def around(people: Cast, off: timedelta, count: int) -> int:
    """Return how many tickets a host that is this much off opened, kept or ended wrongly."""
    wrong = 0
    before = db_now()
    with time_machine.travel(datetime.now(UTC) + off, tick=True):
        early, late = people.open_many(count), people.open_many(count)
    after = db_now()
    for ticket in Ticket.objects.filter(pk__in=early + late):
        wrong += not before <= ticket.created_at <= after
        wrong += ticket.expires_at - ticket.created_at != timedelta(hours=48)
        wrong += ticket.due_at - ticket.created_at != timedelta(hours=24)
    now = db_now()
    # Some end two minutes from now, some ended two minutes ago: a clock ten minutes off errs.
    for ids, at in ((early, now + LIMIT), (late, now - LIMIT)):
        Ticket.objects.filter(pk__in=ids).update(expires_at=at, next_deadline_at=at)
    with time_machine.travel(datetime.now(UTC) + off, tick=True):
        sweep_deadlines()
    wrong += Ticket.objects.filter(pk__in=early).exclude(status="pending").count()
    wrong += Ticket.objects.filter(pk__in=late).exclude(status="expired").count()
    return wrong


def run(scene: Scene) -> Figure:
    people = cast(voters=1)
    count = scene.size(100, least=3)
    wrong = sum(around(people, off, count) for off in (-OFF, timedelta(0), OFF))
    found = [f"{path}: {clock}" for path, text in sources() for clock in clocks(text)]
    return figure(
        f"{6 * count} tickets on hosts 10 min behind, right and ahead; "
        f"{sum(1 for _ in sources())} modules read",
        details={"clocks": found},
        wrong_deadlines=wrong,
        other_clocks=len(found),
    )


def control(scene: Scene) -> Figure:
    """Decide by the host's own clock."""
    scene.switch_off("database-clock")
    people = cast(voters=1)
    wrong = sum(around(people, off, 5) for off in (-OFF, OFF))
    return figure("20 tickets by the host's own clock", wrong_deadlines=wrong)


ROW = Row("F8", "The database's clock is the only one", run, control)
