"""The charts of the page of figures, each with its table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.safestring import SafeString, mark_safe

from reviews.display import charts, inert, moments
from reviews.insights import metrics as read
from reviews.insights.facts import OUTCOMES, Counts
from reviews.services import figures

# More columns than this are drawn as weeks.
_MOST_COLUMNS = 62
_MOST_BARS = 8
# A day of one hasty answer would look like a turn of events.
_LEAST_A_DAY = 3
_LEFT_OUT = f"Where fewer than {_LEAST_A_DAY} are counted, nothing is drawn."
_WORDS = {
    "approved": "Approved",
    "answered": "Answered",
    "rejected": "Rejected",
    "expired": "Nobody answered",
    "cancelled": "Cancelled",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart with its table; where `little` says why, nothing is drawn."""

    key: str
    title: str
    note: str
    drawn: SafeString
    little: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[tuple[str, str]] = ()


def percent(share: float | None) -> str:
    """Return a share as people read it; what is nearly all or nearly none is not rounded away."""
    if share is None:
        return "–"
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{share * 100:.1f} %"
    return f"{share * 100:.0f} %"


def time_of(seconds: float | None) -> str:
    """Return a length of time as people read it."""
    return "–" if seconds is None else moments.length(timedelta(seconds=seconds))


Step = tuple[str, Counts]


def steps_of(period: figures.Period) -> list[Step]:
    """Return the counts by day, or by week where days would be too many to draw."""
    days = [period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)]
    width = 1 if len(days) <= _MOST_COLUMNS else 7
    steps = []
    for start in range(0, len(days), width):
        counts = Counts()
        for day in days[start : start + width]:
            counts.update(period.by_day.get(day, {}))
        steps.append((_day(days[start]) if width == 1 else f"from {_day(days[start])}", counts))
    return steps


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _panel(
    key: str,
    title: str,
    note: str,
    draw: Callable[[], str],
    *,
    samples: int,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    legend: Sequence[tuple[str, str]] = (),
    enough: int = read.ENOUGH,
) -> Panel:
    little = ""
    if samples < enough:
        little = (
            f"{samples} {'sample' if samples == 1 else 'samples'} so far. A chart of fewer than "
            f"{enough} would say more than is known."
            if samples
            else "Nothing to draw in this period yet."
        )
    # The drawing escapes every word it is given.
    drawn = mark_safe("" if little else draw())  # noqa: S308
    return Panel(key, title, note, drawn, little, head, rows, () if little else legend)


def volume(steps: Sequence[Step]) -> Panel:
    """Draw how many tickets ended how."""
    series = [
        charts.Series(_WORDS[one], one, [counts[one] for _, counts in steps]) for one in OUTCOMES
    ]
    return _panel(
        "volume",
        "Tickets ended, by outcome",
        "Each on the day it ended.",
        lambda: charts.stacked("Tickets ended, by outcome", [at for at, _ in steps], series),
        samples=sum(read.ended(counts) for _, counts in steps),
        head=["", "Opened", *_WORDS.values()],
        rows=[
            [at, f"{counts['opened']:,}", *(f"{counts[one]:,}" for one in OUTCOMES)]
            for at, counts in steps
            if counts["opened"] or read.ended(counts)
        ],
        legend=[(one, _WORDS[one]) for one in OUTCOMES],
    )


def _only(values: Sequence[float | None], told: Sequence[bool]) -> list[float | None]:
    return [value if tells else None for value, tells in zip(values, told, strict=True)]


def latency(steps: Sequence[Step], whole: Counts) -> Panel:
    """Draw how long people took."""
    half = [read.latency(counts, 0.5) for _, counts in steps]
    most = [read.latency(counts, 0.9) for _, counts in steps]
    told = [counts["by_people"] >= _LEAST_A_DAY for _, counts in steps]
    return _panel(
        "latency",
        "Time to decide",
        f"From question to answer, where people gave it. {_LEFT_OUT}",
        lambda: charts.band(
            "Median time to decide, and the time within which 90 % were decided",
            [at for at, _ in steps],
            charts.Series("Median", "line", _only(half, told)),
            charts.Series("90 %", "band", _only(most, told)),
        ),
        samples=whole["by_people"],
        head=["", "Decided by people", "Median", "90 % within"],
        rows=[
            [at, f"{counts['by_people']:,}", time_of(half[n]), time_of(most[n])]
            for n, (at, counts) in enumerate(steps)
            if counts["by_people"]
        ],
        legend=[("line", "Half within"), ("band", "90 % within")],
    )


def in_time(steps: Sequence[Step], whole: Counts) -> Panel:
    held = [read.share(counts["in_time"], counts["asked"]) for _, counts in steps]
    told = [counts["asked"] >= _LEAST_A_DAY for _, counts in steps]
    return _panel(
        "sla",
        "Ended in time",
        f"Of the tickets people were asked about. {_LEFT_OUT}",
        lambda: charts.shares(
            "Share that ended in time",
            [at for at, _ in steps],
            charts.Series("", "line", _only(held, told)),
        ),
        samples=whole["asked"],
        head=["", "Asked", "In time", "Share"],
        rows=[
            [at, f"{counts['asked']:,}", f"{counts['in_time']:,}", percent(held[n])]
            for n, (at, counts) in enumerate(steps)
            if counts["asked"]
        ],
    )


def calibration(counts: Counts) -> Panel:
    """Draw whether the AI knows how sure it may be."""
    buckets = read.calibration(counts)
    dots = [charts.Dot(one.confidence, one.accuracy, one.samples, one.warns) for one in buckets]
    off = [one for one in buckets if one.warns]
    note = "How sure the AI was, and how often people bore it out. On the line, both agree."
    if off:
        note += " ! marks where they are more than 0.1 apart."
    return _panel(
        "calibration",
        "Calibration of the AI",
        note,
        lambda: charts.against_diagonal(
            "Confidence of the AI against how often it was right",
            "confidence said", "share right", dots,
        ),
        samples=sum(one.samples for one in buckets),
        head=["Confidence", "Samples", "Said, on average", "Right", ""],
        rows=[
            [
                f"{one.least:.1f} to {one.least + 0.1:.1f}",
                f"{one.samples:,}",
                f"{one.confidence:.2f}",
                f"{one.accuracy:.2f}",
                _verdict(one),
            ]
            for one in buckets
        ],
    )  # fmt: skip


def _verdict(bucket: read.Bucket) -> str:
    if not bucket.enough:
        return f"fewer than {read.ENOUGH} samples"
    if not bucket.warns:
        return "well calibrated"
    return "too sure of itself" if bucket.distance > 0 else "not sure enough"


def refusals(found: Sequence[tuple[str, int]]) -> Panel:
    """Draw why tickets were refused."""
    samples = sum(number for _, number in found)
    shown = [(inert.plain(reason), number) for reason, number in found]
    most, rest = shown[:_MOST_BARS], shown[_MOST_BARS:]
    rows = [charts.Bar(reason, number, f"{number:,}") for reason, number in most]
    if rest:
        others = sum(number for _, number in rest)
        rows.append(charts.Bar(f"{len(rest)} other reasons", others, f"{others:,}"))
    return _panel(
        "refusals",
        "Reasons for rejection",
        f"As they were written, of the latest {figures.LOOKED_AT} at most.",
        lambda: charts.bars("Reasons for rejection", rows),
        samples=samples,
        head=["Reason", "Rejected"],
        rows=[[reason, f"{number:,}"] for reason, number in shown[:30]],
    )


def loads(found: Sequence[figures.Load], *, alone: bool) -> Panel:
    """Draw who carried how much, by name."""
    rows = [
        charts.Bar(inert.plain(load.person), load.minutes, f"{load.votes:,} votes, {_hours(load)}")
        for load in found[:40]
    ]
    return _panel(
        "load",
        "Your own load" if alone else "Reviewer load",
        "Time spent reviewing, at all checkpoints, by name.",
        lambda: charts.bars("Time spent reviewing", rows),
        samples=sum(load.votes for load in found),
        head=["Reviewer", "Votes", "Time spent", "Each, on average"],
        rows=[
            [
                inert.plain(load.person),
                f"{load.votes:,}",
                _hours(load),
                time_of(load.minutes * 60 / load.votes if load.votes else None),
            ]
            for load in found
        ],
    )


def _hours(load: figures.Load) -> str:
    """Return time spent working: in hours, since nobody works for days on end."""
    return f"{load.minutes / 60:,.1f} h" if load.minutes >= 60 else f"{load.minutes:.0f} min"
