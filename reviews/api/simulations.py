"""What other rules would have made of a checkpoint's past tickets."""

from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import Choice, Instant, StrictSerializer, Text, Whole
from approvals.api.schema import describe, sent
from approvals.api.views import READ, ApiView
from approvals.errors import Invalid, NotAllowed, NotVisible, WrongState
from approvals.models import ApprovalPolicy
from audit.clock import db_now
from reviews.api.checkpoints import sees_rules
from reviews.api.shapes import Maybe
from reviews.models import Checkpoint, Rule
from reviews.rules import RuleInvalid, check_rule
from reviews.services.managers import CHANGE_CHECKPOINT
from reviews.services.simulations import MOST, simulate


class TriedRuleRequest(StrictSerializer):
    """One rule to try, in the place it would have."""

    name = Text(max_length=120, required=False, allow_blank=True)
    when = Text(max_length=4000, lines=True, help_text="For example: ticket.amount > 10000")
    then = Choice(Rule.Then.values)
    state = Choice(Rule.State.values, required=False)
    expires_at = Instant(required=False, help_text="Only of a rule that lets things pass.")


class SimulateRequest(StrictSerializer):
    """Rules to try instead of the checkpoint's own."""

    rules = TriedRuleRequest(many=True, max_length=100, required=False)  # type: ignore[call-arg]
    otherwise = Choice(Checkpoint.Otherwise.values, required=False)
    latest = Whole(
        min_value=1, max_value=MOST, required=False, help_text="How many tickets; else 1,000."
    )


class ChangedAnswer(serializers.Serializer[Any]):
    """One ticket the rules would treat differently."""

    id = serializers.UUIDField(source="ticket.pk")
    ref = serializers.CharField(source="ticket.label")
    title = serializers.CharField(source="ticket.title")
    was = serializers.CharField(help_text="What the rules said of it: ask, allow or deny.")
    would = serializers.CharField(help_text="What these would say.")
    rule = Maybe(help_text="The rule that would decide.")
    why = serializers.CharField()


class CountsAnswer(serializers.Serializer[Any]):
    """How many tickets go which way."""

    ask = serializers.IntegerField()
    allow = serializers.IntegerField()
    deny = serializers.IntegerField()


class SimulationAnswer(serializers.Serializer[Any]):
    """How the latest tickets would fare."""

    looked_at = serializers.IntegerField()
    more = serializers.BooleanField(help_text="Older tickets were not looked at.")
    would = CountsAnswer(source="*")
    were = CountsAnswer()
    nobody = serializers.IntegerField(help_text="Of those asked, how many nobody could answer.")
    changes = serializers.IntegerField()
    changed = ChangedAnswer(many=True, help_text="The latest twenty that change.")


class SimulatePage(ApiView):
    """Rules tried on past tickets."""

    scopes: ClassVar[dict[str, str]] = {"POST": READ}
    people_only = True

    @describe(
        "checkpoints_simulate",
        "Try rules on past tickets",
        tag="checkpoints",
        request=SimulateRequest,
        answers={200: SimulationAnswer},
        examples=[
            sent(
                "Ask above 10,000",
                {
                    "rules": [
                        {"name": "Large", "when": "ticket.amount > 10000", "then": "ask"},
                        {"name": "The rest", "when": "true", "then": "allow"},
                    ],
                    "latest": 500,
                },
            )
        ],
        description="For who may change the checkpoint. The latest tickets the caller may see are "
        "judged by these rules, in their order, as new ones are by those in force; without "
        "`rules`, by those. Nothing is stored.",
    )
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Judge the latest tickets anew."""
        given = self.given(SimulateRequest)
        checkpoint = Checkpoint.objects.filter(slug=slug).first() if sees_rules(self) else None
        if checkpoint is None:
            raise NotVisible
        if not self.user.has_perm(CHANGE_CHECKPOINT):
            raise NotAllowed("Only who may change a checkpoint tries rules on its tickets.")
        if "otherwise" in given:
            checkpoint.otherwise = given["otherwise"]
        rules = list(checkpoint.rules.all())
        if "rules" in given:
            rules = [_rule(row, place, checkpoint) for place, row in enumerate(given["rules"])]
        found = simulate(
            checkpoint=checkpoint,
            wanted=rules,
            user=self.user,
            now=db_now(),
            latest=given.get("latest", MOST),
        )
        return Response(SimulationAnswer(found).data)


class PolicySimulatePage(SimulatePage):
    """Rules tried on past tickets of the checkpoint that asks by a policy."""

    @describe(
        "policies_simulate",
        "Try rules on past tickets asked by a policy",
        tag="policies",
        request=SimulateRequest,
        answers={200: SimulationAnswer},
        problems=[409],
        examples=[sent("Those in force", {"latest": 500})],
        description="As for the checkpoint that asks by this policy, whichever its version; where "
        "several do, they are named.",
    )
    def post(self, request: Request, policy_id: UUID) -> Response:  # type: ignore[override]
        """Judge the latest tickets of the policy's checkpoint anew."""
        policy = ApprovalPolicy.objects.filter(pk=policy_id).first() if sees_rules(self) else None
        if policy is None:
            raise NotVisible
        asking = Checkpoint.objects.filter(question__slug=policy.slug).order_by("slug")
        slugs = list(asking.values_list("slug", flat=True))
        if len(slugs) != 1:
            ways = ", ".join(f"/checkpoints/{slug}/simulate" for slug in slugs)
            raise WrongState(
                f"Several checkpoints ask by this policy; try {ways}."
                if slugs
                else "No checkpoint asks by this policy, so there are no tickets to try."
            )
        return super().post(request, slugs[0])


def _rule(given: dict[str, Any], place: int, checkpoint: Checkpoint) -> Rule:
    """Return a rule to try.

    :raises Invalid: where it could not be saved like this.
    """
    try:
        check_rule(given["when"], checkpoint.proposal_schema)
    except RuleInvalid as problem:
        errors = [
            {"pointer": f"/rules/{place}/when", "message": error["message"]}
            for error in problem.errors
        ]
        raise Invalid(errors=errors) from problem
    if given.get("expires_at") and given["then"] != Rule.Then.ALLOW:
        message = "Only a rule that lets things pass may run out."
        raise Invalid.at(f"/rules/{place}/expires_at", message)
    return Rule(**{"name": f"Rule {place + 1}", **{k: v for k, v in given.items() if v}})
