"""F2: web, worker and scheduler are killed at random instants under load; every effect arrives."""

import time

from tests.prove.apart import (
    Load,
    apart,
    double_effects,
    missing_votes,
    people,
    repeats,
    told_late,
)
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

KINDS = ("worker", "web-0", "beat", "worker", "web-1")


def kills(scene: Scene, *, count: int, control: bool = False) -> Figure:
    kinds = ["short-lease"] + ["at-most-once"] * control
    # Only the dispatcher has to die to show what becomes of what it held.
    names = ("worker",) if control else KINDS
    # A receiver that takes its time has messages under way at any instant.
    with apart(scene.folder, with_faults=kinds, slow=0.03) as here:
        who = people(here, voters=4)
        load = Load(here, who, who.open_many(count * 80), pause=0.06, seed=scene.seed)
        load.start()
        for number in range(count):
            name = names[number % len(names)]
            _until_busy(here, load, name, scene.rng.uniform(0.2, 1.2))
            here.kill(name)
            here.start(name)
            if name in here.ports:
                here.await_web(name)
        load.end()
        votes = list(load.acknowledged)
        last = time.monotonic()
        late = told_late(here, votes, within=20 if control else 60)
        return figure(
            f"{count} kills of {', '.join(sorted(set(names)))}, {len(votes)} acknowledged votes; "
            f"all told {time.monotonic() - last:.1f} s after the last, {repeats(here)} came twice",
            acknowledged_votes_lost=missing_votes(votes),
            decisions_never_told=late,
            doubled_effects=double_effects(here, votes),
        )


def _until_busy(here: object, load: Load, name: str, seconds: float) -> None:
    """Wait a random while; for the worker, until it has something in its hands again."""
    receiver = here.receiver  # type: ignore[attr-defined]
    began, heard = time.monotonic(), receiver.messages
    time.sleep(seconds)
    while name == "worker" and receiver.messages == heard and time.monotonic() - began < 12:
        if not load.going:
            return
        time.sleep(0.01)


def run(scene: Scene) -> Figure:
    return kills(scene, count=scene.size(30, least=3))


def control(scene: Scene) -> Figure:
    return kills(scene, count=scene.size(10, least=3), control=True)


ROW = Row("F2", "A killed process loses no effect and doubles none", run, control)
