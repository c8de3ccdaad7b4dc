"""P7: the desk's queue and a ticket's page cost the same at a million tickets."""

from collections.abc import Iterator
from statistics import median

from tests.bench.figure import Figure, Pair, Row, at_most
from tests.bench.house import House, Worker
from tests.bench.p5_queue_page import FEW, MANY

PAGES = 20
QUEUE = "/admin/reviews/ticket/"
TICKET = QUEUE + "{ticket}/change/"


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, ...]]:
    """Yield milliseconds per page and queries per page, among many and among few."""
    many = house.worker(house.crowd(MANY))
    few = house.worker(house.crowd(FEW))

    def page(worker: Worker, path: str) -> tuple[float, float]:
        result = worker.call("visit", username="ann", path=path, count=PAGES)
        return 1000 * median(result["took"]), result["queries"]

    for _ in range(rounds):
        rows = []
        for path in (QUEUE, TICKET):
            rows += zip(page(many, path), page(few, path), strict=True)
        yield tuple(rows)


def _queries(what: str) -> Row:
    return Row(what, "1,000,000", "1,000", "queries", at_most(1.0), at_most(1.0))


FIGURE = Figure(
    "P7",
    (
        Row("desk's queue: 1,000,000 vs 1,000", "1,000,000", "1,000", "ms",
            at_most(1.5), at_most(1.1)),
        _queries("queries of the desk's queue"),
        Row("ticket's page: 1,000,000 vs 1,000", "1,000,000", "1,000", "ms",
            at_most(1.5), at_most(1.1)),
        _queries("queries of a ticket's page"),
    ),
    measure,
)  # fmt: skip
