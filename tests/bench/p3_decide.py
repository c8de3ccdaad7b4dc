"""P3: what a vote that settles costs, against the least transaction that could hold it."""

from collections.abc import Iterator

from tests.bench.figure import Figure, Pair, Row, at_least, at_most
from tests.bench.house import House
from tests.bench.load import Client, rate, vote
from tests.bench.writers import per_second

DECISIONS = 120
TRANSACTIONS = 1000


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair, Pair]]:
    """Yield decisions per second in process and over HTTP, each beside raw transactions.

    And how many statements a decide is; the raw transaction's are 5, with its BEGIN and COMMIT.
    """
    database = house.database("p3")
    worker = house.worker(database)
    tokens = worker.call("furnish")
    worker.call("prepare_floor", count=TRANSACTIONS)
    url = house.web(database)
    clients = [Client(url, token=tokens["ann"])]

    def voting(ids: list[str]) -> float:
        return rate(clients, [vote(each) for each in ids])

    def floor() -> float:
        return per_second([worker.call("floor_transactions", count=TRANSACTIONS)])

    worker.call("decide", ids=worker.call("open_tickets", count=30))
    voting(worker.call("open_tickets", count=30))
    floor()
    for _ in range(rounds):
        counted, *ids = worker.call("open_tickets", count=2 * DECISIONS + 1)
        statements = worker.call("statements_of_a_decide", ticket=counted)
        ours = per_second([worker.call("decide", ids=ids[:DECISIONS])])
        raw = floor()
        over_http = voting(ids[DECISIONS:])
        yield (ours, raw), (over_http, floor()), (statements, 5.0)


FIGURE = Figure(
    "P3",
    (
        Row("decide in process: share of a raw transaction", "cast_vote", "INSERT+UPDATE+INSERT",
            "1/s", at_least(0.08), at_least(0.15)),
        Row("decide over HTTP: share of a raw transaction", "POST votes", "INSERT+UPDATE+INSERT",
            "1/s", at_least(0.04), at_least(0.08)),
        Row("statements of a decide in process", "cast_vote", "raw", "statements",
            at_most(20, plain=True), at_most(18, plain=True)),
    ),
    measure,
)  # fmt: skip
