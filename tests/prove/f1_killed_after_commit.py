"""F1: a web process dies between its commit and all it would have published; nothing is lost."""

import time

from tests.prove.apart import (
    PATIENCE,
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


def deaths(scene: Scene, *, count: int, control: bool = False) -> Figure:
    kinds = ["dying-after-commit", "short-lease"] + ["rows-after-commit"] * control
    with apart(scene.folder, with_faults=kinds) as here:
        who = people(here, voters=4)
        # As slow as leaves votes for every death, however long a process takes to be back.
        load = Load(here, who, who.open_many(count * 80), pause=0.4, seed=scene.seed)
        load.start()
        died, down = 0, []
        until = time.monotonic() + PATIENCE * 8
        while died < count and load.going and time.monotonic() < until:
            if not any(here.folder.joinpath("deaths").iterdir()):
                here.folder.joinpath("deaths", str(died)).touch()
            for name in here.ports:
                if here.processes[name].poll() is not None:
                    died += 1
                    here.start(name)
                    down.append(here.await_web(name))
            time.sleep(0.02)
        for left in here.folder.joinpath("deaths").iterdir():
            left.unlink(missing_ok=True)
        load.end()
        votes = list(load.acknowledged)
        late = told_late(here, votes, within=15 if control else 60)
        return figure(
            f"{died} deaths between commit and publish, {len(votes)} acknowledged votes; a web "
            f"process was back after {sum(down) / max(len(down), 1):.1f} s, {repeats(here)} "
            "messages came twice",
            details={"died": died, "back": down, "asked": sum(vote.tries for vote in votes)},
            acknowledged_votes_lost=missing_votes(votes),
            decisions_never_told=late,
            doubled_effects=double_effects(here, votes),
            deaths_short=max(0, count - died) if not control else 0,
        )


def run(scene: Scene) -> Figure:
    return deaths(scene, count=scene.size(30, least=2))


def control(scene: Scene) -> Figure:
    return deaths(scene, count=scene.size(6, least=2), control=True)


ROW = Row("F1", "What was decided is told although the process died", run, control)
