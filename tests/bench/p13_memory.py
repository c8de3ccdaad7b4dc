"""P13: the one-process mode is small: web, live updates, worker and scheduler together."""

from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import Figure, Pair, Row, at_most
from tests.bench.house import House

_MIB = 1024


def measure(house: House, rounds: int) -> Iterator[tuple[Pair]]:
    """Yield MiB of the service after some traffic, and of a process with its code alone."""
    for number in range(rounds):
        url, pid = house.serve(house.folder / f"small-{number}")
        worker = house.worker(f"sqlite:///{house.folder}/small-{number}/countersign.sqlite3")
        tokens = worker.call("furnish")
        code = _pss(worker.process.pid)
        worker.call("warm", url=url, key=tokens["key"], ann=tokens["ann"], count=25)
        yield ((_pss(pid), code),)
        house.rest()


def _pss(pid: int) -> float:
    """Return the proportional set size of a process in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / _MIB
    raise RuntimeError("This kernel tells no proportional set size.")


FIGURE = Figure(
    "P13",
    (
        Row("memory of web and worker in one process", "serve", "code alone",
            "MiB", at_most(190, plain=True), at_most(160, plain=True)),
    ),
    measure,
)  # fmt: skip
