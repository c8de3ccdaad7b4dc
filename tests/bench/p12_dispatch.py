"""P12: webhooks that leave, against what Celery does when its tasks do nothing.

Both sides are one worker as it is started, with its default of one process for each core, and
work that waits for it already. Ours builds, signs and sends each message over HTTP and stores what
became of it; a receiver in a process of its own answers.
"""

import time
import urllib.request
from collections.abc import Iterator

import redis

from tests import servers
from tests.bench.figure import Figure, Pair, Row, at_least
from tests.bench.house import House, Worker

MESSAGES = 3000
PATIENCE = 120.0


def measure(house: House, rounds: int) -> Iterator[tuple[Pair]]:
    """Yield messages and no-ops per second."""
    database = house.database("p12")
    port = servers.free_port()
    house.program(["-m", "tests.bench.receiver", str(port)], database)
    given = {"REDIS_URL": house.redis.url, "HITL_OUTBOUND_ALLOWED": f"127.0.0.1:{port}"}
    filler = house.worker(database, **given)
    filler.call("furnish")
    for application in ("hitl_project", "tests.bench.floor.bare_celery"):
        command = ["-m", "celery", "-A", application, "worker", "--loglevel", "ERROR"]
        house.program([*command, "--without-gossip", "--without-mingle"], database, **given)
    with redis.Redis.from_url(house.redis.url) as store:
        filler.call("dispatched", url=f"http://127.0.0.1:{port}/", count=200)
        _bare(store, filler, 200)
        for _ in range(rounds):
            before = _came(port)
            took = filler.call("dispatched", url=f"http://127.0.0.1:{port}/", count=MESSAGES)
            came = _came(port) - before
            assert came == MESSAGES, f"{came} messages came"
            yield ((MESSAGES / took, _bare(store, filler, MESSAGES)),)


def _bare(store: "redis.Redis", filler: Worker, count: int) -> float:
    """Return no-ops per second: they wait under another name until the clock starts."""
    filler.call("queue_nothing", count=count)
    store.delete("bare:ended")
    begun = time.monotonic()
    store.rename("held", "bare")
    while (ended := store.get("bare:ended")) is None:
        assert time.monotonic() < begun + PATIENCE, "the worker does nothing"
        time.sleep(0.01)
    return count / (float(ended) - begun)


def _came(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return int(answer.read())


FIGURE = Figure(
    "P12",
    (
        Row("messages that leave vs tasks that do nothing", "webhooks sent", "Celery no-ops",
            "1/s", at_least(0.4), at_least(0.7)),
    ),
    measure,
)  # fmt: skip
