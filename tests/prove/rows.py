"""What a proof is: a run that must find nothing broken, and a control that must find something."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.prove.scene import Scene


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run found: `broken` counts breaches of the promise, `sentence` names them."""

    broken: int
    sentence: str
    ran: str
    details: dict[str, Any] = field(default_factory=dict)


Run = Callable[["Scene"], Figure]


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. `control` is the same run with the mechanism off; it must come out broken.

    `database` is where both take place: `postgresql`, `sqlite`, or `both`, one after the other.
    """

    id: str
    promise: str
    run: Run
    control: Run
    database: str = "postgresql"

    @property
    def group(self) -> str:
        return self.id[0]


def figure(ran: str, *, details: dict[str, Any] | None = None, **found: int) -> Figure:
    """Return a figure whose breaches are the named counts, all of which should be 0."""
    named = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.items())
    return Figure(sum(found.values()), named, ran, details or {})
