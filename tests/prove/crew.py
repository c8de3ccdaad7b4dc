"""Many hands at once: worker processes times threads, each thread with a connection of its own."""

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, Protocol

MEETING = 120.0
LONGEST = 1500.0


class Meeting(Protocol):
    """A barrier, of threads or of processes."""

    def wait(self, timeout: float | None = None) -> int: ...

    def abort(self) -> None: ...


@dataclass
class Hand:
    """One thread of a crew: its number, what it was given, and what it writes down."""

    number: int
    parcel: Any
    barrier: Meeting
    ledger: list[dict[str, Any]] = field(default_factory=list)

    def meet(self) -> None:
        """Wait until every hand of the crew has come here."""
        self.barrier.wait(MEETING)

    def note(self, **what: Any) -> None:
        """Write one line into the ledger, which lives outside the database."""
        self.ledger.append({"hand": self.number, **what})


Job = Callable[[Hand], None]


class CrewFailed(RuntimeError):
    """A hand ended with an exception its job does not expect."""


def gather(job: Job, *, hands: int, processes: int, parcel: Any) -> list[dict[str, Any]]:
    """Let `hands` threads in `processes` processes do a job; return all they wrote down.

    0 processes means threads of this one. The barrier is shared by all of them.

    :raises CrewFailed: with the first traceback.
    """
    if processes == 0:
        barrier = threading.Barrier(hands)
        ledger, faults = _threads(job, list(range(hands)), parcel, barrier)
    else:
        ledger, faults = _processes(job, hands, processes, parcel)
    if faults:
        named = [fault for fault in faults if "BrokenBarrierError" not in fault] or faults
        raise CrewFailed(named[0])
    return ledger


def _processes(
    job: Job, hands: int, processes: int, parcel: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    # Spawned, never forked: a forked child would share sockets with its parent.
    spawning = multiprocessing.get_context("spawn")
    barrier = spawning.Barrier(hands)
    # By name: its module imports models, which a worker can read only once Django is set up.
    name = f"{job.__module__}:{job.__qualname__}"
    ends, workers = [], []
    for process in range(processes):
        numbers = list(range(process, hands, processes))
        ours, theirs = spawning.Pipe(duplex=False)
        worker = spawning.Process(
            target=_worker, args=(theirs, name, numbers, parcel, barrier), daemon=True
        )
        worker.start()
        theirs.close()
        ends.append(ours)
        workers.append(worker)
    ledger: list[dict[str, Any]] = []
    faults: list[str] = []
    deadline = time.monotonic() + LONGEST
    for end, worker in zip(ends, workers, strict=True):
        try:
            if not end.poll(max(0.0, deadline - time.monotonic())):
                faults.append(f"worker {worker.pid} did not end in time")
                continue
            lines, wrong = end.recv()
            ledger += lines
            faults += wrong
        except EOFError:
            faults.append(f"worker {worker.pid} ended without a word")
    for worker in workers:
        worker.join(10)
        if worker.is_alive():
            worker.kill()
            worker.join()
    return ledger, faults


def _worker(end: Connection, name: str, numbers: list[int], parcel: Any, barrier: Meeting) -> None:
    from tests.prove.stage import set_up

    os.environ["DATABASE_POOL_MAX"] = str(len(numbers) + 2)
    set_up()
    module, _, function = name.partition(":")
    job: Job = getattr(import_module(module), function)
    end.send(_threads(job, numbers, parcel, barrier))
    end.close()


def _threads(
    job: Job, numbers: list[int], parcel: Any, barrier: Meeting
) -> tuple[list[dict[str, Any]], list[str]]:
    hands = [Hand(number, parcel, barrier) for number in numbers]
    faults: list[str] = []

    def work(hand: Hand) -> None:
        from django.db import connections

        try:
            connections["default"].ensure_connection()
            job(hand)
        except Exception:
            faults.append(traceback.format_exc())
            barrier.abort()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(hand,)) for hand in hands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [line for hand in hands for line in hand.ledger], faults
