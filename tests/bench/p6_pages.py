"""P6: a page in the middle of a million tickets, and one narrowed by rights, cost as the first."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from tests.bench.figure import Figure, Pair, Row, at_most
from tests.bench.house import House, Worker
from tests.bench.p5_queue_page import MANY

PAGES = 20
LIST = "/api/v1/tickets?limit=50"


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Yield milliseconds: deep and first of the list, of the queue, and narrowed and not."""
    worker = house.worker(house.crowd(MANY))

    def listed(username: str, path: str) -> float:
        return _took(worker, "visit", username=username, path=path)

    def queue(*, deep: bool) -> float:
        return _took(worker, "pages", username="ann", deep=deep)

    for _ in range(rounds):
        yield (
            (listed("ann", LIST + "&cursor={middle}"), listed("ann", LIST)),
            (queue(deep=True), queue(deep=False)),
            (listed("ann", LIST), listed("ada", LIST)),
        )


def _took(worker: Worker, job: str, **arguments: Any) -> float:
    return 1000 * median(worker.call(job, count=PAGES, **arguments)["took"])


FIGURE = Figure(
    "P6",
    (
        Row("list of 1,000,000: middle vs first page", "middle", "first", "ms",
            at_most(2.5), at_most(1.2)),
        Row("queue of 1,000,000: middle vs first page", "middle", "first", "ms",
            at_most(2.5), at_most(1.2)),
        Row("list of 1,000,000: by rights vs all", "a reviewer", "who sees all", "ms",
            at_most(1.5), at_most(1.2)),
    ),
    measure,
)  # fmt: skip
