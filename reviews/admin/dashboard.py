"""The page of figures: how the house stands and how it did, for whoever may see the tickets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import path
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from approvals.models import User
from audit.clock import shown_now
from reviews.admin.pages import desk_page, in_zone_of, person_of
from reviews.display import charts, inert, moments
from reviews.insights import metrics as read
from reviews.insights.facts import OUTCOMES, Counts
from reviews.models import Checkpoint, Lane, Region
from reviews.services import figures

PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "A year"}
_USUAL = 30
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
class Card:
    """One figure and what it says in words."""

    title: str
    figure: str
    note: str = ""
    tone: str = ""


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


@dataclass(slots=True)
class Asked:
    """Of when and of what somebody wants to see figures; empty narrows nothing."""

    days: int = _USUAL
    checkpoint: Checkpoint | None = None
    region: Region | None = None
    model: str = ""
    checkpoints: list[Checkpoint] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    @classmethod
    def read(cls, given: QueryDict, user: User) -> "Asked":
        """Return what an address asks for and this person may see; the rest is passed over."""
        days = str(given.get("period", "")).removesuffix("d")
        lanes = Lane.objects.open_to(user)
        regions = list(Region.objects.filter(pk__in=lanes.values("region")))
        checkpoints = list(Checkpoint.objects.all())
        named = str(given.get("checkpoint", "")), str(given.get("region", ""))
        return cls(
            days=int(days) if days in map(str, PERIODS) else _USUAL,
            checkpoint=next((one for one in checkpoints if one.slug == named[0]), None),
            region=next((one for one in regions if one.slug == named[1]), None),
            model=str(given.get("model", "")).replace("\x00", "")[:120],
            checkpoints=checkpoints,
            regions=regions,
        )

    def query(self, **changed: object) -> str:
        """Return the address of these figures with something changed; empty words fall away."""
        given = {
            "period": f"{self.days}d" if self.days != _USUAL else "",
            "checkpoint": self.checkpoint.slug if self.checkpoint else "",
            "region": self.region.slug if self.region else "",
            "model": self.model,
            **changed,
        }
        return "?" + urlencode({name: value for name, value in given.items() if value})


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the figures of a period."""
    user = person_of(request)
    with in_zone_of(user):
        return desk_page(request, "dashboard.html", _context(request, user))


def at_desk(request: HttpRequest) -> HttpResponse:
    """Show the figures to who may come to the desk; others are led to sign in."""
    # The admin's site is asked for here: it is not whole while addresses are read.
    answer: HttpResponse = admin.site.admin_view(dashboard)(request)
    return answer


urlpatterns = [path("admin/reviews/dashboard/", at_desk, name="dashboard")]


def _context(request: HttpRequest, user: User) -> dict[str, Any]:
    asked, now = Asked.read(request.GET, user), shown_now()
    scope = figures.scope_of(
        user, region=asked.region, checkpoint=asked.checkpoint, model=asked.model or None
    )
    period = figures.period(scope=scope, days=asked.days, now=now)
    counts, waits = period.counts, figures.waiting(scope=scope, now=now)
    steps = _steps(period)
    models = figures.models_seen(scope=figures.scope_of(user), since=period.first)
    return {
        "title": "Figures",
        "now": now,
        "cards": _cards(counts, waits, now),
        "every_model": bool(asked.model),
        "panels": [
            _volume(steps),
            _latency(steps, counts),
            _in_time(steps, counts),
            _calibration(counts),
            _refusals(figures.refusals(scope=scope, days=asked.days, now=now)),
            _loads(figures.loads(period.by_person), alone=scope.reviewer is not None),
        ],
        "periods": [
            (title, asked.query(period=f"{days}d" if days != _USUAL else ""), days == asked.days)
            for days, title in PERIODS.items()
        ],
        "picks": _picks(asked, models),
        "narrowed": asked.checkpoint or asked.region or asked.model,
        "clear": asked.query(checkpoint="", region="", model=""),
        "table": f"/api/v1/metrics-summary{asked.query(period=f'{asked.days}d', format='csv')}",
        "behind": period.until if period.until < now else None,
        "ended": read.ended(counts),
    }


def _picks(asked: Asked, models: Sequence[str]) -> list[tuple[str, str, Any]]:
    """Return the filters with a choice: title, what is chosen, and (word, link, chosen) each."""

    def pick(name: str, rows: Sequence[tuple[str, str]], chosen: str) -> Any:
        return [
            (word, asked.query(**{name: "" if value == chosen else value}), value == chosen)
            for value, word in rows
        ]

    checkpoint, region = asked.checkpoint, asked.region
    places = [(one.slug, one.title) for one in asked.checkpoints]
    regions = [(one.slug, one.name) for one in asked.regions]
    models = [*models, *({asked.model} - {*models, ""})]
    return [
        ("Checkpoint", checkpoint.title if checkpoint else "",
         pick("checkpoint", places, checkpoint.slug if checkpoint else "")),
        ("Region", region.name if region else "",
         pick("region", regions, region.slug if region else "")),
        ("AI model", asked.model, pick("model", [(one, one) for one in models], asked.model)),
    ]  # fmt: skip


def _cards(counts: Counts, waits: figures.Waiting, now: Any) -> list[Card]:
    told = read.metrics(counts)
    many = f"{figures.MANY:,}+" if waits.count > figures.MANY else f"{waits.count:,}"
    late = f"{waits.late:,} overdue" if waits.late else "none overdue"
    by_rule = counts["by_rule"] + counts["by_bypass"]
    total = read.ended(counts)
    return [
        Card("Waiting now", many, late, "bad" if waits.late else ""),
        Card("Oldest waits", moments.length(now - waits.oldest) if waits.oldest else "–"),
        Card("Within SLA", percent(told["sla_compliance"]),
             _of(counts["in_time"], counts["asked"])),
        Card("Median time to decide", _time(told["approval_latency_p50"]),
             _of_people(counts["by_people"])),
        Card("Decided without people", percent(read.share(by_rule, total)), _of(by_rule, total)),
        Card("Overturned after approval", percent(told["overturned_rate"]),
             _of(counts["overturned"], read.approved(counts))),
    ]  # fmt: skip


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if whole else "nothing counted yet"


def _of_people(number: int) -> str:
    return f"{number:,} decided by people" if number else "nothing decided yet"


def percent(share: float | None) -> str:
    """Return a share as people read it; what is nearly all or nearly none is not rounded away."""
    if share is None:
        return "–"
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{share * 100:.1f} %"
    return f"{share * 100:.0f} %"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else moments.length(timedelta(seconds=seconds))


Step = tuple[str, Counts]


def _steps(period: figures.Period) -> list[Step]:
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


def _volume(steps: Sequence[Step]) -> Panel:
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


def _latency(steps: Sequence[Step], whole: Counts) -> Panel:
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
            [at, f"{counts['by_people']:,}", _time(half[n]), _time(most[n])]
            for n, (at, counts) in enumerate(steps)
            if counts["by_people"]
        ],
        legend=[("line", "Half within"), ("band", "90 % within")],
    )


def _in_time(steps: Sequence[Step], whole: Counts) -> Panel:
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


def _calibration(counts: Counts) -> Panel:
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


def _refusals(found: Sequence[tuple[str, int]]) -> Panel:
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


def _loads(found: Sequence[figures.Load], *, alone: bool) -> Panel:
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
                _time(load.minutes * 60 / load.votes if load.votes else None),
            ]
            for load in found
        ],
    )


def _hours(load: figures.Load) -> str:
    """Return time spent working: in hours, since nobody works for days on end."""
    return f"{load.minutes / 60:,.1f} h" if load.minutes >= 60 else f"{load.minutes:.0f} min"
