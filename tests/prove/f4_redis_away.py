"""F4: Redis is stopped, then frozen; votes are taken as before, and every notice arrives after."""

import signal
import time

from tests.prove.apart import Apart, Load, Vote, apart, missing_votes, people, told_late
from tests.prove.rows import Figure, Row
from tests.prove.scene import Scene

SLOWEST = 1.0  # seconds the slowest of a hundred votes may take
AFTER = 60.0  # seconds after Redis is back within which every notice must have arrived


def outages(scene: Scene, *, seconds: float, control: bool = False) -> Figure:
    kinds = ["publishing-in-the-request"] if control else []
    with apart(scene.folder, with_faults=kinds) as here:
        who = people(here, voters=4)
        # About sixteen votes a second, for both outages and the time around them.
        load = Load(here, who, who.open_many(int(seconds * 60) + 200), pause=0.25, seed=scene.seed)
        load.start()
        time.sleep(2)
        spans, arrived = [], []
        for outage in (_stopped, _frozen):
            began = time.monotonic()
            outage(here, seconds)
            spans.append((began, time.monotonic()))
            back = time.monotonic()
            away = _during(load.acknowledged, spans[-1])
            late = told_late(here, away, within=15 if control else AFTER)
            arrived.append((time.monotonic() - back, late))
        load.end()
        votes = list(load.acknowledged)
        away = [vote for span in spans for vote in _during(votes, span)]
        # On time is within a minute of Redis being back, not only some time.
        arrived = [(took, late + (took > AFTER)) for took, late in arrived]
        return _figure(votes, away, spans, arrived, started=len(load.unanswered))


def _stopped(here: Apart, seconds: float) -> None:
    here.redis.stop()
    time.sleep(seconds)
    here.redis.start_again()


def _frozen(here: Apart, seconds: float) -> None:
    here.redis.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    here.redis.process.send_signal(signal.SIGCONT)


def _during(votes: list[Vote], span: tuple[float, float]) -> list[Vote]:
    return [vote for vote in list(votes) if span[0] <= vote.at <= span[1]]


def _figure(
    votes: list[Vote],
    away: list[Vote],
    spans: list[tuple[float, float]],
    arrived: list[tuple[float, int]],
    *,
    started: int,
) -> Figure:
    refused = sum(vote.tries > 1 for vote in votes) + started
    took = sorted(vote.seconds for vote in away) or [float("inf")]
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    late = sum(missing for _, missing in arrived)
    missing = missing_votes(votes)
    slow = int(p99 >= SLOWEST)
    lengths = " and ".join(f"{end - began:.0f} s" for began, end in spans)
    after = " and ".join(f"{seconds:.1f} s" for seconds, _ in arrived)
    sentence = (
        f"{refused} votes refused, p99 {p99 * 1000:.0f} ms, {missing} lost, {late} notices missing"
    )
    ran = (
        f"Redis stopped and frozen {lengths}, {len(away)} votes meanwhile; "
        f"the last notice came {after} after"
    )
    details = {"p50": took[len(took) // 2], "p99": p99, "max": took[-1], "votes": len(votes)}
    return Figure(refused + slow + late + missing, sentence, ran, details)


def run(scene: Scene) -> Figure:
    return outages(scene, seconds=max(4.0, 20 * scene.scale))


def control(scene: Scene) -> Figure:
    return outages(scene, seconds=max(4.0, 10 * scene.scale), control=True)


ROW = Row("F4", "Without Redis votes are taken, and notices late, not lost", run, control)
