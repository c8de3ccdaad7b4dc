"""The named kind of decision, with the rules that say when people are asked."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from approvals.models import ApprovalPolicy
from audit.ids import new_id
from reviews.flags import why_reserved
from reviews.rules import RuleInvalid, check_rule


def no_schema() -> dict[str, Any]:
    return {}


def no_presets() -> list[str]:
    return []


class Risk(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class Priority(models.TextChoices):
    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


class Checkpoint(models.Model):
    """A kind of decision. A name and a question are enough; everything else is a safe default."""

    class Otherwise(models.TextChoices):
        ASK = "ask", "Ask a person"
        ALLOW = "allow", "Let it pass"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    reference = models.CharField(
        max_length=20, blank=True, help_text="Your own code for it, for example P1-021."
    )
    effect_sentence = models.CharField(
        max_length=300,
        blank=True,
        help_text="What happens if approved. {field} is replaced by the proposal's value.",
    )
    proposal_schema: Any = models.JSONField(
        default=no_schema, blank=True, help_text="JSON Schema of a proposal. Empty: anything."
    )
    view: Any = models.JSONField(
        default=no_schema, blank=True, help_text="How a proposal is shown: fields and labels."
    )
    otherwise = models.CharField(
        max_length=10,
        choices=Otherwise,
        default=Otherwise.ASK,
        help_text="When no rule matches. Without a live rule a person is always asked.",
    )
    question = models.ForeignKey(
        ApprovalPolicy,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The policy version a person is asked under.",
    )
    critical = models.BooleanField(
        default=False, help_text="Critical means high risk and at least two different approvers."
    )
    presets: Any = models.JSONField(
        default=no_presets, blank=True, help_text="Presets a requester may name."
    )
    risk = models.CharField(max_length=10, choices=Risk, default=Risk.LOW)
    active = models.BooleanField(default=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        why = why_reserved(self.slug)
        if why:
            raise ValidationError({"slug": why})


class Rule(models.Model):
    """One row of a checkpoint: when → allow, deny or ask. The first matching live rule wins."""

    class Then(models.TextChoices):
        ALLOW = "allow", "Let it pass"
        DENY = "deny", "Refuse"
        ASK = "ask", "Ask a person"

    class State(models.TextChoices):
        LIVE = "live", "Live"
        SHADOW = "shadow", "Shadow"
        OFF = "off", "Off"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120)
    when = models.TextField(help_text="For example: total_cost > 100 or business_count > 1000")
    then = models.CharField(max_length=10, choices=Then, default=Then.ASK)
    band = models.CharField(max_length=20, blank=True)
    priority = models.CharField(max_length=10, choices=Priority, blank=True)
    question = models.ForeignKey(
        ApprovalPolicy,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Asked instead of the checkpoint's own question.",
    )
    risk = models.CharField(max_length=10, choices=Risk, blank=True)
    legal_basis = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.LIVE)
    audit_sample = models.FloatField(default=0, help_text="Share of passes a person looks at, 0–1.")
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "position"],
                name="rule_one_per_position",
            ),
            models.CheckConstraint(
                condition=models.Q(audit_sample__gte=0, audit_sample__lte=1),
                name="rule_sample_is_a_share",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__isnull=True) | models.Q(then="allow"),
                name="rule_only_allow_expires",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.expires_at and self.then != self.Then.ALLOW:
            raise ValidationError({"expires_at": "Only a rule that lets things pass may expire."})
        try:
            check_rule(self.when, self.checkpoint.proposal_schema)
        except RuleInvalid as problem:
            raise ValidationError({"when": [e["message"] for e in problem.errors]}) from problem
