"""F3: PostgreSQL is crashed and restarted under load; what was acknowledged is there, once."""

import os
import signal
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

        who = people(here, voters=4)
        tickets = who.open_many(count * 120)
        load = Load(here, who, tickets, pause=0.06, seed=scene.seed)
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        connection.close()
        connection.close_pool()
        load.start()
        back = []
        for _ in range(count):
            acknowledged = len(load.acknowledged)
            time.sleep(scene.rng.uniform(0.8, 2.0))
            crash(server)
            began = time.monotonic()
            server.start_again()
            acknowledged = len(load.acknowledged)
            while len(load.acknowledged) == acknowledged and load.going:
                time.sleep(0.01)
            back.append(time.monotonic() - began)
        load.end()
        votes = list(load.acknowledged)
        missing = missing_votes(votes)
        late = 0 if forgetful else told_late(here, votes, within=90)
        return figure(
            f"{count} crashes, {len(votes)} acknowledged votes, {sum(v.tries for v in votes)} "
            f"asked; the first vote was taken {max(back):.1f} s after a crash at most",
            details={"back": back},
            acknowledged_votes_missing=missing,
            decisions_never_told=late,
            doubled_effects=double_effects(here, votes),
        )


def run(scene: Scene) -> Figure:
    return crashes(scene, count=scene.size(10, least=2))


def control(scene: Scene) -> Figure:
    return crashes(scene, count=scene.size(3, least=2), forgetful=True)


ROW = Row("F3", "A database that crashes loses no acknowledged vote", run, control)
