"""What a figure is: two sides measured in turns, and what their ratio must be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.house import House

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Limit:
    """`at_least` or `at_most` a number; of the ratio, or of our own side where `plain`."""

    value: float
    at_least: bool = True
    plain: bool = False

    def reached(self, result: float) -> bool:
        return result >= self.value if self.at_least else result <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"


def at_least(value: float) -> Limit:
    return Limit(value)


def at_most(value: float, *, plain: bool = False) -> Limit:
    return Limit(value, at_least=False, plain=plain)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ours` and `floor` say what the two sides are."""

    what: str
    ours: str
    floor: str
    unit: str
    must: Limit
    aim: Limit

    def result(self, pair: Pair) -> float:
        """Return what the limits are about: the ratio, or our own side."""
        ours, floor = pair
        if self.must.plain:
            return ours
        return ours / floor if floor else float("inf")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: `measure` yields, round by round, one pair for each of its rows."""

    id: str
    rows: tuple[Row, ...]
    measure: Callable[[House, int], Iterator[Sequence[Pair]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row after its rounds: medians of both sides and of the per-round results."""

    figure: str
    row: Row
    pairs: tuple[Pair, ...]

    @property
    def results(self) -> list[float]:
        return [self.row.result(pair) for pair in self.pairs]

    @property
    def result(self) -> float:
        return median(self.results)

    @property
    def verdict(self) -> str:
        if self.row.aim.reached(self.result):
            return "aim"
        return "must" if self.row.must.reached(self.result) else "MISSED"

    def as_json(self) -> dict[str, object]:
        """Return it as it is written to the JSON file."""
        row = self.row
        return {
            "id": self.figure,
            "what": row.what,
            "ours": {"what": row.ours, "median": median(ours for ours, _ in self.pairs)},
            "floor": {"what": row.floor, "median": median(floor for _, floor in self.pairs)},
            "unit": row.unit,
            "result": self.result,
            "least": min(self.results),
            "most": max(self.results),
            "must": str(row.must),
            "aim": str(row.aim),
            "verdict": self.verdict,
            "rounds": [list(pair) for pair in self.pairs],
        }
