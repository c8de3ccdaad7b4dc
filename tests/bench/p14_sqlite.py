"""P14: eight writers on SQLite: none is refused, together they are no slower, nobody waits long."""

from collections.abc import Iterator
from statistics import median

from tests.bench.figure import Figure, Pair, Row, at_least, at_most
from tests.bench.house import House
from tests.bench.writers import per_second, together

WRITERS = 8
DECISIONS = 40


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Yield errors, decisions per second of eight writers and of one, and p99 beside p50 (ms)."""
    database = house.sqlite("p14")
    writers = [house.worker(database) for _ in range(WRITERS)]
    writers[0].call("furnish")

    def by(count: int, each: int) -> list[dict[str, list[float]]]:
        ids = writers[0].call("open_tickets", count=count * each)
        shares = [{"ids": ids[i::count]} for i in range(count)]
        results: list[dict[str, list[float]]] = together(writers[:count], "decide", shares)
        return results

    by(WRITERS, 5)
    for _ in range(rounds):
        eight, one = by(WRITERS, DECISIONS), by(1, 3 * DECISIONS)
        took = sorted(1000 * each for result in eight for each in result["took"])
        errors = float(sum(result["errors"] for result in eight))  # type: ignore[misc]
        p99 = took[int(0.99 * (len(took) - 1))]
        yield (errors, 0.0), (per_second(eight), per_second(one)), (p99, median(took))


FIGURE = Figure(
    "P14",
    (
        Row("SQLite, 8 writers: errors", "errors", "none", "errors",
            at_most(0, plain=True), at_most(0, plain=True)),
        Row("SQLite, decide: 8 writers vs 1", "8 writers", "1 writer",
            "1/s", at_least(1.0), at_least(1.4)),
        Row("SQLite, 8 writers: p99 vs p50", "p99", "p50",
            "ms", at_most(25), at_most(10)),
    ),
    measure,
)  # fmt: skip
