"""P9: what the chain costs, and that chains of different streams do not wait for each other."""

from collections.abc import Iterator

from tests.bench.figure import Figure, Pair, Row, at_least
from tests.bench.house import House
from tests.bench.writers import per_second, together

WRITERS = 8
EVENTS = 150


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair]]:
    """Yield events per second: chained and not by eight writers, chained by eight and by one."""
    database = house.database("p9")
    writers = [house.worker(database) for _ in range(WRITERS)]

    def by(count: int, job: str, name: str) -> float:
        given = [{"stream": f"{name}:{i}", "count": EVENTS} for i in range(count)]
        return per_second(together(writers[:count], job, given))

    by(WRITERS, "append", "warm")
    by(WRITERS, "append_unchained", "bare")
    for number in range(rounds):
        chained = by(WRITERS, "append", f"ticket:{number}")
        bare = by(WRITERS, "append_unchained", "bare")
        yield (chained, bare), (chained, by(1, "append", f"alone:{number}"))


FIGURE = Figure(
    "P9",
    (
        Row("audit events: chained vs unchained, 8 writers", "chained", "unchained",
            "1/s", at_least(0.55), at_least(0.75)),
        Row("audit events: 8 writers vs 1", "8 writers", "1 writer",
            "1/s", at_least(2.0), at_least(2.4)),
    ),
    measure,
)  # fmt: skip
