"""P10: from a committed vote to the last of many sockets, beside a consumer that only passes on."""

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from statistics import quantiles

from websockets.asyncio.client import ClientConnection, connect

from tests.bench.figure import Figure, Pair, Row, at_most
from tests.bench.house import House

FEW, MANY = 100, 1000
VOTES = 20
OF_ONE = 25
# Ours and theirs in this process and in the server's, with some to spare.
FILES = 8192

# Does what is to be heard of, with one of the sockets if need be; returns the instant from which on
# it could be heard of, or 0 where the frames tell.
Act = Callable[[str, ClientConnection], Awaitable[float]]


def measure(house: House, rounds: int) -> Iterator[Sequence[Pair]]:
    """Yield milliseconds to the last of a hundred and of a thousand sockets, ours and bare."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most) if most > 0 else FILES, most))
    database = house.database("p10")
    worker = house.worker(database, REDIS_URL=house.redis.url)
    worker.call("furnish")
    tokens = worker.call("crowd_of_people", count=MANY // OF_ONE)
    ours = house.web(database).replace("http", "ws") + "/ws/v1/me"
    bare = house.web(database, application="tests.bench.floor.sockets").replace("http", "ws")

    async def vote(ticket: str, _: ClientConnection) -> float:
        return float(await asyncio.to_thread(worker.call, "decide_one", ticket=ticket))

    async def tell(ticket: str, wire: ClientConnection) -> float:
        await wire.send(ticket)
        return 0.0

    for _ in range(rounds):
        pairs = []
        for count in (FEW, MANY):
            tickets = worker.call("open_tickets", count=VOTES)
            callers = [tokens[n % len(tokens)] for n in range(count)]
            mine = asyncio.run(last_of(ours, callers, tickets, vote))
            theirs = asyncio.run(last_of(bare, callers, tickets, tell))
            pairs.append((mine, theirs))
        yield tuple(pairs)


async def last_of(url: str, tokens: Sequence[str], tickets: Sequence[str], act: Act) -> float:
    """Return the 95th of a hundred times, in ms, after which the last socket heard of an act."""
    wires: list[ClientConnection] = []
    for start in range(0, len(tokens), 50):
        some = [
            connect(url, additional_headers={"Authorization": f"Bearer {token}"}, compression=None,
                    open_timeout=60, ping_interval=None)
            for token in tokens[start : start + 50]
        ]  # fmt: skip
        wires += await asyncio.gather(*some)
    about = ""
    heard: set[int] = set()
    all_heard = asyncio.Event()
    last = stated = 0.0

    async def listen(number: int, wire: ClientConnection) -> None:
        nonlocal last, stated
        async for text in wire:
            if about and about in str(text):
                heard.add(number)
                if len(heard) == len(wires):
                    last = time.monotonic()
                    stated = float(str(text).partition(" ")[2]) if str(text)[0] != "{" else 0.0
                    all_heard.set()

    tasks = [asyncio.create_task(listen(*each)) for each in enumerate(wires)]
    await asyncio.sleep(0.5)
    took = []
    for ticket in tickets:
        heard.clear()
        all_heard.clear()
        about = ticket
        since = await act(ticket, wires[0])
        async with asyncio.timeout(30):
            await all_heard.wait()
        took.append((last - (since or stated)) * 1000)
        await asyncio.sleep(0.1)
    for wire in wires:
        wire.transport.abort()
    await asyncio.gather(*tasks, return_exceptions=True)
    return quantiles(took, n=20, method="inclusive")[-1]


def _row(count: int) -> Row:
    return Row(
        f"vote to the last of {count} sockets, p95", "hints by rights", "bare consumer", "ms",
        at_most(1.5), at_most(1.15),
    )  # fmt: skip


FIGURE = Figure("P10", (_row(FEW), _row(MANY)), measure)
