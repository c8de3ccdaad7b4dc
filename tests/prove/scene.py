"""Where one run of a proof takes place: its size, its seed, its hands and what is switched off."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.prove import switches
from tests.prove.crew import Job, gather


@dataclass
class Scene:
    """One database, one seed, one size.

    `processes` is how many workers a crew has; with 0 its hands are threads of this process.
    """

    folder: Path
    scale: float = 1.0
    seed: int = 1
    processes: int = 2

    @cached_property
    def rng(self) -> random.Random:
        """Return the source of every choice a run makes."""
        return random.Random(self.seed)

    def size(self, full: int, *, least: int = 1) -> int:
        """Return how many of something this run takes, of the full number."""
        return max(least, round(full * self.scale))

    def crew(self, job: Job, *, hands: int, parcel: Any) -> list[dict[str, Any]]:
        """Let many hands do a job at once and return their ledger."""
        processes = min(self.processes, hands)
        return gather(job, hands=hands, processes=processes, parcel=parcel)

    def switch_off(self, *names: str) -> None:
        """Take mechanisms away from this process and all that it will start."""
        switches.remember(names)
        switches.apply()

    @contextmanager
    def served(self) -> Iterator[str]:
        """Yield the address of the service over HTTP, on this scene's database."""
        from tests.prove.web import serving

        with serving(self.folder) as url:
            yield url
