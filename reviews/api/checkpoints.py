"""The kinds of decision there are."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.paging import CursorPage
from approvals.api.schema import describe
from approvals.api.views import READ, ApiView
from approvals.rows import the_one
from reviews.api import shapes
from reviews.api.requests import PageQuery
from reviews.flags import switched_off_by
from reviews.models import Checkpoint
from reviews.services.pauses import paused_among


class CheckpointsPage(ApiView):
    """All of them."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}
    ordering = "slug"

    @describe(
        "checkpoints_list",
        "List the kinds of decision",
        tag="checkpoints",
        lists=shapes.CheckpointAnswer,
        description="`rules` are there for people who may look at checkpoints.",
    )
    def get(self, request: Request) -> Response:
        """Answer one page of the active checkpoints."""
        self.asked(PageQuery)
        rules = sees_rules(self)
        standing = Checkpoint.objects.filter(active=True).select_related("question")
        pages = CursorPage()
        rows = pages.paginate_queryset(
            standing.prefetch_related("rules") if rules else standing, request, self
        )
        paused = paused_among(rows)
        return pages.get_paginated_response(
            [checkpoint(row, rules=rules, paused=row.pk in paused) for row in rows]
        )


class CheckpointPage(ApiView):
    """One of them."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "checkpoints_read",
        "Read one kind of decision",
        tag="checkpoints",
        answers={200: shapes.CheckpointAnswer},
    )
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Answer one checkpoint."""
        known = Checkpoint.objects.filter(active=True).select_related("question")
        row = the_one(known.filter(slug=slug))
        paused = row.pk in paused_among([row])
        return Response(checkpoint(row, rules=sees_rules(self), paused=paused))


def sees_rules(page: ApiView) -> bool:
    """Tell whether the caller may read rules; who opens tickets could steer around a threshold."""
    return not page.user.is_machine and page.user.has_perm("reviews.view_checkpoint")


def checkpoint(row: Checkpoint, *, rules: bool, paused: bool) -> dict[str, Any]:
    """Return a checkpoint."""
    variable = switched_off_by(row.slug)
    answer = {
        "slug": row.slug,
        "title": row.title,
        "reference": row.reference or None,
        "effect_sentence": row.effect_sentence or None,
        "proposal_schema": row.proposal_schema,
        "presets": row.presets,
        "otherwise": row.otherwise,
        "critical": row.critical,
        "risk": "high" if row.critical else row.risk,
        "asks": not variable,
        "enabled": not variable,
        "switched_off_by": variable or None,
        "policy": row.question.slug,
        "paused": paused,
    }
    if rules:
        answer["rules"] = shapes.CheckpointRuleAnswer(row.rules.all(), many=True).data
    return answer
