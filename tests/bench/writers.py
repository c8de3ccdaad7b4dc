"""Several workers at once."""

from collections.abc import Sequence
from typing import Any

from tests.bench.house import Worker


def together(workers: Sequence[Worker], job: str, arguments: Sequence[dict[str, Any]]) -> Any:
    """Have every worker do the job at the same time; return their results."""
    for worker, given in zip(workers, arguments, strict=True):
        worker.start(job, **given)
    return [worker.result() for worker in workers]


def per_second(results: Sequence[dict[str, Any]]) -> float:
    """Return what all of them did per second, from the first begin to the last end."""
    done = sum(len(result["took"]) for result in results)
    begun = min(result["begun"] for result in results)
    return float(done / (max(result["ended"] for result in results) - begun))
