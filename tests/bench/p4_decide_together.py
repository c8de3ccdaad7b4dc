"""P4: nothing global is locked, so two web processes decide more than one caller can ask for."""

from collections.abc import Iterator

from tests.bench.figure import Figure, Pair, Row, at_least
from tests.bench.house import House
from tests.bench.load import Client, rate, vote

CLIENTS = 8
DECISIONS = 160


def measure(house: House, rounds: int) -> Iterator[tuple[Pair]]:
    """Yield decisions per second of eight clients and of one, on different tickets."""
    database = house.database("p4")
    worker = house.worker(database)
    tokens = worker.call("furnish")
    urls = [house.web(database) for _ in range(2)]
    clients = [Client(urls[i % 2], token=tokens["ann"]) for i in range(CLIENTS)]

    def voting(by: list[Client], count: int) -> float:
        ids = worker.call("open_tickets", count=count)
        return rate(by, [vote(each) for each in ids])

    voting(clients, 80)
    for _ in range(rounds):
        yield ((voting(clients, DECISIONS), voting(clients[:1], DECISIONS // 2)),)


FIGURE = Figure(
    "P4",
    (
        Row("decide: 8 clients on 2 processes vs 1 client", "8 clients", "1 client",
            "1/s", at_least(1.5), at_least(1.8)),
    ),
    measure,
)  # fmt: skip
