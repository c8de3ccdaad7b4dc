"""The emergency switch over the interface, and how the service stands."""

from functools import partial
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import StrictSerializer, Text
from approvals.api.schema import describe, sent
from approvals.api.views import MANAGE, READ, ApiView
from approvals.errors import MachineCannotBypass
from approvals.models import Bypass
from approvals.rows import the_one
from approvals.services.bypasses import running
from audit.clock import db_now
from reviews.api import shapes
from reviews.api.requests import NothingRequest
from reviews.models import Checkpoint
from reviews.representation import iso
from reviews.services.bypass_reviews import passed_under, review_of
from reviews.services.bypasses import bypass_members, end_bypass, people_told, start_bypass
from reviews.services.pauses import paused_among
from reviews.services.status import status_findings

_READ_POLICIES = "approvals.view_approvalpolicy"
_SEES_ALL = ("approvals.view_bypass", "approvals.start_bypass")


class BypassCreateRequest(StrictSerializer):
    """A bypass, and the proof that it is you who starts it."""

    duration = Text(max_length=40, help_text="`30m`, `1h` or ISO 8601; at most four hours.")
    reason = Text(max_length=2000, lines=True, help_text="At least 10 characters.")
    checkpoints = serializers.ListField(
        child=Text(max_length=60),
        required=False,
        max_length=100,
        help_text="Slugs; left out or empty, everything passes.",
    )
    incident = Text(max_length=400, required=False, allow_blank=True)
    password = serializers.CharField(
        required=False, allow_blank=True, max_length=400, trim_whitespace=False
    )
    code = Text(max_length=40, required=False, allow_blank=True, help_text="Of a second factor.")


class BypassAnswer(serializers.Serializer[Any]):
    """A time in which what people would be asked passes without them."""

    id = serializers.UUIDField()
    state = serializers.CharField(help_text="`active`, `unreviewed` or `reviewed`.")
    by = serializers.CharField()
    by_label = serializers.CharField()
    scope = serializers.ListField(
        child=serializers.CharField(), help_text="Policies that pass; empty: all."
    )
    reason = serializers.CharField()
    incident = serializers.CharField(allow_null=True)
    channel = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField(allow_null=True, help_text="Null: it ended by itself.")
    review = serializers.UUIDField(
        allow_null=True, help_text="The ticket in which somebody else looks at it."
    )
    reviewed_at = serializers.DateTimeField(allow_null=True)


class BypassWholeAnswer(BypassAnswer):
    """A bypass with what passed and who was told."""

    passed = serializers.IntegerField(help_text="How many tickets passed so far.")
    told = serializers.ListField(
        child=serializers.CharField(), help_text="Who is told by mail when it begins and ends."
    )
    review_link = serializers.CharField(
        help_text="Where the review is, or will be listed once it is over."
    )


def _row(bypass: Bypass, *, now: Any) -> dict[str, Any]:
    over = bypass.ended_at is not None or bypass.ends_at <= now
    state = "reviewed" if bypass.reviewed_at else "unreviewed" if over else "active"
    return {**bypass_members(bypass), "state": state}


def _whole(bypass: Bypass) -> dict[str, Any]:
    review = review_of(bypass)
    page = "/admin/approvals/bypass/"
    if review is not None:
        page = f"/admin/reviews/ticket/{review.pk}/change/"
    return {
        **_row(bypass, now=db_now()),
        "passed": passed_under(bypass).count(),
        "told": [person.label for person in people_told()] if settings.MAIL_NOTICES else [],
        "review_link": settings.BASE_URL + page,
    }


class _Bypasses(ApiView):
    people_only = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse machines before anything else, with a code of its own."""
        if request.method == "POST" and getattr(request.user, "is_machine", False):
            raise MachineCannotBypass
        super().initial(request, *args, **kwargs)

    def seen(self) -> QuerySet[Bypass]:
        """Return the bypasses the caller may see: their own, or all."""
        rows = Bypass.objects.select_related("started_by", "ended_by")
        if any(self.user.has_perm(right) for right in _SEES_ALL):
            return rows
        return rows.filter(started_by=self.user)

    def found(self, bypass_id: str) -> Bypass:
        """Return one of them."""
        return the_one(self.seen().filter(pk=bypass_id))


class BypassesPage(_Bypasses):
    """All of them, and new ones."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": MANAGE}

    @describe(
        "bypasses_list",
        "List the emergency bypasses",
        tag="bypasses",
        lists=BypassAnswer,
        description="Newest first. Without the right to see all of them, one's own.",
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page."""
        return self.page(self.seen(), partial(_row, now=db_now()))

    @describe(
        "bypasses_start",
        "Start an emergency bypass",
        tag="bypasses",
        request=BypassCreateRequest,
        answers={201: BypassWholeAnswer},
        problems=[409],
        examples=[
            sent(
                "Everything, for half an hour",
                {
                    "duration": "30m",
                    "reason": "The mail provider is down and orders pile up.",
                    "password": "…",
                },
            ),
            sent(
                "One checkpoint, with a second factor",
                {
                    "duration": "PT1H",
                    "reason": "Supplier must be paid before noon.",
                    "checkpoints": ["data-purchase"],
                    "incident": "INC-204",
                    "code": "123456",
                },
            ),
        ],
        description="What people would be asked from now on passes at once, `decision.by` says "
        "`bypass`; what a rule refuses stays refused. Takes the right `start_bypass` and, in this "
        "very call, the person's password or (where one is set up) second factor's code. Leads, "
        "managers and auditors are told. Afterwards somebody else must look at what passed; until "
        "then the same person starts no other (409 `bypass-unreviewed`).",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Start one."""
        given = self.given(BypassCreateRequest)
        bypass = start_bypass(
            by=self.user,
            password=given.get("password", ""),
            code=given.get("code", ""),
            reason=given["reason"],
            duration=given["duration"],
            checkpoints=given.get("checkpoints", []),
            incident=given.get("incident", ""),
        )
        return Response(_whole(bypass), status=201)


class BypassPage(_Bypasses):
    """One of them."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe("bypasses_read", "Read a bypass", tag="bypasses", answers={200: BypassWholeAnswer})
    def get(self, request: Request, bypass_id: str) -> Response:  # noqa: ARG002
        """Answer one bypass."""
        return Response(_whole(self.found(bypass_id)))


class BypassEndPage(_Bypasses):
    """The end of one."""

    scopes: ClassVar[dict[str, str]] = {"POST": MANAGE}

    @describe(
        "bypasses_end",
        "End a bypass now",
        tag="bypasses",
        request=NothingRequest,
        answers={200: BypassWholeAnswer},
        description="By who started it, or who may start one. Opens its review. Ending twice "
        "changes nothing.",
    )
    def post(self, request: Request, bypass_id: str) -> Response:  # noqa: ARG002
        """End it."""
        self.given(NothingRequest)
        bypass = end_bypass(bypass_id=self.found(bypass_id).pk, by=self.user)
        return Response(_whole(bypass))


class StandingBypassAnswer(serializers.Serializer[Any]):
    """A bypass that is active."""

    id = serializers.UUIDField()
    by_label = serializers.CharField()
    scope = serializers.ListField(child=serializers.CharField())
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField(allow_null=True, help_text="Null for machines.")


class StandingCheckpointAnswer(serializers.Serializer[Any]):
    """Whether a checkpoint lets its operations wait."""

    slug = serializers.CharField()
    paused = serializers.BooleanField()


class StandingFindingAnswer(serializers.Serializer[Any]):
    """What is misconfigured, failing or overdue, and one way to mend it."""

    part = serializers.CharField(help_text="What it is about: mail, deliveries, time, questions …")
    checkpoint = serializers.CharField(allow_null=True, help_text="Of a finding about a question.")
    policy = serializers.CharField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    severity = serializers.ChoiceField(["error", "warning"])
    code = serializers.CharField()
    pointer = serializers.CharField()
    message = serializers.CharField()
    mend = serializers.CharField(help_text="One way to mend it.")


class StatusAnswer(serializers.Serializer[Any]):
    """How the service stands: what is switched off, passed or paused."""

    release = serializers.CharField()
    human_in_the_loop = serializers.BooleanField()
    flags = shapes.Object(help_text="Slug of a checkpoint → whether people are asked.")
    stubs = serializers.BooleanField()
    bypasses = StandingBypassAnswer(many=True)
    checkpoints = StandingCheckpointAnswer(many=True)
    findings = StandingFindingAnswer(many=True, help_text="For who may read policies.")


class StatusPage(ApiView):
    """How the service stands."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "status_read",
        "How the service stands",
        tag="status",
        answers={200: StatusAnswer},
        description="`paused`: an alert is open there that nobody has acknowledged, so what is "
        "costly should wait.",
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer flags, bypasses and pauses."""
        standing = list(
            Checkpoint.objects.filter(active=True).select_related("question").order_by("slug")
        )
        paused = paused_among(standing)
        return Response(
            {
                "release": settings.HITL_RELEASE,
                "human_in_the_loop": settings.ENABLE_HUMAN_IN_THE_LOOP,
                "flags": dict(settings.HITL_FLAGS),
                "stubs": settings.USE_STUBS,
                "bypasses": [
                    {
                        "id": str(bypass.pk),
                        "by_label": bypass.started_by.label,
                        "scope": bypass.scope,
                        "starts_at": iso(bypass.starts_at),
                        "ends_at": iso(bypass.ends_at),
                        "reason": None if self.user.is_machine else bypass.reason,
                    }
                    for bypass in running(db_now())
                ],
                "checkpoints": [{"slug": row.slug, "paused": row.pk in paused} for row in standing],
                "findings": status_findings() if self.user.has_perm(_READ_POLICIES) else [],
            }
        )
