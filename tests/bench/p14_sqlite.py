"""P14: eight callers on SQLite: none is refused, together they are no slower, nobody waits long.

Measured as SQLite is run: one process does everything (`manage.py serve`). That the rules also hold
for eight processes on one file is a proof's business.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench.figure import Figure, Pair, Row, at_least, at_most
from tests.bench.house import House, Worker
from tests.bench.load import Client, vote

CALLERS = 8
DECISIONS = 200


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Yield errors, decisions per second of eight callers and of one, and p99 beside p50 (ms)."""
    folder = house.folder / "sqlite"
    url, _ = house.serve(folder)
    worker = house.worker(f"sqlite:///{folder}/countersign.sqlite3")
    token = worker.call("furnish")["ann"]
    _votes(worker, url, token, callers=CALLERS, count=40)
    for _ in range(rounds):
        errors, eight, took = _votes(worker, url, token, callers=CALLERS, count=DECISIONS)
        _, one, _ = _votes(worker, url, token, callers=1, count=DECISIONS // 3)
        p99 = took[int(0.99 * (len(took) - 1))]
        yield (float(errors), 0.0), (eight, one), (p99, median(took))


def _votes(
    worker: Worker, url: str, token: str, *, callers: int, count: int
) -> tuple[int, float, list[float]]:
    """Approve tickets; return refusals, decisions per second, and what each took (ms, sorted)."""
    ids = worker.call("open_tickets", count=count)

    def act(number: int) -> tuple[int, list[float]]:
        client, errors, took = Client(url, token=token), 0, []
        for ticket in ids[number::callers]:
            begun = time.monotonic()
            try:
                vote(ticket)(client)
            except RuntimeError:
                errors += 1
            took.append(1000 * (time.monotonic() - begun))
        return errors, took

    with ThreadPoolExecutor(callers) as threads:
        begun = time.monotonic()
        done = list(threads.map(act, range(callers)))
        seconds = time.monotonic() - begun
    return (
        sum(errors for errors, _ in done),
        count / seconds,
        sorted(each for _, took in done for each in took),
    )


FIGURE = Figure(
    "P14",
    (
        Row("SQLite, 8 callers: errors", "errors", "none", "errors",
            at_most(0, plain=True), at_most(0, plain=True)),
        Row("SQLite, decide: 8 callers vs 1", "8 callers", "1 caller",
            "1/s", at_least(1.0), at_least(1.4)),
        Row("SQLite, 8 callers: p99 vs p50", "p99", "p50",
            "ms", at_most(25), at_most(10)),
    ),
    measure,
)  # fmt: skip
