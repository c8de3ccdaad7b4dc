"""P5: the first page of the queue costs the same at a million waiting tickets."""

from collections.abc import Iterator
from statistics import median

from tests.bench.figure import Figure, Pair, Row, at_most
from tests.bench.house import House

MANY, FEW = 1_000_000, 1_000
PAGES = 30


def measure(house: House, rounds: int) -> Iterator[tuple[Pair]]:
    """Yield milliseconds per page among many and among few."""
    many = house.worker(house.crowd(MANY))
    few = house.worker(house.crowd(FEW))

    def page(worker: object) -> float:
        result = worker.call("pages", count=PAGES, username="ann")  # type: ignore[attr-defined]
        return 1000 * median(result["took"])

    page(many), page(few)
    for _ in range(rounds):
        yield ((page(many), page(few)),)


FIGURE = Figure(
    "P5",
    (
        Row("queue page, 50 ranked: 1,000,000 vs 1,000 waiting", "1,000,000", "1,000",
            "ms", at_most(1.3), at_most(1.1)),
    ),
    measure,
)  # fmt: skip
