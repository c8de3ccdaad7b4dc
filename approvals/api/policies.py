"""The questions people may be asked, as published."""

from typing import Any, ClassVar

from django.db.models import Exists, OuterRef
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.schema import describe
from approvals.api.views import READ, ApiView
from approvals.models import ApprovalPolicy
from approvals.rows import the_one
from approvals.safeguards import ASKED, DOORS, render_safeguards
from approvals.services.policies import findings_of, rendered, safeguards_of

_RIGHT = "approvals.view_approvalpolicy"


@extend_schema_field({"type": "object", "additionalProperties": {}})
class Question(serializers.JSONField):
    """Options, stages, timing and repetition."""


class SafeguardsAnswer(serializers.Serializer[Any]):
    """How votes are taken. `channels` null: through every door."""

    confirm_identity = serializers.ChoiceField(list(ASKED))
    channels = serializers.ListField(child=serializers.ChoiceField(list(DOORS)), allow_null=True)
    silence_may_allow = serializers.BooleanField()


class PolicyAnswer(serializers.Serializer[Any]):
    """One published version."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    version = serializers.IntegerField()
    name = serializers.CharField()
    note = serializers.CharField()
    published_at = serializers.DateTimeField()
    published_by = serializers.CharField(allow_null=True)
    latest = serializers.BooleanField()
    question = Question()
    safeguards = SafeguardsAnswer()
    weakens = serializers.BooleanField(
        help_text="It asks fewer people or less of them than the version before."
    )


class FindingAnswer(serializers.Serializer[Any]):
    """One thing that is wrong with a question although it can be read."""

    severity = serializers.ChoiceField(["error", "warning"])
    code = serializers.CharField()
    pointer = serializers.CharField()
    message = serializers.CharField()


class PolicyWithFindingsAnswer(PolicyAnswer):
    """One published version, and what is wrong with it now."""

    findings = FindingAnswer(many=True)


def policy_members(policy: Any) -> dict[str, Any]:
    """Return a version; its stages are prefetched and `newer` is annotated."""
    by = policy.published_by
    return {
        "id": str(policy.pk),
        "slug": policy.slug,
        "version": policy.version,
        "name": policy.name,
        "note": policy.note,
        "published_at": policy.published_at.isoformat().replace("+00:00", "Z"),
        "published_by": by.get_username() if by else None,
        "latest": not policy.newer,
        "question": rendered(policy),
        "safeguards": render_safeguards(safeguards_of(policy)),
        "weakens": policy.weakens,
    }


def _versions() -> Any:
    newer = ApprovalPolicy.objects.filter(slug=OuterRef("slug"), version__gt=OuterRef("version"))
    return (
        ApprovalPolicy.objects.annotate(newer=Exists(newer))
        .select_related("published_by")
        .prefetch_related("stages")
    )


class PoliciesPage(ApiView):
    """All versions."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "policies_list",
        "List the published versions of policies",
        tag="policies",
        lists=PolicyAnswer,
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page, newest first."""
        self.need(_RIGHT)
        return self.page(_versions(), policy_members)


class PolicyPage(ApiView):
    """One version."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "policies_read",
        "Read one version of a policy",
        tag="policies",
        answers={200: PolicyWithFindingsAnswer},
        description="With `findings`: what keeps it from being answered now, or might.",
    )
    def get(self, request: Request, policy_id: str) -> Response:  # noqa: ARG002
        """Answer one version."""
        self.need(_RIGHT)
        policy = the_one(_versions().filter(pk=policy_id))
        found = [finding.as_json() for finding in findings_of(policy)]
        return Response({**policy_members(policy), "findings": found})
