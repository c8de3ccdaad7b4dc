"""P1: what rules, history, chain and outbox cost a POST, against a bare one."""

from collections.abc import Callable, Iterator

from tests.bench.figure import Figure, Pair, Row, at_least
from tests.bench.house import House
from tests.bench.load import Client, rate

CLIENTS = 8
REQUESTS = 240


def measure(house: House, rounds: int) -> Iterator[tuple[Pair]]:
    """Yield requests per second of both, 8 clients each."""
    database = house.database("p1")
    tokens = house.worker(database).call("furnish")
    plain = "tests.bench.floor.settings"
    house.manage("migrate", "--run-syncdb", "--verbosity", "0", database=database,
                 DJANGO_SETTINGS_MODULE=plain)  # fmt: skip
    house.worker(database).call("add_rule")
    ours = house.web(database)
    floor = house.web(database, application="tests.bench.floor.asgi",
                      DJANGO_SETTINGS_MODULE=plain)  # fmt: skip
    body = {"title": "Pay ACME", "proposal": {"payee": "ACME", "total": 900}, "priority": "high"}

    def posting(path: str) -> list[Callable[[Client], object]]:
        return [lambda client: client.post(path, body)] * REQUESTS

    def one(url: str, path: str, token: str) -> float:
        return rate([Client(url, token=token) for _ in range(CLIENTS)], posting(path))

    one(ours, "/api/v1/tickets", tokens["key"])
    one(floor, "/notes", "")
    for _ in range(rounds):
        yield ((one(ours, "/api/v1/tickets", tokens["key"]), one(floor, "/notes", "")),)


FIGURE = Figure(
    "P1",
    (
        Row("open a ticket: share of a bare POST, 8 clients", "POST /tickets", "bare DRF POST",
            "req/s", at_least(0.30), at_least(0.50)),
    ),
    measure,
)  # fmt: skip
