"""F3: PostgreSQL is crashed and restarted under load; what was acknowledged is there, once."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests import servers
from tests.prove.apart import (
    Load,
    apart,
    double_effects,
    missing_votes,
    people,
    told_late,
)
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene
from tests.prove.web import ROOT

VOTERS = 8
EACH = 100  # votes that are acknowledged, at least, between one crash and the next
AWAY = 20.0  # seconds of the one long outage
RETURN = 6.0  # seconds within which a vote is taken once the database answers again
# Without it a commit is answered before it is on disk, and the writer may take its time.
FORGETFUL = {"synchronous_commit": "off", "wal_writer_delay": "10s", "commit_delay": "0"}


@contextmanager
def own_postgresql(scene: Scene, **options: str) -> Iterator[servers.Server]:
    """Yield a server of this run's own, with this process and all it starts pointed to it."""
    from django.db import connection, connections

    from hitl_project.env import Environment

    folder = scene.folder / f"own-{os.getpid()}"
    folder.mkdir()
    server = servers.start_postgresql(folder, durable=True, **options)
    try:
        url = server.url
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, check=True,
        )  # fmt: skip
        os.environ["DATABASE_URL"] = url
        connection.close()
        connection.close_pool()
        there = Environment({"DATABASE_URL": url}).database("DATABASE_URL", folder)
        connections.databases["default"].update({name: there[name] for name in ("HOST", "NAME")})
        yield server
    finally:
        server.stop()


def crash(server: servers.Server) -> None:
    """End the server as `pg_ctl -m immediate` does: no checkpoint, nothing is flushed."""
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(30)


def crashes(scene: Scene, *, count: int, forgetful: bool = False) -> Figure:
    options = FORGETFUL if forgetful else {}
    with own_postgresql(scene, **options) as server, apart(scene.folder) as here:
        from django.db import connection

        away = max(8.0, AWAY * scene.scale)
        who = people(here, voters=VOTERS)
        # Half as many again: while the next crash is chosen, people go on.
        tickets = who.open_many((count + 1) * EACH * 3 // 2)
        load = Load(here, who, tickets, pause=0.02, seed=scene.seed)
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        connection.close()
        connection.close_pool()
        load.start()
        back, asking = [], 0
        for _ in range(count):
            _await_votes(load, EACH)
            time.sleep(scene.rng.uniform(0, 0.3))  # not always right after an answer
            asking += len(load.asking)
            crash(server)
            began = time.monotonic()
            server.start_again()
            _await_votes(load, 1)
            back.append(time.monotonic() - began)
        crash(server)
        time.sleep(away)
        server.start_again()
        answers = time.monotonic()
        _await_votes(load, 1)
        after = time.monotonic() - answers
        _await_votes(load, EACH // 4)
        load.end()
        votes = list(load.acknowledged)
        missing = missing_votes(votes)
        late = 0 if forgetful else told_late(here, votes, within=90)
        return figure(
            f"{count} crashes with {asking} votes on their way, {len(votes)} acknowledged, "
            f"{sum(v.tries > 1 for v in votes)} of them asked again, "
            f"{sum(v.status == 200 for v in votes)} of these taken before; the first vote was "
            f"taken {statistics.median(back):.1f} s after a crash, {max(back):.1f} s at most, and "
            f"{after:.1f} s after a database answered that was away for {away:.0f} s",
            details={"back": back, "answers": dict(load.told)},
            acknowledged_votes_missing=missing,
            decisions_never_told=late,
            doubled_effects=double_effects(here, votes),
            never_answered=len(load.unanswered),
            # What is our failure is told as one to wait out; 500 would say that nothing was stored.
            answered_500=load.told[500],
            late_to_return=int(after > RETURN),
            load_too_light=max(0, count * EACH - len(votes)),
        )


def _await_votes(load: Load, more: int) -> None:
    """Wait until so many more votes are acknowledged, or nobody has a ticket left."""
    enough = len(load.acknowledged) + more
    while len(load.acknowledged) < enough and load.going:
        time.sleep(0.01)


def run(scene: Scene) -> Figure:
    return crashes(scene, count=scene.size(10, least=2))


def control(scene: Scene) -> Figure:
    return crashes(scene, count=scene.size(3, least=2), forgetful=True)


ROW = Row("F3", "A database that crashes loses no acknowledged vote", run, control)
