"""Figures of a period, as JSON or as a table for a spreadsheet."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import Choice, StrictSerializer, Text
from approvals.api.schema import describe
from approvals.api.views import READ, ApiView
from approvals.errors import Invalid, NotAllowed
from audit.clock import shown_now
from reviews.api.tickets import region_called
from reviews.insights import metrics as read
from reviews.insights.facts import OUTCOMES, Counts
from reviews.models import Checkpoint
from reviews.representation import iso
from reviews.services import figures

Json = dict[str, Any]
LONGEST = 366
_PERIOD = re.compile(r"([1-9]\d{0,2})d")
# What a spreadsheet would run or break on as the first character of a cell.
_ACTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class MetricsQuery(StrictSerializer):
    """Of when, and of what."""

    period = Text(max_length=4, required=False)
    checkpoint = Text(max_length=60, required=False)
    region = Text(max_length=80, required=False)
    model = Text(max_length=120, required=False)
    format = Choice(["json", "csv"], required=False)


class BucketAnswer(serializers.Serializer[Any]):
    """One tenth of confidence, and how often the AI was right there."""

    least = serializers.FloatField(help_text="Lower bound of the bucket.")
    samples = serializers.IntegerField()
    confidence = serializers.FloatField(help_text="Mean of what the AI said.")
    accuracy = serializers.FloatField(help_text="Share in which people bore it out.")
    distance = serializers.FloatField(help_text="Above zero: too sure of itself.")
    enough = serializers.BooleanField(help_text="False below 20 samples: conclude nothing.")
    warning = serializers.BooleanField(
        source="warns", help_text="Enough samples, and more than 0.1 off."
    )


class DayAnswer(serializers.Serializer[Any]):
    """One day (UTC)."""

    day = serializers.DateField()
    opened = serializers.IntegerField()
    approved = serializers.IntegerField()
    answered = serializers.IntegerField()
    rejected = serializers.IntegerField()
    expired = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    approval_latency_p50 = serializers.FloatField(allow_null=True)
    approval_latency_p90 = serializers.FloatField(allow_null=True)
    sla_compliance = serializers.FloatField(allow_null=True)


class ReviewerLoadAnswer(serializers.Serializer[Any]):
    """How much one person reviewed in the period, at all checkpoints."""

    person = serializers.CharField()
    votes = serializers.IntegerField()
    allows = serializers.IntegerField(help_text="Votes that let something pass or answered it.")
    corrections = serializers.IntegerField(help_text="Votes that differ from what the AI said.")
    minutes = serializers.FloatField(help_text="Of all their reviews together.")


class WaitingAnswer(serializers.Serializer[Any]):
    """What waits now."""

    count = serializers.IntegerField(help_text="Counted up to 1,001.")
    overdue = serializers.IntegerField()
    oldest_at = serializers.DateTimeField(allow_null=True)
    oldest_seconds = serializers.FloatField(allow_null=True)


class MetricsAnswer(serializers.Serializer[Any]):
    """Figures of a period. Shares are 0 to 1, times seconds; null where nothing is counted."""

    first_day = serializers.DateField()
    last_day = serializers.DateField()
    complete_until = serializers.DateTimeField(
        help_text="Everything up to here is counted; it lies back only while an old installation "
        "catches up."
    )
    checkpoint = serializers.CharField(allow_null=True)
    region = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    total_decisions = serializers.IntegerField()
    human_review_rate = serializers.FloatField(allow_null=True)
    auto_approved_rate = serializers.FloatField(allow_null=True)
    approval_rate = serializers.FloatField(allow_null=True)
    override_rate = serializers.FloatField(allow_null=True)
    modification_rate = serializers.FloatField(allow_null=True)
    avg_review_time = serializers.FloatField(allow_null=True)
    sla_compliance = serializers.FloatField(allow_null=True)
    ai_accuracy = serializers.FloatField(allow_null=True)
    confidence_calibration = serializers.FloatField(allow_null=True)
    approval_latency_p50 = serializers.FloatField(allow_null=True)
    approval_latency_p90 = serializers.FloatField(allow_null=True)
    overturned_rate = serializers.FloatField(allow_null=True)
    bypassed_rate = serializers.FloatField(allow_null=True)
    opened = serializers.IntegerField()
    decided_by_people = serializers.IntegerField()
    judged = serializers.IntegerField(help_text="Decisions that tell whether the AI was right.")
    waiting = WaitingAnswer()
    calibration = BucketAnswer(many=True)
    days = DayAnswer(many=True)
    reviewers = ReviewerLoadAnswer(many=True)


class TableRenderer(BaseRenderer):
    """Figures as CSV; what is refused stays a problem in JSON."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the bytes of the answer."""
        response = (renderer_context or {}).get("response")
        if response is not None and response.exception:
            return bytes(JSONRenderer().render(data, accepted_media_type, renderer_context))
        return table(data).encode()


_METRICS = tuple(read.metrics({}))
_COLUMNS = ("day", "checkpoint", "region", "model", "opened", *OUTCOMES, *_METRICS)


def table(told: Json) -> str:
    """Return the figures as CSV: the whole period first, then a row per day.

    Text that a spreadsheet would take for a formula is led by an apostrophe.
    """
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(_COLUMNS)
    asked = {name: told[name] or "" for name in ("checkpoint", "region", "model")}
    whole = {**told, **{name: sum(day[name] for day in told["days"]) for name in OUTCOMES}}
    for row in ({**whole, "day": "all"}, *told["days"]):
        found = {**row, **asked}
        rows.writerow([_cell(found.get(name)) for name in _COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_ACTS):
        return f"'{value}"
    return "" if value is None else value


class MetricsPage(ApiView):
    """How the house stands, and how it did."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}
    renderer_classes = (JSONRenderer, TableRenderer)

    @describe(
        "metrics_summary",
        "Read the figures of a period",
        tag="figures",
        answers={(200, "application/json"): MetricsAnswer, (200, "text/csv"): str},  # type: ignore[dict-item]
        parameters=[MetricsQuery],
        description="The last days up to now (`30d` by default, at most `366d`), days being those "
        "of UTC. People see the figures of the tickets they may see, and of reviewers only "
        "themselves unless they see every ticket. `Accept: text/csv` or `format=csv` answers a "
        "table. docs/reference/figures.md says how each figure is counted.",
        examples=[
            OpenApiExample(
                "A quiet week",
                value={
                    "first_day": "2026-03-02",
                    "last_day": "2026-03-08",
                    "total_decisions": 212,
                    "human_review_rate": 0.41,
                    "sla_compliance": 0.97,
                    "approval_latency_p50": 640.0,
                },
                response_only=True,
                media_type="application/json",
            )
        ],
    )
    def get(self, request: Request) -> Response:
        """Answer the figures."""
        if self.user.is_machine:
            raise NotAllowed("Figures are for people; a service key sees only its own tickets.")
        asked = self.asked(MetricsQuery)
        if asked.get("format") == "csv":
            request.accepted_renderer = TableRenderer()
            request.accepted_media_type = TableRenderer.media_type
        elif asked.get("format") == "json":
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        days = days_of(asked.get("period", "30d"))
        checkpoint = _checkpoint(asked["checkpoint"]) if "checkpoint" in asked else None
        region = region_called(asked["region"], self.user) if "region" in asked else None
        model = asked.get("model")
        scope = figures.scope_of(self.user, region=region, checkpoint=checkpoint, model=model)
        now = shown_now()
        told = summary(scope=scope, days=days, now=now)
        told["checkpoint"] = checkpoint.slug if checkpoint else None
        told["region"] = region.slug if region else None
        told["model"] = model
        return Response(told)


def days_of(period: str) -> int:
    """Return how many days a period like `30d` has.

    :raises Invalid: for anything else, and for more than a year.
    """
    match = _PERIOD.fullmatch(period)
    if match is None or int(match[1]) > LONGEST:
        message = f"Write a number of days, for example 30d; at most {LONGEST}d."
        raise Invalid(errors=[{"parameter": "period", "message": message}])
    return int(match[1])


def _checkpoint(slug: str) -> Checkpoint:
    found = Checkpoint.objects.filter(slug=slug).first()
    if found is None:
        message = "There is no such checkpoint."
        raise Invalid(errors=[{"parameter": "checkpoint", "message": message}])
    return found


def summary(*, scope: figures.Scope, days: int, now: datetime) -> Json:
    """Return everything the interface tells of a period."""
    period = figures.period(scope=scope, days=days, now=now)
    counts, waits = period.counts, figures.waiting(scope=scope, now=now)
    return {
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
        "complete_until": iso(period.until),
        **read.metrics(counts),
        "opened": counts["opened"],
        "decided_by_people": counts["by_people"],
        "judged": counts["judged"],
        "waiting": {
            "count": waits.count,
            "overdue": waits.late,
            "oldest_at": iso(waits.oldest),
            "oldest_seconds": waits.oldest and (now - waits.oldest).total_seconds(),
        },
        "calibration": BucketAnswer(read.calibration(counts), many=True).data,
        "days": [
            {
                "day": day.isoformat(),
                "opened": on["opened"],
                **{name: on[name] for name in OUTCOMES},
                **{name: value for name, value in read.metrics(on).items() if name in _DAILY},
            }
            for day, on in (
                (day, period.by_day.get(day, Counts()))
                for day in (period.first + timedelta(days=n) for n in range(days))
            )
        ],
        "reviewers": ReviewerLoadAnswer(figures.loads(period.by_person), many=True).data,
    }


_DAILY = ("approval_latency_p50", "approval_latency_p90", "sla_compliance")
