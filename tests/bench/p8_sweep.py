"""P8: what is due is concluded many at a time; looking for it costs the same among a million."""

from collections.abc import Iterator
from statistics import median

from tests.bench.figure import Figure, Pair, Row, at_least, at_most
from tests.bench.house import House, Worker

MANY, FEW = 1_000_000, 1_000
DUE = 20_000
ALONE = 300
TICKS = 100


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair]]:
    """Yield tickets per second together and alone, and milliseconds per idle tick."""
    many = house.worker(house.crowd(MANY))
    few = house.worker(house.crowd(FEW))
    many.call("listen")

    def idle(worker: Worker) -> float:
        return 1000 * median(worker.call("idle_ticks", count=TICKS)["took"])

    def per_second(job: str, count: int) -> float:
        many.call("make_due", count=count)
        return count / many.call(job, count=count)["seconds"]

    per_second("sweep", 1000), per_second("conclude_alone", 50), idle(many), idle(few)
    for _ in range(rounds):
        ticks = idle(many), idle(few)
        yield (per_second("sweep", DUE), per_second("conclude_alone", ALONE)), ticks


FIGURE = Figure(
    "P8",
    (
        Row("deadlines: 20,000 of 1,000,000 expire, together vs alone", "sweep", "one by one",
            "1/s", at_least(10), at_least(25)),
        Row("idle tick of the sweep: 1,000,000 vs 1,000 waiting", "1,000,000", "1,000",
            "ms", at_most(1.5), at_most(1.1)),
    ),
    measure,
)  # fmt: skip
