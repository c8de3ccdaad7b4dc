"""The page of figures: how the house stands and how it did, for whoever may see the tickets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import path
from django.views.decorators.http import require_safe

from approvals.models import User
from audit.clock import shown_now
from reviews.admin import panels
from reviews.admin.pages import desk_page, person_of
from reviews.display import moments
from reviews.insights import metrics as read
from reviews.insights.facts import Counts
from reviews.models import Checkpoint, Lane, Region
from reviews.services import figures

PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "A year"}
_USUAL = 30


@dataclass(frozen=True, slots=True)
class Card:
    """One figure and what it says in words."""

    title: str
    figure: str
    note: str = ""
    tone: str = ""


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
    steps = panels.steps_of(period)
    models = figures.models_seen(scope=figures.scope_of(user), since=period.first)
    return {
        "title": "Figures",
        "now": now,
        "cards": _cards(counts, waits, now),
        "every_model": bool(asked.model),
        "panels": [
            panels.volume(steps),
            panels.latency(steps, counts),
            panels.in_time(steps, counts),
            panels.calibration(counts),
            panels.refusals(figures.refusals(scope=scope, days=asked.days, now=now)),
            panels.loads(figures.loads(period.by_person), alone=scope.reviewer is not None),
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
        Card("Within SLA", panels.percent(told["sla_compliance"]),
             _of(counts["in_time"], counts["asked"])),
        Card("Median time to decide", panels.time_of(told["approval_latency_p50"]),
             _of_people(counts["by_people"])),
        Card("Decided without people", panels.percent(read.share(by_rule, total)),
             _of(by_rule, total)),
        Card("Overturned after approval", panels.percent(told["overturned_rate"]),
             _of(counts["overturned"], read.approved(counts))),
    ]  # fmt: skip


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if whole else "nothing counted yet"


def _of_people(number: int) -> str:
    return f"{number:,} decided by people" if number else "nothing decided yet"
