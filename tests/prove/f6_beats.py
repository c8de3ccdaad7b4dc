"""F6: no scheduler, one or three: each deadline is handled once, only sooner or later."""

from uuid import UUID

from reviews.services.comments import add_comment
from reviews.services.sweeps import lateness, sweep_deadlines
from tests.prove import storm
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

TOUCHED = 20
Found = tuple[dict[str, int], list[float]]


def swept(scene: Scene, ids: list[UUID], beats: int) -> Found:
    """Let these come due at once under so many sweeping processes."""
    scene.processes = beats
    parcel = {"ids": [str(pk) for pk in ids]}
    ledger = scene.crew(storm.beat, hands=beats, parcel=parcel)
    return storm.wrong(ids), storm.lateness(ids, ledger)


def unswept(ids: list[UUID]) -> tuple[dict[str, int], float]:
    """Let these come due with no scheduler; people touch some of them, then it comes back."""
    from approvals.models import User

    storm.all_due(ids)
    ann = User.objects.get(username="ann")
    for pk in ids[:TOUCHED]:
        # Whoever touches a ticket concludes what is due on it first.
        add_comment(ticket_id=pk, author=ann, text="Looking.")
    stall = lateness()
    while sweep_deadlines():
        pass
    return storm.wrong(ids), stall


def run(scene: Scene) -> Figure:
    each = scene.size(10_000, least=30) // 3
    ids = storm.waiting(3 * each)
    none, stall = unswept(ids[:each])
    one, alone = swept(scene, ids[each : 2 * each], 1)
    three, together = swept(scene, ids[2 * each :], 3)
    found = {name: none[name] + one[name] + three[name] for name in none}
    late = {
        "one beat": [round(storm.share(alone, part), 2) for part in (0.5, 0.95)],
        "three beats": [round(storm.share(together, part), 2) for part in (0.5, 0.95)],
    }
    p95 = f"p95 late {late['one beat'][1]} s by one, {late['three beats'][1]} s by three"
    return figure(
        f"{each} tickets due in one second under 0, 1 and 3 beats each; {p95}",
        details={"p50, p95 in seconds": late},
        **found,
        stall_not_seen=int(stall <= 0),
    )


def control(scene: Scene) -> Figure:
    """Sweep without the lock on the tickets."""
    scene.switch_off("ticket-lock")
    ids = storm.waiting(scene.size(3_000, least=600))
    found, _ = swept(scene, ids, 3)
    return figure(f"{len(ids)} tickets under 3 beats without their lock", **found)


ROW = Row("F6", "Each deadline is handled once, whoever sweeps", run, control)
